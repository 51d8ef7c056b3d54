//! `run`: from the arguments to the end of the process.

use super::{Error, Parts, operate};
use crate::{
    atlas::{
        AtlasConfig,
        https::{Https, USER_AGENT, install_crypto},
    },
    cli::RunArgs,
    clock::Clock,
    metrics::Metrics,
    server::{self, Health, Phase},
};
use kube::Client;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// `atlas-privatelink-operator run`.
///
/// # Errors
/// When it cannot start, or a controller ends on its own.
pub async fn run(args: RunArgs) -> Result<(), Error> {
    crate::telemetry::start(args.log_format, &args.log_level)?;
    install_crypto();
    // First what is written on the command line: whoever mistypes a flag hears of that, and not of the cluster.
    let (base_url, settings, election) = (args.base_url()?, args.settings()?, args.leader_election.settings()?);
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
        election,
    };
    let watched = &parts.settings.namespaces;
    let (health, stop) = (Health::default(), CancellationToken::new());
    let listener = server::bind(args.http_listen).await.map_err(Error::Listen)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        atlas = %args.atlas_base_url,
        api = %args.atlas_api_version,
        namespaces = if watched.is_empty() { "all".to_owned() } else { watched.join(",") },
        http = listener.local_addr().ok().map(|address| address.to_string()),
        "starting"
    );
    let serving = CancellationToken::new();
    let server = tokio::spawn(server::serve(listener, server::router(health.clone(), metrics), serving.clone()));
    tokio::spawn(stop_on_signal(stop.clone(), health.clone()));
    let result = operate(parts, health, stop).await;
    serving.cancel();
    // Somebody may have begun a request and say no more.
    let _ = tokio::time::timeout(LAST_ANSWERS, server).await;
    tracing::info!("stopped");
    result
}

/// How long those who ask for a page are waited for at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// The pod or host, and this run of the program in it: who is restarted in its place is another.
fn holder() -> String {
    let pod = std::env::var("POD_NAME").ok().filter(|name| !name.is_empty());
    let place = pod.unwrap_or_else(|| rustix::system::uname().nodename().to_string_lossy().into_owned());
    format!("{place}-{:016x}", rand::random::<u64>())
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
