//! All that the server knows, behind one lock: a request's effect is one step.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    faults::{Hooks, Rules},
    log::{RequestRecord, Verb},
    store::Store,
    views::Views,
    watch::OpenWatch,
};

/// What tells one kind of request from another when they are counted: client, verb, resource, namespace, name and
/// subresource.
type PointKey = (String, Verb, String, String, String, String);

#[derive(Debug)]
pub(super) struct State {
    pub store: Store,
    pub requests: Vec<Arc<RequestRecord>>,
    pub rules: Rules,
    pub hooks: Hooks,
    pub views: Views,
    pub watches: BTreeMap<u64, OpenWatch>,
    counts: HashMap<PointKey, u64>,
}

impl State {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            requests: Vec::new(),
            rules: Rules::default(),
            hooks: Hooks::default(),
            views: Views::default(),
            watches: BTreeMap::new(),
            counts: HashMap::new(),
        }
    }

    /// Counts a request among those like it.
    pub(super) fn count(&mut self, request: &RequestRecord) -> u64 {
        let key = (
            request.client.clone(),
            request.verb,
            request.resource.clone(),
            request.namespace.clone(),
            request.name.clone(),
            request.subresource.clone(),
        );
        let count = self.counts.entry(key).or_default();
        *count += 1;
        *count
    }
}
