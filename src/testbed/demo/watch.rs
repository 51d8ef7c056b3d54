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
        reflector::{
            Store,
            store::{Writer, WriterDropped},
        },
        watcher,
    },
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinSet,
};

/// The resources as the API server has them, kept up to date until this is dropped.
pub struct Watch {
    stores: Vec<(Kind, Store<DynamicObject>)>,
    changes: UnboundedReceiver<Row>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Follows both kinds, from the moment at which this comes back.
    ///
    /// # Errors
    /// When a watch has ended before it began.
    pub async fn start(client: &Client) -> Result<Self, WriterDropped> {
        let mut tasks = JoinSet::new();
        let (told, changes) = unbounded_channel();
        let follow = |kind: Kind| {
            let resource = kind.resource();
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &resource);
            let writer = Writer::new(resource);
            let store = writer.as_reader();
            let events = watcher(api, watcher::Config::default()).default_backoff();
            let told = told.clone();
            tasks.spawn(reflector(writer, events).applied_objects().for_each(move |object| {
                if let Ok(object) = object {
                    // Nobody listens when the demo is about to end.
                    let _ = told.send(Row::read(kind, &object));
                }
                ready(())
            }));
            (kind, store)
        };
        let stores: Vec<_> = Kind::ALL.map(follow).into();
        for (_, store) in &stores {
            store.wait_until_ready().await?;
        }
        Ok(Self { stores, changes, _tasks: tasks })
    }

    /// Every version of every resource that was seen since this was last asked for, in their order: a state may have
    /// passed between two looks at [`rows`](Self::rows).
    pub fn passed(&mut self) -> Vec<Row> {
        std::iter::from_fn(|| self.changes.try_recv().ok()).collect()
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
