//! `/healthz`, `/readyz` and `/metrics`.

mod bind;
mod health;

pub use bind::bind;
pub use health::{BLINDNESS, Health, Phase, Pulse, SILENCE};

use crate::metrics::Metrics;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use std::io;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Liveness: a restart does not make a missing CRD appear, so waiting for one is no reason to be restarted.
async fn healthz(State((health, _)): State<(Health, Metrics)>) -> (StatusCode, String) {
    match health.fault() {
        Some(why) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")),
        None => (StatusCode::OK, "ok\n".to_owned()),
    }
}

/// Readiness: a standby has nothing left to wait for but the leader's end.
async fn readyz(State((health, _)): State<(Health, Metrics)>) -> (StatusCode, String) {
    let ready = |what: String| (StatusCode::OK, format!("{what}\n"));
    let unready = |why: String| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
    let working = |what: &str| health.blindness().map_or_else(|| ready(what.to_owned()), unready);
    match health.phase() {
        Phase::Running => working("ok"),
        Phase::Leading => working("ok: leader"),
        Phase::Standby(Some(leader)) => ready(format!("ok: standby, the leader is {leader}")),
        Phase::Standby(None) => ready("ok: standby, no leader is known".to_owned()),
        Phase::CannotLead(why) => unready(why),
        Phase::Starting => unready("starting".to_owned()),
        Phase::WaitingForCrds(missing) => {
            unready(format!("waiting for the CustomResourceDefinitions {}: apply crds/", missing.join(", ")))
        }
        Phase::CannotList(why) => unready(format!("the custom resources cannot be listed: {}", why.join(", "))),
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
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt;
    use std::time::Duration;
    use tower::ServiceExt;

    async fn page(health: &Health, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router(health.clone(), Metrics::default()).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn each_phase_is_told_apart() {
        let other = || Some("other".to_owned());
        for (phase, ready, alive, says) in [
            (Phase::Starting, false, true, "starting"),
            (Phase::WaitingForCrds(vec!["links".into(), "endpoints".into()]), false, true, "links, endpoints"),
            (Phase::CannotList(vec!["links (forbidden)".into()]), false, true, "cannot be listed: links (forbidden)"),
            (Phase::Standby(other()), true, true, "ok: standby, the leader is other"),
            (Phase::Standby(None), true, true, "ok: standby, no leader is known"),
            (Phase::CannotLead("the Lease a/b cannot be read".into()), false, true, "the Lease a/b cannot be read"),
            (Phase::Leading, true, true, "ok: leader"),
            (Phase::Running, true, true, "ok"),
            (Phase::Stopping, false, true, "stopping"),
            (Phase::Broken("a controller has ended".into()), false, false, "a controller has ended"),
        ] {
            let health = Health::default();
            health.set(phase.clone());
            let (status, body) = page(&health, "/readyz").await;
            assert_eq!(status, if ready { 200 } else { 503 }, "{phase:?}");
            assert!(body.contains(says), "{phase:?}: {body}");
            assert_eq!(page(&health, "/healthz").await.0, if alive { 200 } else { 500 }, "{phase:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_silent_watch_among_others_is_a_fault() {
        let health = Health::default();
        let (lively, _silent) = (health.watch("links".to_owned()), health.watch("endpoints".to_owned()));
        tokio::time::advance(SILENCE).await;
        lively.beat(StatusCode::OK);
        assert_eq!(page(&health, "/healthz").await.0, 200);
        tokio::time::advance(Duration::from_secs(1)).await;
        let told = "the watch of endpoints has been silent for 271 s\n";
        assert_eq!(page(&health, "/healthz").await, (500, told.to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_refused_is_no_reason_to_restart_and_none_to_be_ready() {
        let health = Health::default();
        health.set(Phase::Running);
        let (lively, refused) = (health.watch("links".to_owned()), health.watch("endpoints".to_owned()));
        lively.beat(StatusCode::OK);
        let (status, why) = page(&health, "/readyz").await;
        assert!(status == 503 && why.starts_with("the watch of endpoints has not begun"), "{status}: {why}");
        refused.beat(StatusCode::OK);
        assert_eq!(page(&health, "/readyz").await.0, 200);
        for _ in 0..3 {
            tokio::time::advance(BLINDNESS / 2).await;
            lively.beat(StatusCode::OK);
            refused.beat(StatusCode::FORBIDDEN);
        }
        assert_eq!(page(&health, "/healthz").await.0, 200);
        assert_eq!(page(&health, "/readyz").await.0, 503);
        refused.beat(StatusCode::OK);
        assert_eq!(page(&health, "/readyz").await.0, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_been_told_nothing_for_minutes_is_not_ready() {
        let health = Health::default();
        health.set(Phase::Running);
        let silent = health.watch("links".to_owned());
        silent.beat(StatusCode::OK);
        tokio::time::advance(BLINDNESS).await;
        assert_eq!(page(&health, "/readyz").await.0, 200);
        tokio::time::advance(Duration::from_secs(1)).await;
        let told = "the watch of links has told nothing for 241 s: see the log\n";
        assert_eq!(page(&health, "/readyz").await, (503, told.to_owned()));
        assert_eq!(page(&health, "/healthz").await.0, 200);
    }
}
