//! Wiring: builds what reconciling needs, starts it in order, and stops it in order.

use crate::{
    api::{AtlasInterfaceEndpoint, AtlasPrivateLink, GROUP},
    atlas::{
        Atlas, AtlasConfig,
        https::{Https, install_crypto},
        inventory::Inventory,
        transport::Transport,
    },
    cli::RunArgs,
    clock::Clock,
    controller::{
        context::{Context, Jitter, Objects, Watched},
        driver::reconcile,
        events::Events,
        kind::Kind,
        memory::Memories,
        settings::Settings,
    },
    credentials::Credentials,
    metrics::Metrics,
    reconcile::attempt::Holder,
    server::{self, Health, Phase},
};
use futures::{FutureExt, StreamExt, future::select_all};
use kube::{
    Api, Client, ResourceExt,
    api::ListParams,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        Config, Controller,
        controller::{self, Action},
        reflector::ObjectRef,
        watcher,
    },
};
use std::{convert::Infallible, sync::Arc, time::Duration};
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
    let mut config = kube::Config::infer().await.map_err(|error| Error::Kubeconfig(Box::new(error)))?;
    // Its own retries can block a call for minutes; ours know the object.
    config.default_retry = false;
    let metrics = Metrics::default();
    let clock = Clock::system();
    let holder = holder();
    let atlas = AtlasConfig {
        observer: Arc::new(metrics.clone()),
        clock,
        ..AtlasConfig::new(args.base_url()?, args.atlas_api_version)
    };
    let parts = Parts {
        client: Client::try_from(config).map_err(|error| Error::Client(Box::new(error)))?,
        transport: Arc::new(Https::new(&args.https_options()?)?),
        atlas,
        settings: args.settings()?,
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
    let links: Vec<_> = scopes.iter().map(|scope| controller::<AtlasPrivateLink>(&ctx, scope.as_deref())).collect();
    let endpoints: Vec<_> =
        scopes.iter().map(|scope| controller::<AtlasInterfaceEndpoint>(&ctx, scope.as_deref())).collect();
    ctx.links.fill_from(links.iter().map(Controller::store).collect());
    ctx.endpoints.fill_from(endpoints.iter().map(Controller::store).collect());
    let mut running = Vec::new();
    for (controller, scope) in links.into_iter().zip(&scopes) {
        let others = scoped::<AtlasInterfaceEndpoint>(&ctx.client, scope.as_deref());
        let controller = controller.watches(others, watcher::Config::default(), link_of);
        running.push(drive(controller, ctx.clone(), metrics.clone(), stop.clone()).boxed());
    }
    for (controller, scope) in endpoints.into_iter().zip(&scopes) {
        let others = scoped::<AtlasPrivateLink>(&ctx.client, scope.as_deref());
        let of = ctx.clone();
        let controller = controller.watches(others, watcher::Config::default(), move |link| endpoints_of(&of, &link));
        running.push(drive(controller, ctx.clone(), metrics.clone(), stop.clone()).boxed());
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

fn controller<K: Kind>(ctx: &Context, namespace: Option<&str>) -> Controller<DeserializeGuard<K>> {
    let config = Config::default().concurrency(ctx.settings.concurrency);
    Controller::new(scoped(&ctx.client, namespace), watcher::Config::default()).with_config(config)
}

/// A change of an endpoint wakes its link, which may wait for the endpoint to go.
fn link_of(
    endpoint: DeserializeGuard<AtlasInterfaceEndpoint>,
) -> Option<ObjectRef<DeserializeGuard<AtlasPrivateLink>>> {
    let endpoint = endpoint.0.ok()?;
    Some(ObjectRef::new(&endpoint.spec.private_link_ref.name).within(&endpoint.namespace()?))
}

/// A change of a link wakes its endpoints, which may wait for it to be Ready.
fn endpoints_of(
    ctx: &Context,
    link: &DeserializeGuard<AtlasPrivateLink>,
) -> Vec<ObjectRef<DeserializeGuard<AtlasInterfaceEndpoint>>> {
    let Ok(link) = &link.0 else { return Vec::new() };
    let (namespace, name) = (link.namespace().unwrap_or_default(), link.name_any());
    let cached = ctx.endpoints.cached();
    let of_link = cached.iter().filter_map(Watched::get).filter(|endpoint| {
        endpoint.namespace().as_deref() == Some(&namespace) && endpoint.spec.private_link_ref.name == name
    });
    of_link.map(|endpoint| ObjectRef::new(&endpoint.name_any()).within(&namespace)).collect()
}

async fn drive<K: Kind>(
    controller: Controller<DeserializeGuard<K>>,
    ctx: Arc<Context>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let reconciled = |object: Arc<DeserializeGuard<K>>, ctx: Arc<Context>| async move {
        Ok::<Action, Infallible>(reconcile(object, ctx).await)
    };
    let never = |_: Arc<DeserializeGuard<K>>, error: &Infallible, _: Arc<Context>| match *error {};
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
