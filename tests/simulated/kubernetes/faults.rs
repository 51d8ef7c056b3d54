//! Every fault by itself: what the client sees, and what happened.

use std::time::Duration;

use atlas_privatelink_operator::{
    clock::Clock,
    testbed::kubernetes::{ApiServer, Decision, Fault, Matcher, Options, Phase, Rule, Verb},
};
use http::{Request, StatusCode};
use kube::{
    Error,
    api::{Patch, PatchParams, PostParams},
    client::Body,
};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::{LINKS, code, link, links, read, server};

fn region(server: &ApiServer) -> String {
    let link = server.get(LINKS, "default", "a").expect("the link");
    link["spec"]["region"].as_str().expect("a region").to_owned()
}

async fn edit(server: &ApiServer, region: &str) -> Result<(), Error> {
    let patch = Patch::Merge(json!({"spec": {"region": region}}));
    links(server.client()).patch("a", &PatchParams::default(), &patch).await.map(|_| ())
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_no_effect_and_looks_like_the_servers_own() {
    let server = server();
    server.apply(link("a", "before")).expect("the link");
    for status in [403, 409, 429, 500, 503, 504] {
        let fault = Fault::status(StatusCode::from_u16(status).expect("a status"));
        server.inject(Rule::new(Matcher::any().verb(Verb::Patch), fault));
        assert_eq!(code(edit(&server, "after").await), status);
        assert_eq!(region(&server), "before");
        let record = server.log().0.pop().expect("a record");
        assert_eq!((record.code, record.effect, record.written), (Some(status), None, None));
    }
    edit(&server, "after").await.expect("each befalls one request");
    assert_eq!(region(&server), "after");
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_says_when_to_come_back() {
    let server = server();
    server.inject(Rule::new(Matcher::any(), Fault::too_many_requests(Duration::from_secs(7))));
    let request = Request::get("/api/v1/namespaces").body(Body::empty()).expect("a request");
    let answer = server.client().send(request).await.expect("an answer");
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "7");
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_was_done_and_what_is_dropped_was_not() {
    let cases = [
        (Fault::lost(), "after"),
        (Fault::dropped(), "before"),
        (Fault::hang_after(), "after"),
        (Fault::hang_before(), "before"),
        (Fault::status_after_effect(StatusCode::GATEWAY_TIMEOUT), "after"),
    ];
    for (fault, left) in cases {
        let server = server();
        server.apply(link("a", "before")).expect("the link");
        server.inject(Rule::new(Matcher::any().verb(Verb::Patch), fault.clone()));
        let answer = timeout(Duration::from_secs(60), edit(&server, "after")).await;
        assert!(!matches!(answer, Ok(Ok(()))), "{fault:?}");
        assert_eq!(region(&server), left, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_begins_at_the_nth_and_lasts_so_long() {
    let server = server();
    server.apply(link("a", "r")).expect("the link");
    let one = Matcher::any().client("operator").resource(LINKS).namespace("default").name("a").subresource("");
    let id = server.inject(Rule::new(one, Fault::status(StatusCode::INTERNAL_SERVER_ERROR)).nth(2).times(2));
    let api = links(server.client());
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(code(api.get("a").await));
        assert_eq!(code(links(server.client_as("other")).get("a").await), 0);
    }
    assert_eq!(codes, [0, 500, 500, 0]);
    server.lift(id);
    server.inject(Rule::new(Matcher::any().writes(), Fault::dropped()).always());
    assert!(edit(&server, "s").await.is_err() && edit(&server, "s").await.is_err());
    assert_eq!(code(api.get("a").await), 0);
    server.lift_all();
    edit(&server, "s").await.expect("nothing is left");
}

#[tokio::test(start_paused = true)]
async fn latency_and_slowness_take_simulated_time() {
    let clock = Clock::system();
    let (to, fro) = (Duration::from_millis(30), Duration::from_millis(20));
    let server = ApiServer::with(Options { latency_before: to, latency_after: fro, ..Options::new(clock) });
    server.inject(Rule::new(Matcher::any(), Fault::slow(Duration::from_secs(9))).nth(2));
    let start = Instant::now();
    let api = links(server.client());
    api.create(&PostParams::default(), &read(link("a", "r"))).await.expect("created");
    assert_eq!(start.elapsed(), Duration::from_millis(50));
    api.get("a").await.expect("there");
    assert_eq!(start.elapsed(), Duration::from_millis(9100));
}

#[tokio::test(start_paused = true)]
async fn a_hook_meets_every_request_twice_and_may_use_the_server() {
    let server = server();
    server.apply(link("a", "before")).expect("the link");
    let inner = server.clone();
    server.on_request(move |point| {
        // The world changes between the operator's decision and its write.
        if point.phase == Phase::BeforeEffect && point.request.verb == Verb::Update && point.nth == 2 {
            inner.patch(LINKS, "default", "a", json!({"metadata": {"labels": {"meanwhile": "1"}}})).expect("an edit");
        }
        assert_eq!(point.request.effect.is_some(), point.phase == Phase::AfterEffect);
        Decision::Proceed
    });
    let api = links(server.client());
    for refused in [0, 409] {
        let current = api.get("a").await.expect("the link");
        assert_eq!(code(api.replace("a", &PostParams::default(), &current).await), refused);
    }
    server.on_request_clear();
}
