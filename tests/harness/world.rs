//! A world in simulated time: a Kubernetes API server, an Atlas, and any number of operators between them, all in this
//! process, on tokio's paused clock. Hours pass in milliseconds, and every run is repeatable.

pub use super::manifests::*;
use super::{canary::Told, chronicle, grounds::Grounds, looks::MINUTE, turns::Turns};
use atlas_privatelink_operator::{
    api::{AtlasInterfaceEndpoint, AtlasPrivateLink, CommonStatus, Standing, Verdict},
    atlas::{AtlasConfig, dialect::Dialect, transport::Transport, url::BaseUrl},
    clock::Clock,
    controller::settings::Settings,
    lease,
    metrics::Metrics,
    operator::{Error, Parts, operate},
    reconcile::policy::DefaultDeletionPolicy,
    server::Health,
    testbed::{
        kubernetes::{ApiServer, Options, RequestLog},
        simulator::{self, Cause, Change, Effect, Ledger, Operation, Secret, Simulator, Switches},
    },
};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::{AbortHandle, JoinHandle},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

pub const PROJECT: &str = "5df264b8f10fab7d2cad2f0d";
pub const NAMESPACE: &str = "payments";
pub const VPCE: &str = "vpce-0b9c5701325cb15dd";
pub const PUBLIC: &str = "canarypub";
pub const PRIVATE: &str = "canary-private-key-0123456789";
pub const CLIENT_ID: &str = "mdb_sa_id_canary";
pub const CLIENT_SECRET: &str = "mdb_sa_sk_canary";
/// What the Secret of an API key holds.
pub const KEY: [(&str, &str); 2] = [("publicKey", PUBLIC), ("privateKey", PRIVATE)];
/// What the Secret of a service account holds.
pub const ACCOUNT: [(&str, &str); 2] = [("clientId", CLIENT_ID), ("clientSecret", CLIENT_SECRET)];

pub const LINKS: &str = "atlasprivatelinks";
pub const ENDPOINTS: &str = "atlasinterfaceendpoints";

/// No life comes to so many writes, nor to so many for each object that is there.
const MOST_WRITES: u64 = 30_000;
const MOST_WRITES_OF_EACH: u64 = 100;

/// How a world is to be.
#[derive(Clone)]
pub struct Nature {
    pub dialect: Dialect,
    pub switches: Switches,
    pub settings: Settings,
    pub atlas: simulator::Settings,
    pub seed: u64,
    /// How long a write is on its way to Atlas, beside what every request takes.
    pub late: Duration,
    pub election: Option<lease::Settings>,
}

impl Default for Nature {
    fn default() -> Self {
        Self {
            dialect: Dialect::V2,
            switches: Switches::default(),
            settings: Settings {
                poll_interval: Duration::from_secs(10),
                resync_interval: Duration::from_secs(900),
                default_deletion_policy: DefaultDeletionPolicy::Created,
                concurrency: 32,
                namespaces: Vec::new(),
            },
            atlas: simulator::Settings {
                api_keys: vec![Secret::new(PUBLIC, PRIVATE)],
                service_accounts: vec![Secret::new(CLIENT_ID, CLIENT_SECRET)],
                ..simulator::Settings::default()
            },
            seed: 0,
            late: Duration::ZERO,
            election: None,
        }
    }
}

impl Nature {
    pub fn of(dialect: Dialect) -> Self {
        Self { dialect, ..Self::default() }
    }

    /// With an Atlas that would make a second service of a region.
    pub fn lenient(dialect: Dialect) -> Self {
        Self { switches: Switches { duplicate_services: true, ..Switches::default() }, ..Self::of(dialect) }
    }
}

