//! The end of a namespace, in the order that the test chooses: a real one empties it in no order at all.

use super::{
    ApiServer,
    direct::{USER, key},
    failure::Failure,
    object::meta,
    resource::NAMESPACES,
    store::{Change, Key, Store},
};

/// The client name of the part of Kubernetes that empties a namespace.
const CONTROLLER: &str = "namespace-controller";

/// A namespace that is being deleted: nothing new can be made in it.
#[derive(Debug, Clone)]
pub struct NamespaceDeletion {
    server: ApiServer,
    namespace: String,
}

impl ApiServer {
    /// Begins to delete a namespace as `user`; what becomes of its contents is up to the test.
    pub fn delete_namespace(&self, namespace: &str) -> Result<NamespaceDeletion, Failure> {
        self.delete_as(USER, NAMESPACES, "", namespace)?;
        Ok(NamespaceDeletion { server: self.clone(), namespace: namespace.to_owned() })
    }
}

impl NamespaceDeletion {
    /// Deletes these objects (plural, name), in this order. They stay while finalizers hold them.
    pub fn delete(&self, objects: &[(&str, &str)]) -> Result<(), Failure> {
        objects.iter().try_for_each(|(plural, name)| self.server.delete_as(CONTROLLER, plural, &self.namespace, name))
    }

    /// Deletes all that is left, in the order of the table of resources.
    pub fn delete_rest(&self) -> Result<(), Failure> {
        let left = self.remaining();
        left.iter().try_for_each(|(plural, name)| self.server.delete_as(CONTROLLER, plural, &self.namespace, name))
    }

    /// What is still in the namespace: plural and name.
    pub fn remaining(&self) -> Vec<(String, String)> {
        contents(&self.server.shared.lock().store, &self.namespace)
    }

    /// Removes the namespace if it is empty, and says whether it was.
    pub fn finish(&self) -> Result<bool, Failure> {
        self.server.change(CONTROLLER, |state, by| {
            if !contents(&state.store, &self.namespace).is_empty() {
                return Ok(false);
            }
            let key = key(state, NAMESPACES, "", &self.namespace)?;
            if let Some(entry) = state.store.objects.get(&key).cloned() {
                state.store.record(key, entry, Change::Deleted, by);
            }
            Ok(true)
        })
    }
}

fn contents(store: &Store, namespace: &str) -> Vec<(String, String)> {
    let named = |key: &Key, name: &str| (store.types[key.resource].plural.to_owned(), name.to_owned());
    let inside = store.objects.iter().filter(|(key, _)| key.namespace == namespace);
    inside.map(|(key, entry)| named(key, meta(&entry.object, "name"))).collect()
}
