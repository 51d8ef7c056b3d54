//! What every reconcile can reach.

use super::{
    kind::Kind,
    memory::Memories,
    objects::{Objects, Watched},
    settings::Settings,
    substance::substance,
};
use crate::{
    api::{AtlasInterfaceEndpoint, AtlasPrivateLink},
    atlas::inventory::Inventory,
    clock::Clock,
    controller::events::Events,
    credentials::Credentials,
    metrics::Metrics,
    reconcile::attempt::Holder,
};
use kube::{Client, ResourceExt};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{OnceCell, watch},
    time::Instant,
};

/// What every reconcile can reach.
pub struct Context {
    pub client: Client,
    pub inventory: Inventory,
    pub credentials: Credentials,
    pub clock: Clock,
    pub holder: Holder,
    pub memories: Memories,
    pub metrics: Metrics,
    pub settings: Settings,
    pub jitter: Jitter,
    pub events: Events,
    pub links: Objects<AtlasPrivateLink>,
    pub endpoints: Objects<AtlasInterfaceEndpoint>,
    /// How many watches have shown all that was there when they began. (A store tells only one waiter of its own.)
    pub filled: watch::Sender<usize>,
    /// See [`Context::started`].
    pub started: OnceCell<()>,
}

/// How long the watches of both kinds are waited for.
const START: Duration = Duration::from_secs(10);

impl Context {
    /// Waits, once, until the watches of both kinds have shown what is there: an endpoint whose link is merely not known
    /// yet must not be told that it has none. A watch that cannot begin, as for want of a permission in one namespace,
    /// holds the others up no longer than ten seconds.
    pub async fn started(&self) {
        let watches = 2 * self.settings.namespaces.len().max(1);
        let mut filled = self.filled.subscribe();
        let all = filled.wait_for(|filled| *filled >= watches);
        self.started.get_or_init(|| async { drop(tokio::time::timeout(START, all).await) }).await;
    }

    /// Takes in that this version of an object has reached this process: what is said of Atlas on it must be asked later,
    /// if another process may have written it.
    pub fn reached<K: Kind>(&self, object: &K) {
        let at = self.inventory.sequence();
        let version = object.resource_version().unwrap_or_default();
        let uid = object.uid().unwrap_or_default();
        self.memories.with(&uid, |memory| memory.reached(&version, || substance(object), at, Instant::now()));
    }

    /// Forgets the objects that went while a watch was interrupted.
    pub fn forget_the_gone(&self) {
        let links = self.links.cached();
        let endpoints = self.endpoints.cached();
        let uids = links.iter().filter_map(Watched::get).filter_map(ResourceExt::uid);
        let lives: HashSet<String> =
            uids.chain(endpoints.iter().filter_map(Watched::get).filter_map(ResourceExt::uid)).collect();
        let complete = self.started.initialized();
        self.memories.keep(|uid| !complete || lives.contains(uid));
    }

    /// The resync interval, spread by up to a twentieth, so that not everything is looked at in the same second.
    pub fn resync_interval(&self, of: &impl Hash) -> Duration {
        let mut hasher = DefaultHasher::new();
        of.hash(&mut hasher);
        let fraction = (hasher.finish() % 1000) as f64 / 1000.0;
        self.settings.resync_interval.mul_f64(0.95 + 0.1 * fraction)
    }
}

/// Random numbers from one seed, so that a run can be repeated.
pub struct Jitter(Mutex<SmallRng>);

impl Jitter {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(SmallRng::seed_from_u64(seed)))
    }

    /// From 0 up to 1.
    pub fn fraction(&self) -> f64 {
        self.rng().random()
    }

    /// Any number.
    pub fn number(&self) -> u64 {
        self.rng().random()
    }

    fn rng(&self) -> MutexGuard<'_, SmallRng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How sure a decision must be of what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Care {
    /// What the watches and the shared reads last showed.
    Normal,
    /// Atlas is to be seen as it is now, for a write rests on it, or news.
    AtlasNow,
    /// Atlas and the cluster are to be seen as they are now: something is about to be taken away.
    EverythingNow,
}
