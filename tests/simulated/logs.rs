//! The log: one line for each transition, with what is needed to find the object, and none for a poll.

use super::{capture::*, hands, life, looks::*, world::*};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::{
        kubernetes::Change as Deed,
        simulator::{Change, EndpointState, ServiceState, Standing},
    },
};
use serde_json::{Value, json};
use tracing::Level;

/// What somebody who reads the log at its usual level sees of objects.
fn lines(capture: &Capture) -> Vec<Line> {
    let mut lines = capture.lines();
    lines.retain(|line| line.is_ours() && line.level <= Level::INFO && line.field("kind").is_some());
    lines
}

/// What must be told: of which kind and object, and in which words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Transition {
    kind: String,
    name: String,
    /// The event, or else the reason that the conditions have from now on.
    what: String,
    words: String,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What the events tell, each as often as it was told.
fn told_by_events(world: &World) -> Vec<Transition> {
    let mut all = Vec::new();
    for event in world.kube.list("events") {
        let (kind, name) = (text(&event["regarding"]["kind"]), text(&event["regarding"]["name"]));
        let one = Transition { kind, name, what: text(&event["reason"]), words: text(&event["note"]) };
        let times = event["series"]["count"].as_u64().unwrap_or(1);
        all.extend((0..times).map(|_| one.clone()));
    }
    all
}

/// The reasons that say what was done just before, and no more than that.
const DOING: [&str; 5] = ["Attaching", "Creating", "PendingAcceptance", "Replacing", "Retrying"];
/// The events that tell what was done.
const DEEDS: [&str; 3] = ["Created", "Detached", "Retried"];

/// The changes of conditions that no event tells.
fn told_by_conditions(world: &World, events: &[Transition]) -> Vec<Transition> {
    let mut all = Vec::new();
    for ((_, name), versions) in super::past::objects(world) {
        let mut before = (Value::Null, Value::Null, Value::Null);
        for version in versions.iter().filter(|version| version.change != Deed::Deleted) {
            let conditions = &version.object["status"]["conditions"];
            let ready = &conditions[0];
            let now = (ready["status"].clone(), ready["reason"].clone(), conditions[1]["type"].clone());
            if std::mem::replace(&mut before, now.clone()) == now || ready.is_null() {
                continue;
            }
            let (kind, what, words) = (text(&version.object["kind"]), text(&ready["reason"]), text(&ready["message"]));
            let same = |event: &Transition| event.name == name && event.kind == kind && event.words == words;
            if !events.iter().any(same) {
                all.push(Transition { kind, name: name.clone(), what, words });
            }
        }
    }
    all
}

/// Every transition has one line, with all that is needed to find the object, and nothing else has one.
fn tells_each_transition_once(world: &World, capture: &Capture) {
    let mut lines = lines(capture);
    for line in &lines {
        let found = ["namespace", "project", "region"].map(|name| line.field(name).unwrap_or_default());
        assert_eq!(found, [NAMESPACE, PROJECT, "us-east-1"], "{line:#?}");
        assert_eq!(line.level, Level::INFO, "{line:#?}");
    }
    let mut take = |wanted: &Transition, field: &str| {
        let at = lines.iter().position(|line| {
            let is = |name: &str, value: &str| line.field(name) == Some(value);
            is("kind", &wanted.kind)
                && is("object", &wanted.name)
                && is(field, &wanted.what)
                && is("message", &wanted.words)
        });
        at.map(|at| lines.remove(at))
    };
    let events = told_by_events(world);
    let mut deeds: Vec<&Transition> = Vec::new();
    for event in &events {
        assert!(take(event, "event").is_some(), "no line, or one too few, of {event:?}");
        if DEEDS.contains(&event.what.as_str()) {
            deeds.push(event);
        }
    }
    for change in told_by_conditions(world, &events) {
        if take(&change, "reason").is_some() {
            continue;
        }
        // What is being done is told where it is done.
        let deed = deeds.iter().position(|deed| deed.name == change.name && deed.kind == change.kind);
        let deed = deed.filter(|_| DOING.contains(&change.what.as_str()));
        let deed = deed.unwrap_or_else(|| panic!("no line of {change:?}"));
        deeds.remove(deed);
    }
    assert!(lines.is_empty(), "these tell of no transition: {lines:#?}");
}

/// Watches a world from its start.
fn watched(dialect: Dialect) -> (World, Running, Capture) {
    let mut world = World::new(Nature::of(dialect));
    let capture = Capture::everything();
    let operator = world.start();
    (world, operator, capture)
}

fn apply_both(world: &World) {
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
}