/// The world. Clones are the same one.
#[derive(Clone)]
pub struct World {
    pub nature: Nature,
    pub clock: Clock,
    /// What operators that are started from now on take for the time.
    pub operator_clock: Clock,
    pub kube: ApiServer,
    /// The API servers of all clusters on this Atlas.
    pub clusters: Arc<Mutex<Vec<ApiServer>>>,
    pub atlas: Simulator,
    /// What operators show of secrets.
    pub told: Told,
    /// How operators take turns in writing.
    pub turns: Turns,
    /// What operators had seen before they made something.
    pub grounds: Grounds,
    /// When operators were killed, by this world's time.
    pub deaths: Arc<Mutex<Vec<Timestamp>>>,
    /// How things looked at the points of a life that are compared.
    pub middles: Arc<Mutex<Vec<Value>>>,
    /// Whether what was to befall this world found nothing to befall.
    pub spared: Arc<AtomicBool>,
    /// How many effects Atlas had seen when it was last asked whether all had held that must always hold.
    pub judged: Arc<Mutex<Option<usize>>>,
    /// How much had been done when it was last seen that nothing more was.
    quiet: Arc<Mutex<Option<(usize, usize)>>>,
    operators: u32,
}

/// A running operator.
pub struct Running {
    pub name: String,
    pub health: Health,
    pub metrics: Metrics,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
    /// Where its being killed is noted.
    deaths: Arc<Mutex<Vec<Timestamp>>>,
    clock: Option<Clock>,
}

impl World {
    pub fn new(nature: Nature) -> Self {
        let clock = Clock::starting_at("2026-11-21T08:00:00Z".parse().unwrap());
        let latency = Duration::from_millis(5);
        let kube = ApiServer::with(Options {
            latency_before: latency,
            latency_after: latency,
            seed: nature.seed,
            ..Options::new(clock)
        });
        let settings = simulator::Settings { switches: nature.switches, seed: nature.seed, ..nature.atlas.clone() };
        kube.create_namespace(NAMESPACE).unwrap();
        let world = Self {
            atlas: Simulator::new(settings, clock),
            nature,
            clock,
            operator_clock: clock,
            clusters: Arc::new(Mutex::new(vec![kube.clone()])),
            kube,
            told: Told::default(),
            turns: Turns::default(),
            grounds: Grounds::default(),
            deaths: Arc::default(),
            middles: Arc::default(),
            spared: Arc::default(),
            judged: Arc::default(),
            quiet: Arc::default(),
            operators: 0,
        };
        chronicle::remember(&world);
        world
    }

    /// Another Kubernetes cluster on the same Atlas.
    pub fn beside(&self) -> Self {
        let other = Self::new(Nature { seed: self.nature.seed + 1, ..self.nature.clone() });
        self.clusters.lock().unwrap().push(other.kube.clone());
        chronicle::remember(self);
        Self {
            clusters: self.clusters.clone(),
            quiet: self.quiet.clone(),
            atlas: self.atlas.clone(),
            clock: self.clock,
            operator_clock: self.operator_clock,
            operators: 100,
            ..other
        }
    }

    /// Whether operators keep whatever a manifest does not tell them to delete.
    pub fn keeps_by_default(&self) -> bool {
        self.nature.settings.default_deletion_policy == DefaultDeletionPolicy::Retain
    }

    /// Starts an operator.
    pub fn start(&mut self) -> Running {
        self.start_over(self.atlas.transport())
    }

    /// Starts an operator that reaches Atlas that way.
    pub fn start_over(&mut self, transport: Arc<dyn Transport>) -> Running {
        let parts = self.parts(transport);
        Running { deaths: self.deaths.clone(), clock: Some(self.clock), ..Running::of(parts) }
    }

    /// What the next operator will be called.
    pub fn next_operator(&self) -> String {
        format!("operator-{}", self.operators + 1)
    }

    /// What the next operator is built from.
    pub fn parts(&mut self, transport: Arc<dyn Transport>) -> Parts {
        let name = self.next_operator();
        self.operators += 1;
        let metrics = Metrics::default();
        self.told.watch(metrics.clone());
        let base = BaseUrl::parse("https://cloud.mongodb.com", false).unwrap();
        let seed = self.nature.seed.wrapping_mul(1000) + u64::from(self.operators);
        let atlas = AtlasConfig {
            clock: self.operator_clock,
            jitter_seed: seed,
            observer: Arc::new(metrics.clone()),
            ..AtlasConfig::new(base, self.nature.dialect)
        };
        Parts {
            client: self.kube.client_as(&name),
            transport: self.turns.over(self.grounds.over(self.told.over(transport))),
            atlas,
            settings: self.nature.settings.clone(),
            clock: self.operator_clock,
            metrics,
            holder: name,
            seed,
            election: self.nature.election.clone(),
        }
    }

