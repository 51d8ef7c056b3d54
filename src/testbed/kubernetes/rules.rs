//! What a write must agree with, and what of it counts: pure, object in, object out.

use serde_json::{Value, json};

use super::{
    failure::Failure,
    object::{self, finalizers, is_deleting, meta, set_meta},
    ownership::Contested,
    resource::ResourceType,
    store::Key,
    write::{Part, Preconditions},
};

/// The identity and the version that a DELETE was decided on.
pub(super) fn check_deletion(row: &ResourceType, object: &Value, wanted: &Preconditions) -> Result<(), Failure> {
    let unlike =
        |field: &str, wanted: &Option<String>| wanted.as_ref().is_some_and(|wanted| wanted != meta(object, field));
    if unlike("uid", &wanted.uid) || unlike("resourceVersion", &wanted.resource_version) {
        let why = "Precondition failed: the object is not the one meant";
        let mut failure = Failure::conflict(row, meta(object, "name"), why);
        failure.details["kind"] = json!(row.kind);
        return Err(failure);
    }
    Ok(())
}

/// What a write that names an object must agree with.
pub(super) fn check_identity(row: &ResourceType, key: &Key, body: &Value) -> Result<(), Failure> {
    if !object::is_well_formed(body) {
        return Err(Failure::bad_request(format!("the body cannot be read as a {}", row.kind)));
    }
    let unlike = |field: &str, wanted: &str| !wanted.is_empty() && !["", wanted].contains(&meta(body, field));
    if unlike("name", &key.name) {
        return Err(Failure::bad_request("the name of the object does not match the name on the URL"));
    }
    if unlike("namespace", &key.namespace) {
        return Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let unfit = |field: &str, wanted: &str| body[field].as_str().is_some_and(|given| given != wanted);
    if row.custom && unfit("kind", row.kind) {
        let mut failure =
            Failure::invalid(row, meta(body, "name"), "kind", "Invalid value: must be the resource's kind");
        failure.details["kind"] = body["kind"].clone();
        return Err(failure);
    }
    if unfit("kind", row.kind) || unfit("apiVersion", &row.api_version()) {
        return Err(Failure::bad_request("the API version or kind in the data does not match the expected one"));
    }
    Ok(())
}

/// What a configuration must say to be applied at all.
pub(super) fn check_applied(row: &ResourceType, key: &Key, configuration: &Value) -> Result<(), Failure> {
    if configuration["kind"] != row.kind || configuration["apiVersion"] != row.api_version() {
        return Err(Failure::bad_request("apiVersion and kind must be set and fit the request"));
    }
    check_identity(row, key, &with_name(configuration, &key.name))
}

/// The configuration with the name that its address gives it.
pub(super) fn with_name(configuration: &Value, name: &str) -> Value {
    let mut named = configuration.clone();
    if meta(&named, "name").is_empty() {
        set_meta(&mut named, "name", json!(name));
    }
    named
}

/// The fields of a configuration that its address lets it write.
pub(super) fn addressed(row: &ResourceType, configuration: &Value, part: Part) -> Value {
    let mut fields = configuration.as_object().cloned().unwrap_or_default();
    match part {
        Part::Main if row.has_status => {
            fields.remove("status");
        }
        Part::Main => {}
        Part::Status => {
            fields.retain(|field, _| ["apiVersion", "kind", "metadata", "status"].contains(&field.as_str()));
            for field in ["labels", "annotations", "finalizers", "ownerReferences"] {
                if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.remove(field);
                }
            }
        }
    }
    Value::Object(fields)
}

/// The refusal of an apply that meets other managers.
pub(super) fn contested(row: &ResourceType, key: &Key, contested: &[Contested]) -> Failure {
    let cause = |one: &Contested| {
        let message = format!("conflict with {:?}", one.owner);
        json!({"reason": "FieldManagerConflict", "message": message, "field": format!(".{}", one.field)})
    };
    let mut failure = Failure::modified(row, &key.name);
    failure.details = json!({"causes": contested.iter().map(cause).collect::<Vec<_>>()});
    failure.message = format!("Apply failed with {} conflict(s)", contested.len());
    failure
}

/// The version that an update was decided on.
pub(super) fn check_preconditions(row: &ResourceType, before: &Value, body: &Value) -> Result<(), Failure> {
    let name = meta(before, "name");
    match meta(body, "resourceVersion") {
        "" if row.unconditional_update => {}
        "" => {
            let why = "Invalid value: 0: must be specified for an update";
            let mut failure = Failure::invalid(row, name, "metadata.resourceVersion", why);
            failure.details["kind"] = json!(row.plural);
            return Err(failure);
        }
        given if given == meta(before, "resourceVersion") => {}
        given if given.parse::<u64>().is_err() => {
            return Err(Failure::unreadable(format!("invalid resource version {given:?}")));
        }
        _ => return Err(Failure::modified(row, name)),
    }
    Ok(())
}

/// The identity that a PUT was decided on.
pub(super) fn check_uid(row: &ResourceType, before: &Value, body: &Value) -> Result<(), Failure> {
    let name = meta(before, "name");
    match meta(body, "uid") {
        "" => Ok(()),
        given if given == meta(before, "uid") => Ok(()),
        _ => Err(Failure::conflict(
            row,
            name,
            "Precondition failed: UID in precondition differs from UID in object meta",
        )),
    }
}

/// What was decided at the creation, or by a deletion, for good. Left out, it stays.
pub(super) fn check_immutable(row: &ResourceType, before: &Value, body: &Value, part: Part) -> Result<(), Failure> {
    let fields = match part {
        Part::Main => ["uid", "creationTimestamp", "deletionTimestamp"].as_slice(),
        Part::Status => &[],
    };
    let changed = |field: &&&str| {
        !body["metadata"][**field].is_null() && body["metadata"][**field] != before["metadata"][**field]
    };
    match fields.iter().find(changed) {
        Some(field) => {
            let field = format!("metadata.{field}");
            Err(Failure::invalid(row, meta(before, "name"), &field, "Invalid value: field is immutable"))
        }
        None => Ok(()),
    }
}

/// What an update makes of the object: the rest of it is not the writer's to change.
pub(super) fn prepare_update(row: &ResourceType, before: &Value, body: Value, part: Part) -> Value {
    let mut after = match part {
        Part::Main => body,
        Part::Status => {
            let mut after = before.clone();
            after["status"] = body["status"].clone();
            after
        }
    };
    if part == Part::Main && row.has_status {
        after["status"] = before["status"].clone();
    }
    for kept in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
    ] {
        set_meta(&mut after, kept, before["metadata"][kept].clone());
    }
    object::normalise(row, &mut after);
    if let Some(generation) = before["metadata"]["generation"].as_u64()
        && object::spec_differs(before, &after)
    {
        set_meta(&mut after, "generation", json!(generation + 1));
    }
    after
}

/// A deletion that has begun cannot be held back by anything new.
pub(super) fn check_finalizers(row: &ResourceType, before: &Value, after: &Value) -> Result<(), Failure> {
    let had = finalizers(before);
    if is_deleting(before) && finalizers(after).iter().any(|finalizer| !had.contains(finalizer)) {
        let why = "Forbidden: no new finalizers can be added if the object is being deleted";
        return Err(Failure::invalid(row, meta(before, "name"), "metadata.finalizers", why));
    }
    Ok(())
}
