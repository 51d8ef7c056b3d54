//! Wiring: builds what reconciling needs, starts it in order, and stops it in order.
//!
//! The definitions of both kinds come first, then (if asked for) the election, and only the leader's watches and
//! controllers after it. The end goes the other way round: no new work, what runs is finished, and with the last write
//! made the Lease is released.

mod controllers;
mod definitions;
mod elected;
mod run;
mod watches;

pub use run::run;

use crate::{
    atlas::{AtlasConfig, transport::Transport},
    clock::Clock,
    controller::settings::Settings,
    lease,
    metrics::Metrics,
    server::{Health, Phase},
};
use kube::Client;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Everything that the operator is built from; a test brings its own.
pub struct Parts {
    pub client: Client,
    pub transport: Arc<dyn Transport>,
    pub atlas: AtlasConfig,
    pub settings: Settings,
    pub clock: Clock,
    pub metrics: Metrics,
    /// Names this run; see [`crate::reconcile::attempt::Holder`]. Also its identity in an election.
    pub holder: String,
    pub seed: u64,
    /// Absent: it works without asking for leadership.
    pub election: Option<lease::Settings>,
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
    #[error("not the leader any more: {0}; it ends, and may be started again as a standby")]
    LeadershipLost(lease::election::Loss),
}

/// Runs the operator until `stop`, or until it can't go on.
///
/// # Errors
/// When a controller ends on its own, or leadership is lost.
pub async fn operate(parts: Parts, health: Health, stop: CancellationToken) -> Result<(), Error> {
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = definitions::wait_for_crds(&parts.client, &parts.settings.namespaces, &health, &parts.metrics) => {}
    }
    match parts.election.clone() {
        Some(settings) => elected::operate(parts, settings, &health, stop).await,
        None => controllers::control(parts, Phase::Running, &health, stop).await,
    }
}

/// Runs the controllers as long as they may write, and tells nobody when they may not any more: what is left of an
/// operator whose election goes unheard. Only a test does this.
///
/// # Errors
/// When a controller ends on its own.
#[cfg(feature = "testbed")]
pub async fn operate_under(
    leadership: &lease::Leadership,
    parts: Parts,
    health: Health,
    stop: CancellationToken,
) -> Result<(), Error> {
    controllers::control(elected::guarded(parts, leadership), Phase::Leading, &health, stop).await
}