    /// Applies an object as a user would.
    pub fn apply(&self, object: Value) {
        self.kube.apply(object).unwrap();
    }

    pub fn secret(&self, namespace: &str, name: &str, data: &[(&str, &str)]) {
        use base64::Engine;
        let encoded: BTreeMap<_, _> =
            data.iter().map(|(key, value)| (*key, base64::engine::general_purpose::STANDARD.encode(value))).collect();
        self.apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": namespace, "name": name}, "data": encoded}));
    }

    /// The Secret that the manifests name.
    pub fn credentials(&self) {
        self.secret(NAMESPACE, "atlas-credentials", &KEY);
    }

    pub fn find_link(&self, namespace: &str, name: &str) -> Option<AtlasPrivateLink> {
        self.kube.get(LINKS, namespace, name).map(|value| serde_json::from_value(value).unwrap())
    }

    pub fn endpoint(&self, name: &str) -> AtlasInterfaceEndpoint {
        self.find_endpoint(NAMESPACE, name).unwrap_or_else(|| panic!("no endpoint {name}"))
    }

    pub fn find_endpoint(&self, namespace: &str, name: &str) -> Option<AtlasInterfaceEndpoint> {
        self.kube.get(ENDPOINTS, namespace, name).map(|value| serde_json::from_value(value).unwrap())
    }

