//! Wiring: builds what reconciling needs, starts it in order, and stops it in order.

use crate::{
    api::{AtlasInterfaceEndpoint, AtlasPrivateLink, GROUP},
    atlas::{
        Atlas, AtlasConfig,
        https::{Https, USER_AGENT, install_crypto},
        inventory::Inventory,
        transport::Transport,
    },
    cli::RunArgs,
    clock::Clock,
    controller::{
        context::{Context, Jitter, Objects},
        driver::reconcile,
        events::Events,
        kind::Kind,
        memory::Memories,
        settings::Settings,
    },
    credentials::Credentials,
    metrics::Metrics,
    reconcile::{attempt::Holder, link::resolve::key_of},
    server::{self, Health, Phase},
};
use futures::{FutureExt, StreamExt, TryStreamExt, future::select_all, stream::BoxStream};
use kube::{
    Api, Client, ResourceExt,
    api::ListParams,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        Config, Controller, WatchStreamExt,
        controller::{self, Action},
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;

/// Everything that the operator is built from; a test brings its own.
pub struct Parts {
    pub client: Client,
    pub transport: Arc<dyn Transport>,
    pub atlas: AtlasConfig,
    pub settings: Settings,
    pub clock: Clock,
    pub metrics: Metrics,
    /// Names this run; see [`Holder`].
    pub holder: String,
    pub seed: u64,
}

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Args(#[from] crate::cli::InvalidArgs),
    #[error("--log-level: {0}")]
    LogLevel(#[from] tracing_subscriber::filter::ParseError),
    #[error(transparent)]
    Https(#[from] crate::atlas::https::InvalidOptions),
    #[error("no way to the Kubernetes API: run it in a cluster, or set KUBECONFIG ({0})")]
    Kubeconfig(#[source] Box<kube::config::InferConfigError>),
    #[error("the Kubernetes client cannot be built: {0}")]
    Client(#[source] Box<kube::Error>),
    #[error("cannot listen for probes: {0}")]
    Listen(#[source] std::io::Error),
    #[error("a controller has ended on its own")]
    ControllerEnded,
}

/// `atlas-privatelink-operator run`.
///
/// # Errors
/// When it cannot start, or a controller ends on its own.
pub async fn run(args: RunArgs) -> Result<(), Error> {
    crate::telemetry::start(args.log_format, &args.log_level)?;
    install_crypto();
    // First what is written on the command line: whoever mistypes a flag hears of that, and not of the cluster.
    let (base_url, settings) = (args.base_url()?, args.settings()?);
    let transport = Arc::new(Https::new(&args.https_options()?)?);
    let mut config = kube::Config::infer().await.map_err(|error| Error::Kubeconfig(Box::new(error)))?;
    // Its own retries can block a call for minutes; ours know the object.
    config.default_retry = false;
    // `--https-proxy` is for Atlas only, and so is whatever the environment says of proxies.
    config.proxy_url = None;
    config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static(USER_AGENT)));
    let metrics = Metrics::default();
    let clock = Clock::system();
    let holder = holder();
    let atlas = AtlasConfig {
        observer: Arc::new(metrics.clone()),
        clock,
        ..AtlasConfig::new(base_url, args.atlas_api_version)
    };
    let parts = Parts {
        client: Client::try_from(config).map_err(|error| Error::Client(Box::new(error)))?,
        transport,
        atlas,
        settings,
        clock,
        metrics: metrics.clone(),
        holder,
        seed: rand::random(),
    };
    let (health, stop) = (Health::default(), CancellationToken::new());
    let listener = server::bind(args.http_listen).await.map_err(Error::Listen)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        atlas = %args.atlas_base_url,
        api = %args.atlas_api_version,
        namespaces = if args.namespaces.is_empty() { "all".to_owned() } else { args.namespaces.join(",") },
        http = listener.local_addr().ok().map(|address| address.to_string()),
        "starting"
    );
    let serving = CancellationToken::new();
    let server = tokio::spawn(server::serve(listener, server::router(health.clone(), metrics), serving.clone()));
    tokio::spawn(stop_on_signal(stop.clone(), health.clone()));
    let result = operate(parts, health, stop).await;
    serving.cancel();
    let _ = server.await;
    tracing::info!("stopped");
    result
}

fn holder() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "operator".to_owned());
    format!("{host}-{:016x}", rand::random::<u64>())
}

async fn stop_on_signal(stop: CancellationToken, health: Health) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    tracing::info!("stopping: no new work, what runs is finished");
    health.set(Phase::Stopping);
    stop.cancel();
}

