//! The test's own hands: changes made and looked at without a request, as `user`. No fault, hook, view or latency
//! concerns them, and they are not in the record of requests; the history of an object has them.

use serde_json::{Value, json};

use super::{
    ApiServer,
    failure::Failure,
    object::meta,
    patch::Patch,
    resource::NAMESPACES,
    selector::Selector,
    state::State,
    store::{Author, Key, Scope, Version},
    write::{DeleteOptions, Part},
};

/// The client name of what the test does itself.
pub const USER: &str = "user";

impl ApiServer {
    /// Creates or changes an object as `kubectl apply` does, against whoever owns its fields. A namespace that is not
    /// there is made first.
    pub fn apply(&self, configuration: Value) -> Result<Value, Failure> {
        let namespace = meta(&configuration, "namespace").to_owned();
        self.change(USER, |state, by| {
            let text = |field: &str| configuration[field].as_str().unwrap_or_default();
            let resource = state
                .store
                .row_of_kind(text("apiVersion"), text("kind"))
                .ok_or_else(|| Failure::bad_request(format!("no such kind: {}", configuration["kind"])))?;
            if state.store.types[resource].namespaced && state.store.named(NAMESPACES, "", &namespace).is_none() {
                make_namespace(state, &namespace, by)?;
            }
            let key = Key { resource, namespace: namespace.clone(), name: meta(&configuration, "name").to_owned() };
            let patch = Patch::Apply { configuration: configuration.clone(), manager: by.manager.clone(), force: true };
            state.store.patch(&key, &patch, Part::Main, by)
        })
    }

    /// Creates a namespace.
    pub fn create_namespace(&self, name: &str) -> Result<Value, Failure> {
        self.change(USER, |state, by| make_namespace(state, name, by))
    }

    /// Merges a patch into an object.
    pub fn patch(&self, plural: &str, namespace: &str, name: &str, patch: Value) -> Result<Value, Failure> {
        self.merge(plural, namespace, name, patch, Part::Main)
    }

    /// Merges a patch into an object's status.
    pub fn patch_status(&self, plural: &str, namespace: &str, name: &str, patch: Value) -> Result<Value, Failure> {
        self.merge(plural, namespace, name, patch, Part::Status)
    }

    fn merge(&self, plural: &str, namespace: &str, name: &str, patch: Value, part: Part) -> Result<Value, Failure> {
        self.change(USER, |state, by| {
            let key = key(state, plural, namespace, name)?;
            state.store.patch(&key, &Patch::Merge(patch), part, by)
        })
    }

    /// Deletes an object; it stays, marked, while finalizers hold it.
    pub fn delete(&self, plural: &str, namespace: &str, name: &str) -> Result<(), Failure> {
        self.delete_as(USER, plural, namespace, name)
    }

    pub(super) fn delete_as(&self, who: &str, plural: &str, namespace: &str, name: &str) -> Result<(), Failure> {
        self.change(who, |state, by| {
            let key = key(state, plural, namespace, name)?;
            state.store.delete(&key, &DeleteOptions::default(), by).map(|_| ())
        })
    }

    /// An object as it stands.
    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        self.shared.lock().store.named(plural, namespace, name).cloned()
    }

    /// The objects of a resource, in all namespaces.
    pub fn list(&self, plural: &str) -> Vec<Value> {
        let state = self.shared.lock();
        let Some(resource) = state.store.row(plural) else { return Vec::new() };
        let scope = Scope { resource, namespace: None, selector: Selector::default() };
        state.store.list(&scope, state.store.revision).into_iter().map(|(_, object)| object.clone()).collect()
    }

    /// Every version that an object of this name ever had, with who wrote it.
    pub fn history(&self, plural: &str, namespace: &str, name: &str) -> Vec<Version> {
        let state = self.shared.lock();
        key(&state, plural, namespace, name).map_or_else(|_| Vec::new(), |key| state.store.history(&key))
    }

    /// Every version that any object of a resource ever had.
    pub fn past(&self, plural: &str) -> Vec<Version> {
        let state = self.shared.lock();
        state.store.row(plural).map_or_else(Vec::new, |resource| state.store.past(resource))
    }

    pub(super) fn change<T>(
        &self,
        who: &str,
        change: impl FnOnce(&mut State, &Author) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let by = Author {
            client: who.to_owned(),
            manager: who.to_owned(),
            request: None,
            at: self.shared.options.clock.now(),
        };
        let outcome = change(&mut self.shared.lock(), &by);
        self.shared.tick();
        outcome
    }
}

fn make_namespace(state: &mut State, name: &str, by: &Author) -> Result<Value, Failure> {
    let key = key(state, NAMESPACES, "", name)?;
    state.store.create(key, json!({"metadata": {"name": name}}), Part::Main, by)
}

pub(super) fn key(state: &State, plural: &str, namespace: &str, name: &str) -> Result<Key, Failure> {
    let resource =
        state.store.row(plural).ok_or_else(|| Failure::bad_request(format!("no such resource: {plural}")))?;
    Ok(Key { resource, namespace: namespace.to_owned(), name: name.to_owned() })
}
