//! A Kubernetes API server within the process, for tests in simulated time: it knows no time but tokio's and no
//! network, so that hours pass in milliseconds and every fault comes exactly where the test wants it.
//!
//! What it does is what the real one does; `tests/simulated/conformance/` compares them. What it lacks: schemas and
//! CEL, admission, authorisation, `managedFields` in objects (ownership is kept, not shown), strategic merge patches,
//! dry runs, owner references (no garbage collector either), protobuf. A watch's past never ends unless the test says
//! [`ApiServer::compact`].

mod direct;
mod discovery;
mod effect;
mod failure;
mod faults;
mod log;
mod namespace;
mod object;
mod ownership;
mod patch;
mod read;
mod resource;
mod route;
mod rules;
mod selector;
mod serve;
mod state;
mod store;
mod views;
mod watch;
mod write;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use direct::USER;
pub use failure::Failure;
pub use faults::{Decision, Fault, Matcher, Phase, Point, Rule, RuleId, WatchFault};
pub use log::{RequestLog, RequestRecord, Verb};
pub use namespace::NamespaceDeletion;
pub use resource::ResourceType;
pub use store::{Change, Version};
pub use views::View;

use crate::clock::Clock;
use resource::STANDARD;
use state::State;
use store::Store;

/// How a server is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// What time it is.
    pub clock: Clock,
    /// What uids and generated names come from.
    pub seed: u64,
    /// How long a request takes to arrive.
    pub latency_before: Duration,
    /// How long an answer takes to come back.
    pub latency_after: Duration,
    /// Whether custom resources are unknown until their CRD is created.
    pub crds_first: bool,
    /// Resources besides the standard ones.
    pub resources: Vec<ResourceType>,
}

impl Options {
    /// No latency, custom resources served from the start.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            seed: 0,
            latency_before: Duration::ZERO,
            latency_after: Duration::ZERO,
            crds_first: false,
            resources: Vec::new(),
        }
    }
}

/// The server. Clones are the same server.
#[derive(Clone)]
pub struct ApiServer {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    state: Mutex<State>,
    /// Tells the watches to look again.
    ticks: tokio::sync::watch::Sender<u64>,
}

impl Shared {
    /// A test that panics while it holds the lock does not take the others' error messages with it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        self.ticks.send_modify(|tick| *tick = tick.wrapping_add(1));
    }
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiServer(revision {})", self.revision())
    }
}

impl ApiServer {
    /// A server with the namespace `default`, and nothing else in it.
    pub fn new(clock: Clock) -> Self {
        Self::with(Options::new(clock))
    }

    /// A server of the test's own making, with the namespace `default`.
    pub fn with(options: Options) -> Self {
        let types = STANDARD.iter().chain(&options.resources).copied().collect();
        let state = State::new(Store::new(types, options.seed, options.crds_first));
        let shared = Shared { options, state: Mutex::new(state), ticks: tokio::sync::watch::Sender::new(0) };
        let server = Self { shared: Arc::new(shared) };
        // Nothing is there yet that could refuse it.
        let _ = server.create_namespace("default");
        server
    }

    /// A client called `operator`.
    pub fn client(&self) -> kube::Client {
        self.client_as("operator")
    }

    /// A client by whose name requests are told apart: in the record, by faults, by views.
    pub fn client_as(&self, name: &str) -> kube::Client {
        let (shared, name) = (self.shared.clone(), name.to_owned());
        let service = tower::service_fn(move |request| serve::serve(shared.clone(), name.clone(), request));
        kube::Client::new(service, "default")
    }

    /// The newest resource version.
    pub fn revision(&self) -> u64 {
        self.shared.lock().store.revision
    }

    /// Every request so far.
    pub fn log(&self) -> RequestLog {
        RequestLog(self.shared.lock().requests.clone())
    }

    /// Arms a rule.
    pub fn inject(&self, rule: Rule) -> RuleId {
        self.shared.lock().rules.inject(rule)
    }

    /// Disarms a rule.
    pub fn lift(&self, id: RuleId) {
        self.shared.lock().rules.lift(id);
    }

    /// Disarms all rules.
    pub fn lift_all(&self) {
        self.shared.lock().rules.clear();
    }

    /// Asks `hook` before and after the effect of every request; it replaces the one before it. The hook may end the
    /// operator's task and decide [`Decision::Hang`]: then the operator has died exactly there. It may use the server.
    pub fn on_request(&self, hook: impl Fn(&Point) -> Decision + Send + Sync + 'static) {
        self.shared.lock().hooks.set(Some(Arc::new(hook)));
    }

    /// Asks nobody any more.
    pub fn on_request_clear(&self) {
        self.shared.lock().hooks.set(None);
    }

    /// Lets a client's view stand still.
    pub fn freeze(&self, view: View) {
        let mut state = self.shared.lock();
        let revision = view.revision.unwrap_or(state.store.revision);
        state.views.freeze(view.at(revision));
        drop(state);
        self.shared.tick();
    }

    /// Lets a client see the present again; its watches catch up.
    pub fn release(&self, client: &str) {
        self.shared.lock().views.release(client);
        self.shared.tick();
    }

    /// Forgets the past: who resumes a watch or a list from before now is told 410.
    pub fn compact(&self) {
        let mut state = self.shared.lock();
        state.store.compacted = state.store.revision;
    }

    /// The watches that are open, by the requests that opened them.
    pub fn open_watches(&self) -> Vec<RequestRecord> {
        self.shared.lock().watches.values().map(|open| open.request.clone()).collect()
    }

    /// Lets something go wrong with the open watches that match, and says how many those are.
    pub fn disturb_watches(&self, matcher: &Matcher, fault: WatchFault) -> usize {
        self.set_watch_fault(matcher, Some(fault))
    }

    /// Lets silenced watches speak again, and says how many watches match.
    pub fn restore_watches(&self, matcher: &Matcher) -> usize {
        self.set_watch_fault(matcher, None)
    }

    fn set_watch_fault(&self, matcher: &Matcher, fault: Option<WatchFault>) -> usize {
        let mut state = self.shared.lock();
        let mut matching = 0;
        for open in state.watches.values_mut().filter(|open| matcher.matches(&open.request)) {
            open.fault = fault;
            matching += 1;
        }
        drop(state);
        self.shared.tick();
        matching
    }
}