/// Runs the controllers until `stop`, or until one ends on its own.
///
/// # Errors
/// When a controller ends on its own.
pub async fn operate(parts: Parts, health: Health, stop: CancellationToken) -> Result<(), Error> {
    let metrics = parts.metrics.clone();
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = wait_for_crds(&parts.client, &parts.settings.namespaces, &health, &metrics) => {}
    }
    let ctx = Arc::new(context(parts));
    let scopes: Vec<Option<String>> = match ctx.settings.namespaces.as_slice() {
        [] => vec![None],
        namespaces => namespaces.iter().cloned().map(Some).collect(),
    };
    let (wakers, woken): (Vec<_>, Vec<_>) = scopes.iter().map(|scope| channels(scope.as_deref())).unzip();
    let wakers = Wakers(wakers.into());
    let watches: Vec<_> =
        scopes.iter().zip(woken).map(|(scope, woken)| watches(&ctx, scope.as_deref(), &wakers, woken)).collect();
    ctx.links.fill_from(watches.iter().map(|(links, _)| links.store.clone()).collect());
    ctx.endpoints.fill_from(watches.iter().map(|(_, endpoints)| endpoints.store.clone()).collect());
    let mut running = Vec::new();
    for (links, endpoints) in watches {
        running.push(drive(links, ctx.clone(), metrics.clone(), stop.clone()).boxed());
        running.push(drive(endpoints, ctx.clone(), metrics.clone(), stop.clone()).boxed());
    }
    health.set(Phase::Running);
    while !running.is_empty() {
        let ((), _, rest) = select_all(running).await;
        if !stop.is_cancelled() {
            health.set(Phase::Broken("a controller has ended".to_owned()));
            return Err(Error::ControllerEnded);
        }
        running = rest;
    }
    Ok(())
}

fn context(parts: Parts) -> Context {
    let Parts { client, transport, atlas, settings, clock, metrics: _, holder, seed } = parts;
    let namespaces = settings.namespaces.clone();
    Context {
        inventory: Inventory::new(Atlas::new(atlas, transport), clock),
        credentials: Credentials::new(client.clone()),
        clock,
        memories: Memories::default(),
        jitter: Jitter::new(seed),
        events: Events::new(client.clone(), holder.clone()),
        holder: Holder::new(holder),
        links: Objects::new(client.clone(), namespaces.clone()),
        endpoints: Objects::new(client.clone(), namespaces),
        filled: tokio::sync::watch::Sender::new(0),
        started: tokio::sync::OnceCell::new(),
        settings,
        client,
    }
}

