//! What create, update, patch and delete do to the store: the rules that make a Kubernetes object one.

use serde_json::{Value, json};

use super::{
    failure::Failure,
    object::{self, is_deleting, is_released, meta, set_meta},
    ownership::{Manager, Owners},
    patch::{self, Patch},
    resource::{NAMESPACES, ResourceType},
    rules,
    store::{Author, Change, Entry, Key, Store},
};

/// The part of an object that a write is addressed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Main,
    Status,
}

impl Part {
    fn manager(self, by: &Author) -> Manager {
        let subresource = match self {
            Self::Main => None,
            Self::Status => Some("status".to_owned()),
        };
        Manager { name: by.manager.clone(), applies: false, subresource }
    }
}

/// What a DELETE asks for beforehand.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct DeleteOptions {
    pub preconditions: Preconditions,
    #[serde(rename = "dryRun")]
    pub dry_run: Vec<String>,
}

#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Preconditions {
    pub uid: Option<String>,
    #[serde(rename = "resourceVersion")]
    pub resource_version: Option<String>,
}

/// What a DELETE came to.
#[derive(Debug)]
pub(super) enum Deleted {
    /// It is gone; this was its last state.
    Gone(Value),
    /// Something holds it back.
    Waiting(Value),
}

/// The object that a write would make of the current one.
struct Next {
    body: Value,
    /// Who then owns what, when the write says so itself: an apply does.
    owners: Option<Owners>,
}

impl Next {
    fn written(body: Value) -> Self {
        Self { body, owners: None }
    }
}

impl Store {
    /// Creates an object in a namespace (none for resources without).
    pub(super) fn create(&mut self, key: Key, body: Value, part: Part, by: &Author) -> Result<Value, Failure> {
        let row = self.types[key.resource];
        let mut owners = Owners::default();
        let object = self.prepare_new(&key, body, by)?;
        owners.updated(part.manager(by), &json!({}), &object);
        self.insert(key, Entry { object, owners, settled: !row.starts_unobserved }, by)
    }

    fn insert(&mut self, mut key: Key, entry: Entry, by: &Author) -> Result<Value, Failure> {
        key.name = meta(&entry.object, "name").to_owned();
        if self.objects.contains_key(&key) {
            return Err(Failure::already_exists(&self.types[key.resource], &key.name));
        }
        Ok(self.record(key, entry, Change::Added, by))
    }

