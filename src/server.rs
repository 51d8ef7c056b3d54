//! `/healthz`, `/readyz` and `/metrics`.

use crate::metrics::Metrics;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where the pages are when nobody says otherwise.
const PORT: u16 = 8080;

/// How far the operator has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    Starting,
    /// These CustomResourceDefinitions are not installed yet.
    WaitingForCrds(Vec<String>),
    Running,
    Stopping,
    /// A controller has ended on its own: only a restart helps.
    Broken(String),
}

/// What the probes tell; shared between the operator, which sets it, and the server.
#[derive(Clone)]
pub struct Health(Arc<Mutex<Phase>>);

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Phase::Starting)))
    }
}

impl Health {
    pub fn set(&self, phase: Phase) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    pub fn phase(&self) -> Phase {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Liveness: a restart does not make a missing CRD appear, so waiting for one is no reason to be restarted.
async fn healthz(State((health, _)): State<(Health, Metrics)>) -> (StatusCode, String) {
    match health.phase() {
        Phase::Broken(why) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")),
        Phase::Starting | Phase::WaitingForCrds(_) | Phase::Running | Phase::Stopping => {
            (StatusCode::OK, "ok\n".to_owned())
        }
    }
}

async fn readyz(State((health, _)): State<(Health, Metrics)>) -> (StatusCode, String) {
    let unready = |why: String| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
    match health.phase() {
        Phase::Running => (StatusCode::OK, "ok\n".to_owned()),
        Phase::Starting => unready("starting".to_owned()),
        Phase::WaitingForCrds(missing) => {
            unready(format!("waiting for the CustomResourceDefinitions {}: apply crds/", missing.join(", ")))
        }
        Phase::Stopping => unready("stopping".to_owned()),
        Phase::Broken(why) => unready(why),
    }
}

async fn metrics(State((_, metrics)): State<(Health, Metrics)>) -> impl IntoResponse {
    match metrics.text() {
        Ok(text) => Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)),
        Err(error) => Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

/// The three routes.
pub fn router(health: Health, metrics_of: Metrics) -> Router {
    let routes =
        Router::new().route("/healthz", get(healthz)).route("/readyz", get(readyz)).route("/metrics", get(metrics));
    routes.with_state((health, metrics_of))
}

/// Binds the address, or port 8080 of every interface, IPv6 included where there is IPv6.
///
/// # Errors
/// When the address is taken or not of this machine.
pub async fn bind(address: Option<SocketAddr>) -> io::Result<TcpListener> {
    if let Some(address) = address {
        return TcpListener::bind(address).await;
    }
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    bind_or(SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)), v4).await
}

/// Binds `first`, or `second` where this machine has no such address. One that is taken is no reason to go elsewhere.
async fn bind_or(first: SocketAddr, second: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(first).await {
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => TcpListener::bind(second).await,
        bound => bound,
    }
}

/// Serves until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address that this machine does not have: to the socket the same as IPv6 where there is none.
    const ELSEWHERE: &str = "[2001:db8::1]:0";
    const HERE: &str = "127.0.0.1:0";

    #[tokio::test]
    async fn without_ipv6_it_listens_on_ipv4() {
        let listener = bind_or(ELSEWHERE.parse().unwrap(), HERE.parse().unwrap()).await.unwrap();
        assert!(listener.local_addr().unwrap().is_ipv4());
        assert!(bind(Some(ELSEWHERE.parse().unwrap())).await.is_err(), "who asks for an address gets that or none");
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_not_exchanged_for_another() {
        let taken = TcpListener::bind(HERE).await.unwrap().into_std().unwrap();
        let error = bind_or(taken.local_addr().unwrap(), HERE.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn an_address_that_is_asked_for_is_used() {
        let listener = bind(Some(HERE.parse().unwrap())).await.unwrap();
        assert_eq!(listener.local_addr().unwrap().ip(), std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
    }
}