fn scoped<K: Kind>(client: &Client, namespace: Option<&str>) -> Api<DeserializeGuard<K>> {
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// One watch: its events, the store that they fill, and further objects to wake.
struct Watch<K: Kind> {
    events: BoxStream<'static, watcher::Result<DeserializeGuard<K>>>,
    store: Store<DeserializeGuard<K>>,
    woken: UnboundedReceiver<Ref<K>>,
}

type Ref<K> = ObjectRef<DeserializeGuard<K>>;

/// Where to send what is to be woken in a namespace (`None`: in all of them).
struct Waker {
    namespace: Option<String>,
    links: UnboundedSender<Ref<AtlasPrivateLink>>,
    endpoints: UnboundedSender<Ref<AtlasInterfaceEndpoint>>,
}

/// The other ends of a [`Waker`].
type Woken = (UnboundedReceiver<Ref<AtlasPrivateLink>>, UnboundedReceiver<Ref<AtlasInterfaceEndpoint>>);

fn channels(namespace: Option<&str>) -> (Waker, Woken) {
    let (links, links_woken) = unbounded_channel();
    let (endpoints, endpoints_woken) = unbounded_channel();
    (Waker { namespace: namespace.map(str::to_owned), links, endpoints }, (links_woken, endpoints_woken))
}

#[derive(Clone)]
struct Wakers(Arc<[Waker]>);

impl Wakers {
    fn of<K: Kind>(&self, object: &Ref<K>) -> Option<&Waker> {
        self.0.iter().find(|waker| waker.namespace.is_none() || waker.namespace == object.namespace)
    }

    // A controller that has ended wakes nobody; then the operator is about to end.
    fn wake_link(&self, link: Ref<AtlasPrivateLink>) {
        let _ = self.of(&link).map(|waker| waker.links.send(link));
    }

    fn wake_endpoint(&self, endpoint: Ref<AtlasInterfaceEndpoint>) {
        let _ = self.of(&endpoint).map(|waker| waker.endpoints.send(endpoint));
    }
}

/// Watches both kinds in one namespace, or in all. A change of one object wakes the others that may wait for it, and
/// always after the store shows the change: a watch of their own could wake them too early, and nobody would again.
fn watches(
    ctx: &Arc<Context>,
    namespace: Option<&str>,
    wakers: &Wakers,
    (links_woken, endpoints_woken): Woken,
) -> (Watch<AtlasPrivateLink>, Watch<AtlasInterfaceEndpoint>) {
    let (of, wake) = (ctx.clone(), wakers.clone());
    let links = watch(ctx, namespace, links_woken, move |link: &AtlasPrivateLink| {
        endpoints_of(&of, link).for_each(|endpoint| wake.wake_endpoint(endpoint));
        links_beside(&of, link).for_each(|other| wake.wake_link(other));
    });
    let wake = wakers.clone();
    let endpoints = watch(ctx, namespace, endpoints_woken, move |endpoint: &AtlasInterfaceEndpoint| {
        wake.wake_link(reference(&endpoint.namespace().unwrap_or_default(), &endpoint.spec.private_link_ref.name));
    });
    (links, endpoints)
}

fn watch<K: Kind>(
    ctx: &Arc<Context>,
    namespace: Option<&str>,
    woken: UnboundedReceiver<Ref<K>>,
    wake: impl Fn(&K) + Send + 'static,
) -> Watch<K> {
    let (store, writer) = reflector::store();
    let (of, mut is_first) = (ctx.clone(), true);
    let events = watcher(scoped(&ctx.client, namespace), watcher::Config::default())
        .default_backoff()
        // Nothing here asks who owns which field, and they are half of an object's size.
        .modify(|guard: &mut DeserializeGuard<K>| {
            if let Ok(object) = &mut guard.0 {
                object.managed_fields_mut().clear()
            }
        })
        .reflect(writer)
        .inspect_ok(move |event| match event {
            watcher::Event::Apply(object) | watcher::Event::InitApply(object) => of.reached(object),
            watcher::Event::Delete(object) => of.memories.forget(&object.uid().unwrap_or_default()),
            watcher::Event::InitDone => {
                of.forget_the_gone();
                if std::mem::take(&mut is_first) {
                    of.filled.send_modify(|filled| *filled += 1);
                }
            }
            watcher::Event::Init => {}
        })
        .touched_objects()
        .inspect_ok(move |guard| guard.0.iter().for_each(&wake));
    Watch { events: events.boxed(), store, woken }
}

fn reference<K: Kind>(namespace: &str, name: &str) -> Ref<K> {
    ObjectRef::new(name).within(namespace)
}

/// A change of a link wakes its endpoints, which may wait for it to be Ready.
fn endpoints_of(ctx: &Context, link: &AtlasPrivateLink) -> impl Iterator<Item = Ref<AtlasInterfaceEndpoint>> {
    let (namespace, name) = (link.namespace().unwrap_or_default(), link.name_any());
    let all = ctx.endpoints.cached().into_iter();
    all.filter_map(move |watched| {
        let endpoint = watched.get()?;
        let of_link =
            endpoint.namespace().as_deref() == Some(&namespace) && endpoint.spec.private_link_ref.name == name;
        of_link.then(|| reference(&namespace, &endpoint.name_any()))
    })
}

/// A change of a link wakes the others of its key, which may wait for it to create or to go.
fn links_beside(ctx: &Context, link: &AtlasPrivateLink) -> impl Iterator<Item = Ref<AtlasPrivateLink>> {
    let (uid, key) = (link.uid(), key_of(link));
    let all = ctx.links.cached().into_iter();
    all.filter_map(move |watched| {
        let other = watched.get()?;
        let beside = other.uid() != uid && key_of(other) == key;
        beside.then(|| reference(&other.namespace().unwrap_or_default(), &other.name_any()))
    })
}

async fn drive<K: Kind>(watch: Watch<K>, ctx: Arc<Context>, metrics: Metrics, stop: CancellationToken) {
    let reconciled = |object: Arc<DeserializeGuard<K>>, ctx: Arc<Context>| async move {
        ctx.started().await;
        Ok::<Action, Infallible>(reconcile(object, ctx).await)
    };
    let never = |_: Arc<DeserializeGuard<K>>, error: &Infallible, _: Arc<Context>| match *error {};
    let config = Config::default().concurrency(ctx.settings.concurrency);
    let controller = Controller::for_stream(watch.events, watch.store)
        .with_config(config)
        .reconcile_on(UnboundedReceiverStream::new(watch.woken));
    let results = controller.graceful_shutdown_on(stop.cancelled_owned()).run(reconciled, never, ctx);
    results
        .for_each(|result| {
            let outcome = match result {
                Ok(_) => "done",
                // Between a deletion and its event; nothing is to be done.
                Err(controller::Error::ObjectNotFound(_)) => "gone",
                Err(controller::Error::QueueError(error)) => {
                    tracing::warn!(%error, kind = %K::kind(&()), "a watch of the Kubernetes API failed and is tried again");
                    "watch_failed"
                }
                Err(controller::Error::ReconcilerFailed(error, _)) => match error {},
                Err(error @ controller::Error::RunnerError(_)) => {
                    tracing::error!(%error, "the controller's queue failed");
                    "queue_failed"
                }
            };
            metrics.reconciled(K::NAME, outcome);
            std::future::ready(())
        })
        .await;
}

/// Waits until both kinds are served.
async fn wait_for_crds(client: &Client, namespaces: &[String], health: &Health, metrics: &Metrics) {
    let mut pause = Duration::from_millis(200);
    let scope = namespaces.first().map(String::as_str);
    loop {
        let (links, endpoints) =
            (serves::<AtlasPrivateLink>(client, scope).await, serves::<AtlasInterfaceEndpoint>(client, scope).await);
        let missing: Vec<String> = [links, endpoints].into_iter().filter_map(Result::err).collect();
        metrics.crds_missing(missing.len());
        if missing.is_empty() {
            return;
        }
        let phase = Phase::WaitingForCrds(missing);
        if health.phase() != phase {
            tracing::warn!(?phase, "the custom resources cannot be listed yet");
            health.set(phase);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}

/// Whether a kind can be listed; otherwise its CRD's name, or what else is in the way.
async fn serves<K: Kind>(client: &Client, namespace: Option<&str>) -> Result<(), String> {
    let api: Api<PartialObjectMeta<K>> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let name = format!("{}.{GROUP}", K::plural(&()));
    match api.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Err(name),
        Err(error) => Err(format!("{name} ({error})")),
    }
}