    fn prepare_new(&mut self, key: &Key, mut body: Value, by: &Author) -> Result<Value, Failure> {
        let row = self.types[key.resource];
        rules::check_identity(&row, key, &body)?;
        if !meta(&body, "resourceVersion").is_empty() {
            return Err(Failure::unreadable("resourceVersion should not be set on objects to be created"));
        }
        let prefix = meta(&body, "generateName").to_owned();
        let name = match meta(&body, "name") {
            "" if !prefix.is_empty() => prefix + &self.next_suffix(),
            "" => {
                return Err(Failure::invalid(
                    &row,
                    "",
                    "metadata.name",
                    "Required value: name or generateName is required",
                ));
            }
            name => name.to_owned(),
        };
        self.check_namespace(&row, &key.namespace, &name)?;
        set_meta(&mut body, "name", json!(name));
        set_meta(&mut body, "namespace", if row.namespaced { json!(key.namespace) } else { Value::Null });
        set_meta(&mut body, "uid", json!(self.next_uid()));
        set_meta(&mut body, "creationTimestamp", object::time(by.at));
        set_meta(&mut body, "generation", if row.has_generation { json!(1) } else { Value::Null });
        for absent in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
            set_meta(&mut body, absent, Value::Null);
        }
        if row.has_status {
            body["status"] = Value::Null;
        }
        object::initialise(&row, &mut body);
        object::normalise(&row, &mut body);
        Ok(body)
    }

    fn check_namespace(&self, row: &ResourceType, namespace: &str, name: &str) -> Result<(), Failure> {
        if !row.namespaced {
            return Ok(());
        }
        match self.named(NAMESPACES, "", namespace) {
            Some(found) if is_deleting(found) => Err(Failure::terminating(row, name, namespace)),
            Some(_) => Ok(()),
            None => {
                let index = self.row(NAMESPACES).unwrap_or(0);
                Err(Failure::not_found(&self.types[index], namespace))
            }
        }
    }

    /// Replaces an object, or its status.
    pub(super) fn replace(&mut self, key: &Key, body: Value, part: Part, by: &Author) -> Result<Value, Failure> {
        let row = self.types[key.resource];
        rules::check_identity(&row, key, &body)?;
        let Some(entry) = self.objects.get(key).cloned() else {
            let creates = row.create_on_update && part == Part::Main;
            return if creates {
                self.create(key.clone(), body, part, by)
            } else {
                Err(Failure::not_found(&row, &key.name))
            };
        };
        rules::check_uid(&row, &entry.object, &body)?;
        self.update(key, entry, Next::written(body), part, by)
    }

    /// Patches an object, or its status; an apply creates what is not there.
    pub(super) fn patch(&mut self, key: &Key, patch: &Patch, part: Part, by: &Author) -> Result<Value, Failure> {
        let row = self.types[key.resource];
        let entry = self.objects.get(key).cloned();
        match (patch, entry) {
            (Patch::Apply { configuration, manager, force }, entry) => {
                let by = Author { manager: manager.clone(), ..by.clone() };
                self.apply(key, entry, configuration, *force, part, &by)
            }
            (Patch::Merge(_) | Patch::Json(_), None) => Err(Failure::not_found(&row, &key.name)),
            (Patch::Merge(patch), Some(entry)) => {
                let mut body = entry.object.clone();
                json_patch::merge(&mut body, patch);
                self.update(key, entry, Next::written(body), part, by)
            }
            (Patch::Json(patch), Some(entry)) => {
                let mut body = entry.object.clone();
                patch::json(patch, &mut body)?;
                self.update(key, entry, Next::written(body), part, by)
            }
        }
    }

    fn apply(
        &mut self,
        key: &Key,
        entry: Option<Entry>,
        configuration: &Value,
        force: bool,
        part: Part,
        by: &Author,
    ) -> Result<Value, Failure> {
        let row = self.types[key.resource];
        rules::check_applied(&row, key, configuration)?;
        let manager = Manager { applies: true, ..part.manager(by) };
        let configuration = rules::addressed(&row, configuration, part);
        let Some(entry) = entry else {
            if part == Part::Status {
                return Err(Failure::not_found(&row, &key.name));
            }
            if !meta(&configuration, "uid").is_empty() {
                return Err(Failure::conflict(&row, &key.name, "uid mismatch: the object does not exist"));
            }
            let mut named = rules::with_name(&configuration, &key.name);
            set_meta(&mut named, "resourceVersion", Value::Null);
            let object = self.prepare_new(key, named, by)?;
            let mut owners = Owners::default();
            owners
                .apply(&manager, &mut object.clone(), &configuration, true)
                .map_err(|_| Failure::modified(&row, &key.name))?;
            return self.insert(key.clone(), Entry { object, owners, settled: !row.starts_unobserved }, by);
        };
        let (mut body, mut owners) = (entry.object.clone(), entry.owners.clone());
        owners
            .apply(&manager, &mut body, &configuration, force)
            .map_err(|contested| rules::contested(&row, key, &contested))?;
        for precondition in ["resourceVersion", "uid"] {
            if !meta(&configuration, precondition).is_empty() {
                set_meta(&mut body, precondition, configuration["metadata"][precondition].clone());
            }
        }
        self.update(key, entry, Next { body, owners: Some(owners) }, part, by)
    }

    /// Writes what a PUT or a PATCH came to. An apply that changes only who owns what is a change, too.
    fn update(&mut self, key: &Key, current: Entry, next: Next, part: Part, by: &Author) -> Result<Value, Failure> {
        let row = self.types[key.resource];
        let before = current.object;
        rules::check_identity(&row, key, &next.body)?;
        rules::check_preconditions(&row, &before, &next.body)?;
        rules::check_immutable(&row, &before, &next.body, part)?;
        let after = rules::prepare_update(&row, &before, next.body, part);
        rules::check_finalizers(&row, &before, &after)?;
        let owners = next.owners.unwrap_or_else(|| {
            let mut owners = current.owners.clone();
            owners.updated(part.manager(by), &before, &after);
            owners
        });
        if before == after && owners == current.owners && current.settled {
            return Ok(before);
        }
        if is_deleting(&after) && is_released(&after) {
            self.record(key.clone(), Entry { object: before, owners, settled: true }, Change::Deleted, by);
            return Ok(after);
        }
        Ok(self.record(key.clone(), Entry { object: after, owners, settled: true }, Change::Modified, by))
    }

    /// Deletes an object, or marks it when something holds it back.
    pub(super) fn delete(&mut self, key: &Key, options: &DeleteOptions, by: &Author) -> Result<Deleted, Failure> {
        let row = self.types[key.resource];
        let entry = self.objects.get(key).cloned().ok_or_else(|| Failure::not_found(&row, &key.name))?;
        rules::check_deletion(&row, &entry.object, &options.preconditions)?;
        if is_released(&entry.object) {
            return Ok(Deleted::Gone(self.record(key.clone(), entry, Change::Deleted, by)));
        }
        if is_deleting(&entry.object) {
            return Ok(Deleted::Waiting(entry.object));
        }
        Ok(Deleted::Waiting(self.record(key.clone(), marked(&row, entry, by), Change::Modified, by)))
    }
}

fn marked(row: &ResourceType, mut entry: Entry, by: &Author) -> Entry {
    let object = &mut entry.object;
    set_meta(object, "deletionTimestamp", object::time(by.at));
    if row.plural == NAMESPACES {
        object["status"]["phase"] = json!("Terminating");
    } else {
        set_meta(object, "deletionGracePeriodSeconds", json!(0));
    }
    if let Some(generation) = object["metadata"]["generation"].as_u64() {
        set_meta(object, "generation", json!(generation + 1));
    }
    entry
}
