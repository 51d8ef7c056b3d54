//! Follows the resources of the demo.

use super::{
    rows::Row,
    samples::{Kind, NAMESPACE},
};
use futures::{StreamExt, future::ready};
use kube::{
    Api, Client,
    api::DynamicObject,
    runtime::{
        WatchStreamExt, reflector,
        reflector::{Store, store::Writer},
        watcher,
    },
};
use tokio::task::JoinSet;

/// The resources as the API server has them, kept up to date until this is dropped.
pub struct Watch {
    stores: Vec<(Kind, Store<DynamicObject>)>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Starts to follow both kinds.
    pub fn start(client: &Client) -> Self {
        let mut tasks = JoinSet::new();
        let follow = |kind: Kind| {
            let resource = kind.resource();
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &resource);
            let writer = Writer::new(resource);
            let store = writer.as_reader();
            let events = watcher(api, watcher::Config::default()).default_backoff();
            tasks.spawn(reflector(writer, events).for_each(|_| ready(())));
            (kind, store)
        };
        let stores = Kind::ALL.map(follow).into();
        Self { stores, _tasks: tasks }
    }

    /// All resources: links first, and the older before the younger.
    pub fn rows(&self) -> Vec<Row> {
        let read = |(kind, store): &(Kind, Store<DynamicObject>)| {
            store.state().iter().map(|object| Row::read(*kind, object)).collect::<Vec<_>>()
        };
        let mut rows: Vec<Row> = self.stores.iter().flat_map(read).collect();
        rows.sort_by(|a, b| (a.kind, a.created, &a.name).cmp(&(b.kind, b.created, &b.name)));
        rows
    }
}
