//! What the probes tell of an operator whose API server is silent, or refuses.

use super::{
    life::{begin, get_ready},
    looks::MINUTE,
    world::*,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    server::{BLINDNESS, SILENCE, router},
    testbed::kubernetes::{Fault, Matcher, Rule, Verb, WatchFault},
};
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::time::Instant;
use tower::ServiceExt;

/// What the operator's server answers.
pub async fn page(operator: &Running, path: &str) -> (u16, String) {
    let router = router(operator.health.clone(), operator.metrics.clone());
    let answer = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// It is told what is in the way, and that it is not the definition; the operator begins when that is over.
#[tokio::test(start_paused = true)]
async fn a_start_is_held_up_by_whatever_hinders_the_first_list() {
    for (fault, told) in [
        (Fault::hang_before(), "no answer within 15 s"),
        (Fault::status(StatusCode::FORBIDDEN), "atlasprivatelinks.atlas.privatelink.dev: "),
    ] {
        let mut world = begin(Dialect::V2);
        let lists = Matcher::any().verb(Verb::List).resource(LINKS);
        world.kube.inject(Rule::new(lists, fault).always());
        let operator = world.start();
        world.pass(Duration::from_secs(20)).await;
        let (status, why) = page(&operator, "/readyz").await;
        assert!(status == 503 && why.starts_with("the custom resources cannot be listed: "), "{status}: {why}");
        assert!(why.contains(told), "{why}");
        assert!(page(&operator, "/metrics").await.1.contains("atlas_privatelink_crds_missing 0\n"));
        world.kube.lift_all();
        get_ready(&world).await;
        assert_eq!(page(&operator, "/readyz").await, (200, "ok\n".to_owned()));
    }
}

/// A quiet cluster is no silence: watches end and begin anew.
#[tokio::test(start_paused = true)]
async fn health_fails_when_a_watch_is_not_heard_of_any_more() {
    let mut world = begin(Dialect::V2);
    let operator = world.start();
    get_ready(&world).await;
    for _ in 0..30 {
        world.pass(SILENCE / 5).await;
        assert_eq!(page(&operator, "/healthz").await, (200, "ok\n".to_owned()));
        assert_eq!(page(&operator, "/readyz").await, (200, "ok\n".to_owned()));
    }
    // From now on a watch of endpoints that begins anew is never answered.
    let watches = Matcher::any().verb(Verb::Watch).resource(ENDPOINTS);
    world.kube.inject(Rule::new(watches, Fault::hang_before()).always());
    let told = "the watch of atlasinterfaceendpoints in all namespaces has told nothing for ";
    let begun = Instant::now();
    let (mut status, mut why) = page(&operator, "/readyz").await;
    while status == 200 {
        assert!(begun.elapsed() <= BLINDNESS, "it is thought to see");
        world.pass(Duration::from_secs(1)).await;
        (status, why) = page(&operator, "/readyz").await;
    }
    assert!(status == 503 && why.starts_with(told), "{status}: {why}");
    assert_eq!(page(&operator, "/healthz").await.0, 200, "too soon");
    // Within five minutes of the last sign of life (invariant I10), which is as old as that by now.
    world.pass(5 * MINUTE - BLINDNESS - Duration::from_secs(1)).await;
    let (status, why) = page(&operator, "/healthz").await;
    assert_eq!(status, 500, "{why}");
    assert!(why.starts_with("the watch of atlasinterfaceendpoints in all namespaces has been silent for "), "{why}");
    assert_eq!(page(&operator, "/readyz").await.0, 503);
    world.kube.lift_all();
}

/// The API server is away for long, and every connection is refused: no restart helps, and nothing is seen until it is back.
#[tokio::test(start_paused = true)]
async fn an_operator_that_does_not_reach_the_api_server_lives_and_is_not_ready() {
    let mut world = begin(Dialect::V2);
    let operator = world.start();
    get_ready(&world).await;
    world.kube.inject(Rule::new(Matcher::any(), Fault::dropped()).always());
    for _ in 0..20 {
        world.pass(MINUTE).await;
        assert_eq!(page(&operator, "/healthz").await, (200, "ok\n".to_owned()));
    }
    let (status, why) = page(&operator, "/readyz").await;
    assert!(status == 503 && why.contains("is not reached"), "{status}: {why}");
    world.kube.lift_all();
    world.pass(2 * MINUTE).await;
    assert_eq!(page(&operator, "/readyz").await, (200, "ok\n".to_owned()));
}

/// A permission was taken away: no restart helps, and nothing is seen until it is given again.
#[tokio::test(start_paused = true)]
async fn an_operator_whose_watch_is_refused_lives_and_is_not_ready() {
    let mut world = begin(Dialect::V2);
    let operator = world.start();
    get_ready(&world).await;
    let watches = Matcher::any().verb(Verb::Watch).resource(ENDPOINTS);
    let lists = Matcher::any().verb(Verb::List).resource(ENDPOINTS);
    for refused in [watches, lists] {
        world.kube.inject(Rule::new(refused, Fault::status(StatusCode::FORBIDDEN)).always());
    }
    world.pass(3 * SILENCE).await;
    assert_eq!(page(&operator, "/healthz").await, (200, "ok\n".to_owned()));
    let (status, why) = page(&operator, "/readyz").await;
    let told = "the watch of atlasinterfaceendpoints in all namespaces has not begun, or the API server refuses it";
    assert!(status == 503 && why.starts_with(told), "{status}: {why}");
    world.kube.lift_all();
    world.pass(SILENCE).await;
    assert_eq!(page(&operator, "/readyz").await, (200, "ok\n".to_owned()));
}

/// A connection that stays open and tells nothing any more is given up before a probe would fail, and what was missed is
/// seen then.
#[tokio::test(start_paused = true)]
async fn an_open_watch_that_falls_silent_is_begun_anew() {
    let mut world = begin(Dialect::V2);
    let operator = world.start();
    get_ready(&world).await;
    assert_eq!(world.kube.disturb_watches(&Matcher::any().resource(ENDPOINTS), WatchFault::Silence), 1);
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.until(BLINDNESS, "seen, and gone", |world| world.find_endpoint(NAMESPACE, "orders-a").is_none()).await;
    assert_eq!(page(&operator, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(page(&operator, "/readyz").await, (200, "ok\n".to_owned()));
}
