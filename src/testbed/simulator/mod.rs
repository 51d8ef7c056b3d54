//! A simulated MongoDB Atlas: the private endpoint resources of the Administration API, in both dialects, over one
//! store. It stands in for the real one in the demo and in tests, and shares no code with the client it judges.
//!
//! A request goes: `serve` (sockets) or `transport` (in process) → `pipeline` (authentication, faults, roles,
//! budget) → `operations` on the `store` → `answer`. Everything that happens is written into the `ledger`.
//! Where facts are inferred rather than recorded, comments say INF; REC, DOC, SPEC are recordings, the
//! documentation and the OpenAPI specification (the grades of atlas-api.md, the project's collection of facts).
//!
//! Admin API, without authentication, for tests in other processes:
//!
//! | request | does |
//! |---|---|
//! | `GET /simulator/ledger` | every request and effect so far, a JSON array of [`Entry`] |
//! | `GET /simulator/state` | services and endpoints as they are now |
//! | `GET`, `POST`, `DELETE /simulator/faults` | lists, adds (a [`Rule`]; answers its id) or clears faults; `?id=N` clears one |
//! | `POST /simulator/behind-the-back` | makes a [`Change`] |

mod access;
mod admin;
mod answer;
mod aws;
mod body;
mod buckets;
mod change;
mod digest;
mod faults;
mod ids;
mod ledger;
mod lifecycle;
mod oauth;
mod operations;
mod pipeline;
mod problem;
mod regions;
mod render;
mod route;
mod routes_v1;
mod routes_v2;
mod rules;
mod serve;
mod settings;
mod store;
mod transport;
mod world;

#[cfg(test)]
mod tests;

pub use access::Role;
pub use aws::Standing;
pub use buckets::BucketSize;
pub use change::{Change, Refused};
pub use faults::{BodyKind, Fault};
pub use ledger::{Cause, Effect, Entry, Key, Ledger, Request};
pub use lifecycle::{EndpointState, ServiceState};
pub use regions::{Provider, atlas_name};
pub use route::{Dialect, Operation};
pub use rules::{Matcher, Rule};
pub use serve::run;
pub use settings::{PRIVATE_KEY, PUBLIC_KEY, Secret, Settings, Switches};
pub use store::ServiceFailure;

use crate::{atlas::transport::Transport, clock::Clock};
use axum::Router;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use world::World;

/// A running simulated Atlas. Clones are the same one.
#[derive(Clone)]
pub struct Simulator {
    world: Arc<Mutex<World>>,
}

impl Simulator {
    /// An Atlas without any service, whose time is `clock`'s.
    pub fn new(settings: Settings, clock: Clock) -> Self {
        Self { world: Arc::new(Mutex::new(World::new(settings, clock))) }
    }

    /// Everything it answers to.
    pub fn router(&self) -> Router {
        pipeline::router(self.clone())
    }

    /// A way to it without sockets, which also works under paused time. A request takes the settings' latency to get
    /// there, and its answer takes as long to come back; what is dropped in between has, or has not, taken effect.
    pub fn transport(&self) -> Arc<dyn Transport> {
        let latency = Duration::from_millis(self.lock().store.settings.latency);
        Arc::new(transport::InProcess::new(self.router(), latency))
    }

    /// Serves sockets until `stop`.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        serve::serve(self.router(), listener, stop).await
    }

    /// Puts a fault in the way; the id is for [`Self::remove_fault`].
    pub fn inject(&self, rule: Rule) -> u64 {
        self.lock().faults.add(rule)
    }

    /// Takes one away.
    pub fn remove_fault(&self, id: u64) {
        self.lock().faults.remove(id);
    }

    /// Takes all away.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Changes something without a request of the operator's. What is made has its id returned.
    ///
    /// # Errors
    /// When what is to be changed doesn't exist.
    pub fn change(&self, change: Change) -> Result<Option<String>, Refused> {
        let mut world = self.lock();
        world.settle();
        world.change(change)
    }

    /// How many signatures repeated a count of a nonce, as those of two who share it do.
    pub fn replays(&self) -> u32 {
        self.lock().nonces.replays()
    }

    /// Everything that happened so far.
    pub fn ledger(&self) -> Ledger {
        let mut world = self.lock();
        world.settle();
        world.ledger.clone()
    }

    /// The same without a copy; `read` must not call the simulator.
    pub fn with_ledger<T>(&self, read: impl FnOnce(&Ledger) -> T) -> T {
        let mut world = self.lock();
        world.settle();
        read(&world.ledger)
    }

    /// Services and endpoints as they are now, as `GET /simulator/state` shows them.
    pub fn state(&self) -> serde_json::Value {
        let mut world = self.lock();
        world.settle();
        admin::state(&world.store)
    }

    /// No method of the world panics half-way through a change, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
