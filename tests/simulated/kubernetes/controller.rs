//! A real kube Controller against the server.

use std::{sync::Arc, time::Duration};

use atlas_privatelink_operator::testbed::kubernetes::{
    ApiServer, Decision, Fault, Matcher, Phase, Rule, Verb, View, WatchFault,
};
use futures::StreamExt;
use http::StatusCode;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    runtime::{
        Controller,
        controller::Action,
        events::{Event, EventType, Recorder},
        watcher,
    },
};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{LINKS, kind, link, links, minutes, server};

/// Copies the generation to the status, on the version it saw, and nothing else.
async fn reconcile(link: Arc<DynamicObject>, client: Arc<Client>) -> Result<Action, kube::Error> {
    let generation = link.metadata.generation;
    if link.data["status"]["observedGeneration"].as_i64() != generation {
        let api: Api<DynamicObject> = links(Client::clone(&client));
        let patch = json!({
            "metadata": {"resourceVersion": link.resource_version()},
            "status": {"observedGeneration": generation},
        });
        let (name, params, patch) = (link.name_any(), PatchParams::default(), Patch::Merge(patch));
        let patched = tokio::time::timeout(Duration::from_secs(30), api.patch_status(&name, &params, &patch)).await;
        patched.map_err(|late| kube::Error::Service(late.into()))??;
    }
    Ok(Action::requeue(Duration::from_secs(300)))
}

fn operator(server: &ApiServer) -> JoinHandle<()> {
    let client = server.client();
    let controller = Controller::new_with(links(client.clone()), watcher::Config::default(), kind());
    let retry = |_: Arc<DynamicObject>, _: &kube::Error, _: Arc<Client>| Action::requeue(Duration::from_secs(5));
    tokio::spawn(controller.run(reconcile, retry, Arc::new(client)).for_each(|_| async {}))
}

fn is_settled(server: &ApiServer, name: &str) -> bool {
    let link = server.get(LINKS, "default", name).expect("the link");
    link["status"]["observedGeneration"] == link["metadata"]["generation"]
}

#[tokio::test(start_paused = true)]
async fn an_hour_with_every_fault_ends_where_an_hour_without_does() {
    let server = server();
    let operator = operator(&server);
    let status = || Matcher::any().subresource("status");
    server.inject(Rule::new(Matcher::any().verb(Verb::List), Fault::status(StatusCode::SERVICE_UNAVAILABLE)).times(3));
    server.inject(Rule::new(status(), Fault::status(StatusCode::CONFLICT)));
    server.inject(Rule::new(status(), Fault::too_many_requests(Duration::from_secs(1))).nth(2));
    server.inject(Rule::new(status(), Fault::lost()).nth(3));
    server.inject(Rule::new(status(), Fault::dropped()).nth(4));
    server.inject(Rule::new(status(), Fault::hang_after()).nth(5));
    server.inject(Rule::new(status(), Fault::slow(Duration::from_secs(10))).nth(6));
    let ends = [WatchFault::Close, WatchFault::Sever, WatchFault::Expire, WatchFault::Silence];
    for (round, end) in ends.into_iter().cycle().take(12).enumerate() {
        minutes(3).await;
        server.apply(link("a", &format!("region-{round}"))).expect("an edit");
        minutes(2).await;
        server.disturb_watches(&Matcher::any().resource(LINKS), end);
    }
    minutes(10).await;
    assert!(is_settled(&server, "a"));
    let link = server.get(LINKS, "default", "a").expect("the link");
    assert_eq!(link["metadata"]["generation"], 12);
    let quiet = server.log().len();
    minutes(30).await;
    let late = server.log().0.split_off(quiet);
    assert!(late.iter().all(|request| !request.verb.writes()), "{late:?}");
    operator.abort();
}

#[tokio::test(start_paused = true)]
async fn an_operator_can_be_killed_at_a_write() {
    for (phase, written) in [(Phase::BeforeEffect, false), (Phase::AfterEffect, true)] {
        let server = server();
        let (reached, mut points) = mpsc::unbounded_channel();
        server.on_request(move |point| {
            let here = point.phase == phase && point.request.subresource == "status" && point.nth == 1;
            if !here {
                return Decision::Proceed;
            }
            reached.send(point.request.order).expect("the test waits");
            Decision::Hang
        });
        server.apply(link("a", "r")).expect("the link");
        let first = operator(&server);
        let order = points.recv().await.expect("a write");
        first.abort();
        assert!(first.await.is_err_and(|end| end.is_cancelled()));
        assert_eq!(is_settled(&server, "a"), written);
        let record = server.log().matching(|request| request.order == order).0.remove(0);
        assert_eq!((record.code, record.written.is_some()), (None, written));
        assert!(server.open_watches().is_empty(), "a dead operator watches nothing");

        let second = operator(&server);
        minutes(1).await;
        assert!(is_settled(&server, "a"));
        second.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_with_a_stale_view_conflicts_until_it_is_released() {
    let server = server();
    server.apply(link("a", "r")).expect("the link");
    let operator = operator(&server);
    minutes(1).await;
    assert!(is_settled(&server, "a"));
    server.freeze(View::of("operator").resource(LINKS));
    server.apply(link("a", "s")).expect("an edit");
    minutes(20).await;
    assert!(!is_settled(&server, "a"), "it cannot know");
    server.release("operator");
    minutes(1).await;
    assert!(is_settled(&server, "a"));
    operator.abort();

    // Time travel: a new process is shown a past in which there is work to do, and its write is refused.
    let created = server.history(LINKS, "default", "a")[0].revision;
    server.freeze(View::of("operator").at(created));
    let before = server.revision();
    let operator = self::operator(&server);
    minutes(1).await;
    operator.abort();
    assert_eq!(server.revision(), before);
    let refused = server.log().matching(|request| request.subresource == "status" && request.code == Some(409));
    assert!(!refused.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_recorder_makes_one_event_of_two() {
    let server = server();
    server.apply(link("a", "r")).expect("the link");
    let client = server.client();
    let link = links(client.clone()).get("a").await.expect("the link");
    let recorder = Recorder::new(client, "operator".into());
    let event =
        Event { type_: EventType::Normal, reason: "Tried".into(), note: None, action: "Try".into(), secondary: None };
    for _ in 0..2 {
        recorder.publish(&event, &link.object_ref(&kind())).await.expect("published");
    }
    let events = server.list("events");
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["series"]["count"], 2);
    let log = server.log();
    assert_eq!((log.count(Verb::Create, "events"), log.count(Verb::Patch, "events")), (1, 1));
    assert_eq!((log.writes().len(), log.essential_writes().len()), (2, 0));
}