    /// Lets time pass until `condition` holds.
    pub async fn until(&self, within: Duration, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + within;
        while !condition(self) {
            assert!(Instant::now() < deadline, "not within {within:?}: {what}\n{}", self.picture());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Lets time pass. Where somebody writes without an end, that would take real hours.
    pub async fn pass(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            tokio::time::sleep_until(end.min(Instant::now() + MINUTE)).await;
            let objects = || (self.kube.list(LINKS).len() + self.kube.list(ENDPOINTS).len()) as u64;
            let most = |revision| revision < MOST_WRITES || revision < MOST_WRITES_OF_EACH * objects();
            assert!(most(self.kube.revision()), "written without an end\n{}", self.picture());
        }
    }

    pub fn change(&self, change: Change) -> Option<String> {
        self.atlas.change(change).unwrap()
    }

    pub fn ledger(&self) -> Ledger {
        self.atlas.ledger()
    }

    pub fn calls(&self, operation: Operation) -> usize {
        self.atlas.with_ledger(|ledger| ledger.count(operation))
    }

    /// How often somebody else than an operator has changed anything, here or in Atlas.
    fn deeds_of_others(&self) -> usize {
        let all = [LINKS, ENDPOINTS, "secrets", "configmaps"].into_iter().flat_map(|plural| self.kube.past(plural));
        let here = all.filter(|version| !version.by.starts_with("operator")).count();
        here + self.ledger().iter().filter(|entry| entry.cause == Cause::BehindTheBack).count()
    }

    /// Does what is to befall this world, and notes where that changed nothing.
    pub async fn befalls(&self, deed: impl Future<Output = ()>) {
        let before = self.deeds_of_others();
        deed.await;
        if self.deeds_of_others() == before {
            self.is_spared();
        }
    }

    /// What must always hold has held until now.
    pub fn is_judged(&self) {
        *self.judged.lock().unwrap() = Some(self.effects());
    }

    /// Whether that was found out, and nothing has happened in Atlas since.
    pub fn was_judged_at_its_end(&self) -> bool {
        *self.judged.lock().unwrap() == Some(self.effects())
    }

    /// For a while nothing was done, for there was nothing to do.
    pub fn is_quiet(&self) {
        *self.quiet.lock().unwrap() = Some(self.deeds());
    }

    /// Whether that was found out, and nothing has been done since, in Atlas or by an operator to its objects.
    pub fn was_quiet_at_its_end(&self) -> bool {
        *self.quiet.lock().unwrap() == Some(self.deeds())
    }

    fn deeds(&self) -> (usize, usize) {
        (self.effects(), self.operator_writes().len())
    }

    fn effects(&self) -> usize {
        self.ledger().iter().filter(|entry| !matches!(entry.effect, Effect::None)).count()
    }

    /// What was to befall this world found nothing to befall.
    pub fn is_spared(&self) {
        self.spared.store(true, Ordering::SeqCst);
    }

    /// Kubernetes writes of the operators, without Events and Leases.
    pub fn operator_writes(&self) -> RequestLog {
        let writes = self.kube.log().essential_writes();
        RequestLog(writes.0.into_iter().filter(|record| record.client.starts_with("operator")).collect())
    }

    /// The services that stand in Atlas.
    pub fn services(&self) -> Vec<Value> {
        self.atlas.state()["services"].as_array().cloned().unwrap_or_default()
    }

    /// Whether there is neither a link nor an endpoint, in any namespace.
    pub fn is_empty(&self) -> bool {
        self.kube.list(LINKS).is_empty() && self.kube.list(ENDPOINTS).is_empty()
    }

    /// Everything, for the message of a test that fails.
    pub fn picture(&self) -> String {
        let show = |plural| {
            self.kube
                .list(plural)
                .iter()
                .map(|o| format!("{} {} {}", o["metadata"], o["spec"], o["status"]))
                .collect::<Vec<_>>()
                .join("\n")
        };
        format!("{}\n{}\nAtlas: {:#}", show(LINKS), show(ENDPOINTS), self.atlas.state())
    }

    pub fn link_is(&self, name: &str, standing: Standing, reason: &str) -> bool {
        self.find_link(NAMESPACE, name).is_some_and(|link| says(link.status.as_ref(), standing, reason))
    }

    pub fn endpoint_is(&self, name: &str, standing: Standing, reason: &str) -> bool {
        self.find_endpoint(NAMESPACE, name).is_some_and(|endpoint| says(endpoint.status.as_ref(), standing, reason))
    }

    pub fn link_ready(&self, name: &str) -> bool {
        self.link_is(name, Standing::Ready, "Available")
    }

    pub fn endpoint_ready(&self, name: &str) -> bool {
        self.endpoint_is(name, Standing::Ready, "Available")
    }
}

fn says<S: CommonStatus>(status: Option<&S>, standing: Standing, reason: &str) -> bool {
    status.is_some_and(|status| Verdict::of(status.conditions()) == Some((standing, reason)))
}

impl Running {
    /// Starts an operator of these parts.
    pub fn of(parts: Parts) -> Self {
        Self::with(parts, operate)
    }

    /// The same, by another way in.
    pub fn with<F>(parts: Parts, operate: impl FnOnce(Parts, Health, CancellationToken) -> F) -> Self
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let (name, metrics) = (parts.holder.clone(), parts.metrics.clone());
        let (health, stop) = (Health::default(), CancellationToken::new());
        let task = tokio::spawn(operate(parts, health.clone(), stop.clone()));
        Self { name, health, metrics, stop, task, deaths: Arc::default(), clock: None }
    }

    /// Waits until it ends on its own.
    pub async fn end(self) -> Result<(), Error> {
        let ended = tokio::time::timeout(Duration::from_secs(3600), self.task).await;
        ended.expect("it goes on and on").unwrap()
    }

    /// As SIGKILL: whatever it was doing is not finished.
    pub async fn kill(self) {
        self.deaths.lock().unwrap().extend(self.clock.map(|clock| clock.now()));
        self.task.abort();
        let _ = self.task.await;
    }

    /// As SIGTERM: what runs is finished.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// Ends it at once, from wherever this is called.
    pub fn abort_handle(&self) -> AbortHandle {
        self.task.abort_handle()
    }

    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}
