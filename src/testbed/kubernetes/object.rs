//! Reading and preparing objects: all that depends on nothing but the object.

use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::resource::{CRDS, NAMESPACES, ResourceType};

/// A string of `metadata`; empty when it is absent.
pub(super) fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// Whether a deletion has begun.
pub(super) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// The object's finalizers.
pub(super) fn finalizers(object: &Value) -> Vec<&str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Whether nothing holds a deletion back: no finalizer, and for a namespace nothing in its spec either.
pub(super) fn is_released(object: &Value) -> bool {
    finalizers(object).is_empty()
        && (object["kind"] != "Namespace" || object["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty))
}

/// A time as Kubernetes writes it: whole seconds.
pub(super) fn time(at: Timestamp) -> Value {
    json!(at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Sets a field of `metadata`, or takes it away.
pub(super) fn set_meta(object: &mut Value, field: &str, value: Value) {
    let Some(metadata) = metadata_mut(object) else { return };
    if value.is_null() {
        metadata.remove(field);
    } else {
        metadata.insert(field.to_owned(), value);
    }
}

fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let metadata = object.as_object_mut()?.entry("metadata").or_insert(Value::Null);
    if metadata.is_null() {
        *metadata = json!({});
    }
    metadata.as_object_mut()
}

/// What a type does to every object that is written: identity, forms that are stored otherwise, empty lists dropped.
pub(super) fn normalise(resource: &ResourceType, object: &mut Value) {
    object["apiVersion"] = json!(resource.api_version());
    object["kind"] = json!(resource.kind);
    if let Some(metadata) = metadata_mut(object) {
        metadata.remove("managedFields");
        metadata.retain(|_, value| !is_empty(value));
    }
    if resource.kind == "Secret" && resource.group.is_empty() {
        encode_secret(object);
    }
    if resource.starts_unobserved && object["status"].is_null() {
        object["status"] = json!({"observedGeneration": -1});
    }
    if let Some(top) = object.as_object_mut()
        && top.get("status").is_some_and(Value::is_null)
    {
        top.remove("status");
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn encode_secret(secret: &mut Value) {
    let plain = secret.as_object_mut().and_then(|secret| secret.remove("stringData"));
    for (key, value) in plain.as_ref().and_then(Value::as_object).into_iter().flatten() {
        secret["data"][key] = json!(BASE64_STANDARD.encode(value.as_str().unwrap_or_default()));
    }
    if secret["type"].is_null() {
        secret["type"] = json!("Opaque");
    }
    // A real server shows no empty map.
    if let Some(fields) = secret.as_object_mut().filter(|fields| fields.get("data").is_some_and(is_empty)) {
        fields.remove("data");
    }
}

/// What a type adds to a new object.
pub(super) fn initialise(resource: &ResourceType, object: &mut Value) {
    if resource.plural == NAMESPACES {
        let name = meta(object, "name").to_owned();
        object["spec"]["finalizers"] = json!(["kubernetes"]);
        object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(name);
        object["status"] = json!({"phase": "Active"});
    }
    if resource.plural == CRDS {
        object["status"] = json!({
            "acceptedNames": object["spec"]["names"],
            "conditions": [
                {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts"},
                {"type": "Established", "status": "True", "reason": "InitialNamesAccepted"},
            ],
        });
    }
}

/// Whether two objects differ outside `metadata` and `status`: what makes a new generation.
pub(super) fn spec_differs(a: &Value, b: &Value) -> bool {
    let rest = |object: &Value| {
        let mut rest = object.as_object().cloned().unwrap_or_default();
        rest.remove("metadata");
        rest.remove("status");
        rest
    };
    rest(a) != rest(b)
}

/// The form of an object that has only its metadata.
pub(super) fn metadata_only(object: &Value) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"]})
}

/// Refuses what is not shaped like an object at all; all else relies on this.
pub(super) fn is_well_formed(object: &Value) -> bool {
    let map = |value: &Value| value.is_object() || value.is_null();
    let metadata = &object["metadata"];
    let texts = ["name", "generateName", "namespace", "uid", "resourceVersion"];
    object.is_object()
        && map(metadata)
        && ["spec", "status", "data", "stringData"].iter().all(|field| map(&object[field]))
        && ["labels", "annotations"].iter().all(|field| map(&metadata[field]))
        && texts.iter().all(|field| metadata[field].is_string() || metadata[field].is_null())
        && (metadata["finalizers"].is_array() || metadata["finalizers"].is_null())
}
