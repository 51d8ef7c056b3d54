//! Two processes and one Lease on a real API server: the leader is killed, stopped, told to end, and robbed of its Lease.

use super::world::*;
use atlas_privatelink_operator::testbed::simulator::{Fault, Operation, Rule};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;

const NAME: &str = "atlas-privatelink-operator";
/// The lease is not shortened: a busy machine must not take it from a leader that lives.
const LEASE: &str = "15s";
/// The lease, and 2 s.
const IN_TIME: SignedDuration = SignedDuration::from_secs(17);
/// Generous, for what has to wait for the expiry; whether it came in time is told by the Lease's own times.
const TAKEN_OVER: Duration = Duration::from_secs(120);

fn path(world: &World) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/{NAME}", world.namespace)
}

async fn lease(world: &World) -> Option<Value> {
    world.send(Method::GET, &path(world), JSON, &Value::Null).await.ok()
}

async fn holder(world: &World) -> String {
    lease(world).await.and_then(|lease| lease["spec"]["holderIdentity"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// When the API server last took a write of the Lease, in whole seconds.
fn written(lease: &Value) -> Timestamp {
    let entries = lease["metadata"]["managedFields"].as_array().expect("the owners of its fields");
    entries.iter().filter_map(|entry| entry["time"].as_str()?.parse().ok()).max().expect("a time")
}

fn candidate(world: &World) -> Operator {
    let more = ["--leader-election", "--leader-election-namespace", &world.namespace];
    world.start_with(&[&world.namespace], &[&more[..], &["--leader-election-lease-duration", LEASE]].concat())
}

async fn is_at(operator: &Operator, what: &str) -> bool {
    let (status, body) = operator.page("/readyz").await;
    status == 200 && body.starts_with(what)
}

async fn until_leads(operator: &Operator) {
    until(TAKEN_OVER, "it leads", async || is_at(operator, "ok: leader").await).await;
    let (_, metrics) = operator.page("/metrics").await;
    assert!(metrics.contains("atlas_privatelink_leader 1\n"), "{metrics}");
}

/// A leader at work, and a standby that is ready.
async fn pair(world: &World) -> (Operator, Operator) {
    world.credentials().await;
    world.apply(&link_of("first", &project(0))).await;
    let leader = candidate(world);
    until_leads(&leader).await;
    world.until_ready(LINKS, "first").await;
    let standby = candidate(world);
    let who = holder(world).await;
    until(SOON, "the other stands by", async || is_at(&standby, &format!("ok: standby, the leader is {who}\n")).await)
        .await;
    assert_eq!(standby.page("/healthz").await.0, 200);
    (leader, standby)
}

fn created_once(world: &World, count: usize) {
    let creates: Vec<_> = world.ledger().creates().values().copied().collect();
    assert_eq!(creates, vec![1; count], "services were made");
    assert!(world.ledger().service_deletes().is_empty());
}

/// Does it all again, up to three times, until a take-over is in time. A busy machine holds up the one or the other; an
/// operator that takes too long takes too long every time.
async fn in_time(attempt: impl AsyncFn() -> SignedDuration) {
    let mut took = Vec::new();
    while took.len() < 3 {
        let this = attempt().await;
        took.push(this);
        if this <= IN_TIME {
            return;
        }
    }
    panic!("no take-over within {IN_TIME:#}: {took:?}");
}

/// Waits until another than `former` holds the Lease, and gives how long nobody gave a sign of life.
async fn taken_over(world: &World, former: &str) -> SignedDuration {
    let mut last = lease(world).await.expect("the Lease");
    let mut taken = None;
    until(TAKEN_OVER, "another holds the Lease", async || {
        let Some(now) = lease(world).await else { return false };
        if now["spec"]["holderIdentity"] == former {
            last = now;
            return false;
        }
        taken = Some(now);
        true
    })
    .await;
    let taken = taken.expect("it was taken");
    let time = |lease: &Value| lease["spec"]["renewTime"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    let (from, to) = (time(&last).expect("a time"), time(&taken).expect("a time"));
    println!(
        "taken over {:.1} after the last sign of life (API server's own seconds: {:.0}), a lease of {LEASE}, a debug build",
        to.duration_since(from),
        written(&taken).duration_since(written(&last)),
    );
    assert!(to.duration_since(from).as_secs() >= 14, "it did not wait: {last:#} {taken:#}");
    to.duration_since(from)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_leader_is_followed() {
    in_time(kill_a_leader).await;
}

async fn kill_a_leader() -> SignedDuration {
    let world = World::new(Nature::default()).await;
    let (leader, standby) = pair(&world).await;
    let former = holder(&world).await;
    // It dies in the middle of a creation.
    world.atlas.inject(Rule::once(Operation::CreateService, Fault::Slow { millis: 1500 }));
    world.apply(&link_of("second", &project(1))).await;
    world.until(SOON, "the request is sent", async |world: &World| world.calls(Operation::CreateService) == 2).await;
    leader.kill().await;
    world.apply(&link_of("third", &project(2))).await;
    let took = taken_over(&world, &former).await;
    until_leads(&standby).await;
    for name in ["first", "second", "third"] {
        world
            .until(TAKEN_OVER, name, async |world: &World| {
                world.get(LINKS, name).await.is_some_and(|link| is_ready(&link))
            })
            .await;
    }
    created_once(&world, 3);
    world.always().await;
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_ends_without_another_word() {
    in_time(wake_a_zombie).await;
}

/// The leader stands still with a creation on its way, another takes over, and it goes on.
async fn wake_a_zombie() -> SignedDuration {
    let world = World::new(Nature::default()).await;
    let (mut zombie, standby) = pair(&world).await;
    let former = holder(&world).await;
    world.atlas.inject(Rule::once(Operation::CreateService, Fault::Slow { millis: 1500 }));
    world.apply(&link_of("second", &project(1))).await;
    world.until(SOON, "the request is sent", async |world: &World| world.calls(Operation::CreateService) == 2).await;
    zombie.signal("-STOP");
    let before = zombie.log().len();
    // What it will find to do when it goes on.
    world.apply(&link_of("third", &project(2))).await;
    let took = taken_over(&world, &former).await;
    until_leads(&standby).await;
    for name in ["first", "second", "third"] {
        world
            .until(TAKEN_OVER, name, async |world: &World| {
                world.get(LINKS, name).await.is_some_and(|link| is_ready(&link))
            })
            .await;
    }
    world.apply(&link_of("fourth", &project(3))).await;
    zombie.signal("-CONT");
    until(SOON, "it ends", async || zombie.has_ended()).await;
    assert!(!zombie.ended().expect("it has ended").success());
    let log = zombie.log();
    let after = &log[before..];
    assert!(sent_calls(&log[..before]).contains(&"list_services".to_owned()), "its calls are not in its log:\n{log}");
    assert!(after.contains("not the leader any more: "), "it does not say why:\n{after}");
    let asked = sent_calls(after);
    // The answer of the one that was under way may still come in.
    assert!(asked.is_empty() || asked == ["create_service"], "it asked Atlas: {asked:?}\n{after}");
    world.until_ready(LINKS, "fourth").await;
    assert_ne!(holder(&world).await, former);
    created_once(&world, 4);
    world.always().await;
    took
}

/// The calls of Atlas that a log tells of, however they ended. What was withheld from the transport made no request.
fn sent_calls(log: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let sent = lines.filter(|line| line["message"] == "called Atlas" && line["requests"] != 0);
    sent.map(|line| line["operation"].as_str().expect("a word").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_lease_changes_no_leader_and_sigterm_does_at_once() {
    let world = World::new(Nature::default()).await;
    let (leader, standby) = pair(&world).await;
    let former = holder(&world).await;
    let uid = lease(&world).await.expect("the Lease")["metadata"]["uid"].clone();
    world.send(Method::DELETE, &path(&world), JSON, &Value::Null).await.expect("deleted");
    until(SOON, "it is made anew", async || lease(&world).await.is_some_and(|lease| lease["metadata"]["uid"] != uid))
        .await;
    assert_eq!(holder(&world).await, former);
    assert!(is_at(&leader, "ok: leader").await && is_at(&standby, "ok: standby").await);

    let status = leader.terminate().await;
    assert!(status.success(), "{status}");
    let released = lease(&world).await.expect("the Lease");
    let spec = &released["spec"];
    assert!(spec["holderIdentity"] == "" || spec["leaseTransitions"] == 1, "it kept the Lease: {released:#}");
    until_leads(&standby).await;
    let taken = lease(&world).await.expect("the Lease");
    assert_eq!(taken["spec"]["leaseTransitions"], json!(1));
    println!(
        "taken over {:.0} after the release, by the API server's seconds",
        written(&taken).duration_since(written(&released))
    );
    world.apply(&link_of("second", &project(1))).await;
    world.until_ready(LINKS, "second").await;
    created_once(&world, 2);
    world.always().await;
}
