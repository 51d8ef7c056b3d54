//! The objects of one kind, as the watches last showed them and as they are now.

use super::{context::Care, patience::in_time};
use futures::{FutureExt, future::try_join_all};
use kube::{
    Api, Client, Resource,
    api::ListParams,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::reflector::{ObjectRef, Store},
};
use serde::de::DeserializeOwned;
use std::{
    fmt::Debug,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// An object that could be decoded, shared with the watch's store.
#[derive(Clone)]
pub struct Watched<K>(Arc<DeserializeGuard<K>>);

impl<K> Watched<K> {
    fn new(guard: Arc<DeserializeGuard<K>>) -> Option<Self> {
        guard.0.is_ok().then_some(Self(guard))
    }

    pub fn get(&self) -> Option<&K> {
        self.0.0.as_ref().ok()
    }
}

/// The objects of one kind in the watched namespaces.
pub struct Objects<K: Resource<DynamicType = ()> + 'static> {
    client: Client,
    /// Empty: all namespaces.
    namespaces: Vec<String>,
    stores: OnceLock<Vec<Store<DeserializeGuard<K>>>>,
    lists: Lists<K>,
}

/// The lists that several wait for.
struct Lists<K> {
    /// How often one was asked for.
    asked: AtomicU64,
    waiting: AtomicUsize,
    /// The last one, as long as somebody waits who asked before it was sent.
    last: tokio::sync::Mutex<Option<List<K>>>,
}

struct List<K> {
    /// How many had asked when it was sent.
    asked: u64,
    objects: Arc<[Watched<K>]>,
}

impl<K> Default for Lists<K> {
    fn default() -> Self {
        Self { asked: AtomicU64::default(), waiting: AtomicUsize::default(), last: tokio::sync::Mutex::new(None) }
    }
}

/// One that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn among(all: &'a AtomicUsize) -> Self {
        all.fetch_add(1, Ordering::SeqCst);
        Self(all)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn list<K>(api: &Api<DeserializeGuard<K>>) -> Result<Vec<Watched<K>>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let listed = in_time(api.list(&ListParams::default())).await?;
    let all = listed.into_iter().map(|mut guard| {
        // Nothing here asks who owns which field.
        guard.0.iter_mut().for_each(|object| object.meta_mut().managed_fields = None);
        Watched::new(Arc::new(guard))
    });
    Ok(all.flatten().collect())
}

/// Whether a store has got the whole of a first list.
fn is_filled<K>(store: &Store<DeserializeGuard<K>>) -> bool
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + 'static,
{
    matches!(store.wait_until_ready().now_or_never(), Some(Ok(())))
}

impl<K> Objects<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Debug
        + Send
        + Sync
        + 'static,
{
    pub fn new(client: Client, namespaces: Vec<String>) -> Self {
        Self { client, namespaces, stores: OnceLock::new(), lists: Lists::default() }
    }

    /// Hands over the stores that the watches fill; only the first call counts.
    pub fn fill_from(&self, stores: Vec<Store<DeserializeGuard<K>>>) {
        self.stores.get_or_init(|| stores);
    }

    /// The objects as the watches last showed them, or as they are now, as far as they may be listed. An object that cannot be decoded is left out: it
    /// has no place in anybody's decision.
    ///
    /// # Errors
    /// When the API server doesn't answer a list.
    pub async fn all(&self, care: Care) -> Result<Arc<[Watched<K>]>, kube::Error> {
        match care {
            Care::Normal | Care::AtlasNow => Ok(self.cached().into()),
            Care::EverythingNow => self.listed().await,
        }
    }

    /// The objects as the watches last showed them.
    pub fn cached(&self) -> Vec<Watched<K>> {
        self.stores.get().into_iter().flatten().flat_map(Store::state).filter_map(Watched::new).collect()
    }

    /// The objects as they are now. Those who ask at the same time share one list: many are deleted at once, and each
    /// would hold one of its own.
    async fn listed(&self) -> Result<Arc<[Watched<K>]>, kube::Error> {
        let asked = self.lists.asked.fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting::among(&self.lists.waiting);
        let mut last = self.lists.last.lock().await;
        drop(waiting);
        let list = match last.take() {
            Some(list) if asked < list.asked => list,
            Some(_) | None => List { asked: self.lists.asked.load(Ordering::SeqCst), objects: self.list_all().await? },
        };
        let objects = list.objects.clone();
        // The last one leaves nothing behind.
        *last = Some(list).filter(|_| self.lists.waiting.load(Ordering::SeqCst) > 0);
        Ok(objects)
    }

    async fn list_all(&self) -> Result<Arc<[Watched<K>]>, kube::Error> {
        let lists = match self.namespaces.as_slice() {
            [] => vec![list(&Api::all(self.client.clone())).await?],
            [one] => vec![list(&Api::namespaced(self.client.clone(), one)).await?],
            several => try_join_all(several.iter().enumerate().map(|scope| self.listed_in(scope))).await?,
        };
        Ok(lists.into_iter().flatten().collect())
    }

    /// Those of one namespace of several. It may have gone, and with it the permission to read it: then what the watch has
    /// last shown there must do, or nothing in the others could be deleted any more. What was never seen may be anything.
    async fn listed_in(&self, (scope, namespace): (usize, &String)) -> Result<Vec<Watched<K>>, kube::Error> {
        match list(&Api::namespaced(self.client.clone(), namespace)).await {
            Err(kube::Error::Api(refusal)) if refusal.is_forbidden() => {
                tracing::warn!(namespace, kind = %K::kind(&()), "the operator may not list what is in this namespace");
                let store = self.stores.get().and_then(|stores| stores.get(scope));
                let seen = store.filter(|store| is_filled(store)).ok_or(kube::Error::Api(refusal))?;
                Ok(seen.state().into_iter().filter_map(Watched::new).collect())
            }
            result => result,
        }
    }

    /// Whether the watch of this namespace has shown what is there: before that, what is not found may be there.
    pub fn has_shown(&self, namespace: &str) -> bool {
        let scope = self.namespaces.iter().position(|watched| watched == namespace).unwrap_or_default();
        self.stores.get().and_then(|stores| stores.get(scope)).is_some_and(is_filled)
    }

    /// One object as the watches last showed it.
    pub fn find(&self, namespace: &str, name: &str) -> Option<Watched<K>> {
        let reference = ObjectRef::new(name).within(namespace);
        let mut stores = self.stores.get().into_iter().flatten();
        stores.find_map(|store| store.get(&reference)).and_then(Watched::new)
    }

    /// The API of one namespace.
    pub fn api(&self, namespace: &str) -> Api<K> {
        Api::namespaced(self.client.clone(), namespace)
    }
}