async fn whole_life(dialect: Dialect) {
    let (world, _operator, capture) = watched(dialect);
    world.pass(MINUTE).await;
    capture.refresh();
    // In an order in which everything is known of an object when it is first told of.
    world.apply(link("orders"));
    world.pass(MINUTE).await;
    world.apply(endpoint("orders-a", "orders", VPCE));
    world.pass(MINUTE).await;
    world.credentials();
    both_ready(&world).await;
    world.pass(life::RESYNC).await;
    let before = capture.lines().len();
    world.pass(HOUR).await;
    let hour = capture.lines().split_off(before);
    assert!(!hour.is_empty(), "the finest level shows that something was looked at");
    let telling: Vec<_> = hour.iter().filter(|line| line.level <= Level::INFO).collect();
    assert!(telling.is_empty(), "a quiet hour is told of: {telling:#?}");
    drift(&world).await;
    replaced(&world).await;
    inherited(&world).await;
    for (plural, name) in [(ENDPOINTS, "orders-b"), (LINKS, "orders-new")] {
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    gone_without_trace(&world).await;
    tells_each_transition_once(&world, &capture);
    let told: Vec<_> = told_by_events(&world).into_iter().map(|event| event.what).collect();
    for event in ["Created", "Ready", "EndpointGone", "Detached", "Adopted", "HandedOver", "Deleted"] {
        assert!(told.iter().any(|told| told == event), "{event} did not happen");
    }
}

/// Somebody removes the endpoint, and it is added again.
async fn drift(world: &World) {
    somebody_has_detached(world, &only_service(world), VPCE);
    world.pass(life::RESYNC).await;
    both_ready(world).await;
}

async fn replaced(world: &World) {
    hands::change_id(world, hands::NEW);
    world.until(10 * MINUTE, "replaced", |world| hands::is_at(world, hands::NEW)).await;
    world.pass(life::RESYNC).await;
}

/// Both are taken over by objects of other names.
async fn inherited(world: &World) {
    world.apply(link("orders-new"));
    world.apply(endpoint("orders-b", "orders-new", hands::NEW));
    world
        .until(10 * MINUTE, "shared", |world| world.link_ready("orders-new") && world.endpoint_ready("orders-b"))
        .await;
    for (plural, name) in life::BOTH {
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    world.until(10 * MINUTE, "handed over", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
}

#[tokio::test(start_paused = true)]
async fn each_transition_of_the_whole_life_is_told_once() {
    whole_life(Dialect::V2).await;
}

#[tokio::test(start_paused = true)]
async fn each_transition_of_the_whole_life_is_told_once_in_v1() {
    whole_life(Dialect::V1).await;
}

#[tokio::test(start_paused = true)]
async fn each_try_and_each_refusal_is_told_once() {
    for dialect in [Dialect::V2, Dialect::V1] {
        let (world, _operator, capture) = watched(dialect);
        world.pass(MINUTE).await;
        capture.refresh();
        world.credentials();
        hands::fails(&world, 2);
        hands::declare(&world, VPCE, Standing::RejectedTimes(2));
        world.apply(link("orders"));
        world.pass(MINUTE).await;
        world.apply(endpoint("orders-a", "orders", VPCE));
        both_ready(&world).await;
        world.change(Change::Rotate { name: PUBLIC.into(), secret: "rotated".into() });
        world.pass(2 * HOUR).await;
        world.secret(NAMESPACE, "atlas-credentials", &[("publicKey", PUBLIC), ("privateKey", "rotated")]);
        both_ready(&world).await;
        tells_each_transition_once(&world, &capture);
        let told: Vec<_> = told_by_events(&world).into_iter().map(|event| event.what).collect();
        for event in ["Retried", "CredentialsRefused"] {
            assert!(told.iter().any(|told| told == event), "{event} did not happen");
        }
    }
}

/// The states of Atlas that are polled through change, and that alone is told of.
#[tokio::test(start_paused = true)]
async fn a_poll_that_shows_nothing_new_is_not_told() {
    let (world, _operator, capture) = watched(Dialect::V2);
    world.pass(MINUTE).await;
    capture.refresh();
    world.credentials();
    apply_both(&world);
    both_ready(&world).await;
    let (project, service) = (PROJECT.to_owned(), only_service(&world));
    let state = ServiceState::Initiating;
    world.change(Change::SetServiceState { project: project.clone(), service: service.clone(), state, error: None });
    let (state, endpoint) = (EndpointState::Pending, VPCE.to_owned());
    world.change(Change::SetEndpointState { project, service, endpoint, state, error: None });
    world.pass(20 * MINUTE).await;
    let before = lines(&capture).len();
    world.pass(HOUR).await;
    let after = lines(&capture);
    assert_eq!(after.len(), before, "polls are told of: {:#?}", &after[before..]);
    assert_eq!(says(&world, LINKS, "orders").1, "Creating", "and it is polled");
    let annotations = json!({"metadata": {"labels": {"team": "payments"}}});
    world.kube.patch(LINKS, NAMESPACE, "orders", annotations).unwrap();
    world.pass(MINUTE).await;
    assert_eq!(lines(&capture).len(), before, "an edit that changes nothing is told of");
}
