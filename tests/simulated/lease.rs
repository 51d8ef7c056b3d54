//! Several operators and one Lease: who works, who waits, and when the one takes over from the other.

use super::{
    life::{RESYNC, begin, delete_both, end, get_ready},
    oracle,
    probes::page,
    world::*,
};
use atlas_privatelink_operator::{
    api::Origin,
    atlas::{
        dialect::Dialect,
        transport::{Transport, TransportError},
    },
    clock::Clock,
    lease::{Leadership, Moment, Settings, Timing, election::Loss},
    operator::{Error, Parts, operate_under},
    server::Phase,
    testbed::{
        kubernetes::{ApiServer, Fault, Matcher, RequestRecord, Rule, Verb, Version},
        simulator::{self, Operation},
    },
};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::json;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const LEASES: &str = "leases";
const LEASE: &str = "atlas-privatelink-operator";
const HOME: &str = "operators";
const DURATION: Duration = Duration::from_secs(15);
const DEADLINE: Duration = Duration::from_secs(10);
/// A take-over may last so much longer than the lease.
const MORE: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(60);

/// A life, in a world whose operators stand for election.
fn contested() -> World {
    let mut world = begin(Dialect::V2);
    world.kube.create_namespace(HOME).unwrap();
    let timing = Timing::of(DURATION);
    world.nature.election = Some(Settings { namespace: HOME.into(), name: LEASE.into(), timing });
    world
}

fn holder(world: &World) -> String {
    let lease = world.kube.get(LEASES, HOME, LEASE);
    lease.and_then(|lease| lease["spec"]["holderIdentity"].as_str().map(str::to_owned)).unwrap_or_default()
}

async fn until_leads(world: &World, operator: &Running) {
    world.until(SOON, "it leads", |world| holder(world) == operator.name).await;
    world.until(SOON, "it works", |_| operator.health.phase() == Phase::Leading).await;
}

/// A leader and a standby.
async fn pair(world: &mut World) -> (Running, Running) {
    let leader = world.start();
    until_leads(world, &leader).await;
    let standby = world.start();
    let waits = Phase::Standby(Some(leader.name.clone()));
    world.until(SOON, "the other stands by", |_| standby.health.phase() == waits).await;
    (leader, standby)
}

fn history(kube: &ApiServer) -> Vec<Version> {
    kube.history(LEASES, HOME, LEASE)
}

fn named(version: &Version) -> &str {
    version.object["spec"]["holderIdentity"].as_str().unwrap_or_default()
}

/// When the API server first had the Lease in this operator's name.
fn taken_by(world: &World, name: &str) -> Timestamp {
    history(&world.kube).iter().find(|version| named(version) == name).expect("it took the Lease").at
}

/// The last sign of life of this operator in the Lease.
fn last_of(world: &World, name: &str) -> Timestamp {
    history(&world.kube).iter().rfind(|version| named(version) == name).expect("it had the Lease").at
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().expect("in this order")
}

/// What an operator asked of Kubernetes that is not about the Lease.
fn besides_the_lease(world: &World, name: &str, since: Timestamp) -> Vec<Arc<RequestRecord>> {
    let all = world.kube.log().of(name).since(since);
    all.0.into_iter().filter(|record| record.resource != LEASES).collect()
}

/// The way to Atlas of one operator, with the times of its requests.
#[derive(Clone)]
struct Counted {
    inner: Arc<dyn Transport>,
    clock: Clock,
    sent: Arc<Mutex<Vec<Timestamp>>>,
}

impl Counted {
    fn new(world: &World) -> Self {
        Self { inner: world.atlas.transport(), clock: world.clock, sent: Arc::default() }
    }

    fn since(&self, since: Timestamp) -> usize {
        self.sent.lock().unwrap().iter().filter(|at| **at >= since).count()
    }
}

impl Transport for Counted {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        self.sent.lock().unwrap().push(self.clock.now());
        self.inner.send(request)
    }
}

async fn leads(operator: &Running) -> bool {
    let (_, text) = page(operator, "/metrics").await;
    match text.lines().find_map(|line| line.strip_prefix("atlas_privatelink_leader ")) {
        Some("1") => true,
        Some("0") => false,
        other => panic!("{other:?} in {text}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_standby_reads_the_lease_and_does_nothing_else() {
    let mut world = contested();
    let leader = world.start();
    until_leads(&world, &leader).await;
    let atlas = Counted::new(&world);
    let standby = world.start_over(Arc::new(atlas.clone()));
    world.until(SOON, "it stands by", |_| matches!(standby.health.phase(), Phase::Standby(Some(_)))).await;
    let since = world.clock.now();
    get_ready(&world).await;
    world.pass(RESYNC).await;
    assert_eq!(atlas.since(since), 0, "it asked Atlas");
    assert!(world.kube.log().of(&standby.name).since(since).0.iter().all(|record| record.verb == Verb::Get));
    let others = besides_the_lease(&world, &standby.name, since);
    assert!(others.is_empty(), "it did more than look at the Lease: {others:#?}");
    assert!(world.kube.open_watches().iter().all(|watch| watch.client == leader.name), "it watches");
    assert_eq!(page(&standby, "/readyz").await, (200, format!("ok: standby, the leader is {}\n", leader.name)));
    assert_eq!(page(&leader, "/readyz").await, (200, "ok: leader\n".to_owned()));
    for operator in [&leader, &standby] {
        assert_eq!(page(operator, "/healthz").await, (200, "ok\n".to_owned()));
    }
    assert!(leads(&leader).await && !leads(&standby).await);
    assert!(history(&world.kube).iter().all(|version| named(version) == leader.name));
    oracle::always(&world);
}

/// Killed at every tenth of a renewal period: what counts is the Lease's last renewal, and the take-over comes neither
/// sooner nor later than it may.
#[tokio::test(start_paused = true)]
async fn a_killed_leader_is_followed_within_the_lease_and_two_seconds() {
    for tenth in 0..10 {
        let mut world = contested();
        let (leader, standby) = pair(&mut world).await;
        world.pass(Duration::from_millis(4000 + 200 * tenth)).await;
        let (name, died) = (leader.name.clone(), world.clock.now());
        leader.kill().await;
        until_leads(&world, &standby).await;
        let taken = taken_by(&world, &standby.name);
        let (silent, took) = (between(last_of(&world, &name), taken), between(died, taken));
        assert!(silent >= DURATION, "it did not wait: {silent:?}");
        assert!(took <= DURATION + MORE, "{tenth}: it took {took:?} from the death, {silent:?} from the last renewal");
        get_ready(&world).await;
        oracle::created(&world, 1, 1);
        oracle::always(&world);
    }
}

/// Killed at any time of the first creation; the standby finishes it.
#[tokio::test(start_paused = true)]
async fn what_a_killed_leader_began_is_finished_and_not_made_again() {
    for step in 0..8 {
        let mut world = contested();
        let (leader, standby) = (world.start(), world.start());
        world.pass(Duration::from_millis(20 + 50 * step)).await;
        leader.kill().await;
        get_ready(&world).await;
        until_leads(&world, &standby).await;
        delete_both(&world);
        end(&world).await;
        oracle::created(&world, 1, 1);
        oracle::always(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_told_to_stop_leaves_the_lease_to_the_next() {
    let mut world = contested();
    let (leader, standby) = pair(&mut world).await;
    get_ready(&world).await;
    let name = leader.name.clone();
    leader.stop().await;
    let stopped = world.clock.now();
    assert_eq!(holder(&world), "", "it kept the Lease");
    assert_eq!(history(&world.kube).last().unwrap().by, name);
    until_leads(&world, &standby).await;
    let took = between(stopped, taken_by(&world, &standby.name));
    assert!(took <= MORE, "it waited for {took:?}");
    let others: Vec<_> = besides_the_lease(&world, &name, stopped);
    assert!(others.is_empty(), "it went on: {others:#?}");
    // One that only stands by has nothing to release.
    let third = world.start();
    world.until(SOON, "it stands by", |_| matches!(third.health.phase(), Phase::Standby(Some(_)))).await;
    third.stop().await;
    assert_eq!(holder(&world), standby.name);
    oracle::always(&world);
}

/// A creation is under way when it is told to stop: that is finished, and only then another may begin.
#[tokio::test(start_paused = true)]
async fn the_lease_is_released_after_the_last_write() {
    let mut world = contested();
    world.atlas.inject(simulator::Rule::once(Operation::CreateService, simulator::Fault::Slow { millis: 20_000 }));
    let (leader, standby) = pair(&mut world).await;
    world.until(SOON, "the request is sent", |world| world.calls(Operation::CreateService) == 1).await;
    let name = leader.name.clone();
    leader.stop().await;
    let log = world.kube.log().of(&name).writes();
    let last = log.0.iter().rfind(|record| record.resource != "events").expect("a write");
    assert_eq!((last.resource.as_str(), &last.body["spec"]["holderIdentity"]), (LEASES, &json!("")), "{last:#?}");
    assert_eq!(world.find_link(NAMESPACE, "orders").unwrap().status.unwrap().origin, Some(Origin::Created));
    until_leads(&world, &standby).await;
    get_ready(&world).await;
    oracle::created(&world, 1, 1);
    oracle::always(&world);
}

/// The API server is not to be reached by the leader, in each way, for the Lease alone or for everything.
#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_at_the_deadline() {
    for fault in [Fault::dropped(), Fault::hang_before(), Fault::status(http::StatusCode::SERVICE_UNAVAILABLE)] {
        for matcher in [Matcher::any(), Matcher::any().resource(LEASES)] {
            let mut world = contested();
            let atlas = Counted::new(&world);
            let leader = world.start_over(Arc::new(atlas.clone()));
            until_leads(&world, &leader).await;
            let standby = world.start();
            get_ready(&world).await;
            let name = leader.name.clone();
            world.kube.inject(Rule::new(matcher.clone().client(&name), fault.clone()).always());
            let loss = leader.end().await;
            let ended = world.clock.now();
            assert!(matches!(loss, Err(Error::LeadershipLost(Loss::Overdue))), "{loss:?}");
            let kept = between(last_of(&world, &name), ended);
            assert!(kept <= DEADLINE, "{fault:?}: it led for {kept:?} after its last renewal");
            assert!(kept > DEADLINE - MORE, "{fault:?}: it gave up after {kept:?}");
            world.pass(RESYNC).await;
            assert!(besides_the_lease(&world, &name, ended).is_empty() && atlas.since(ended) == 0, "it went on");
            until_leads(&world, &standby).await;
            let after = between(ended, taken_by(&world, &standby.name));
            assert!(after >= DURATION - DEADLINE - MORE, "{after:?} after the end of the other");
            oracle::always(&world);
        }
    }
}

/// Shorter troubles change nothing: answers lost after the effect or before it, and outages within the deadline.
#[tokio::test(start_paused = true)]
async fn a_renewal_without_an_answer_costs_nobody_the_lease() {
    for fault in [Fault::lost(), Fault::hang_after(), Fault::dropped(), Fault::hang_before()] {
        for times in [1, 2] {
            let mut world = contested();
            let (leader, standby) = pair(&mut world).await;
            let renewals = Matcher::any().client(&leader.name).resource(LEASES).verb(Verb::Patch);
            // A request that hangs takes half of the deadline: one of those, or two that fail at once.
            let hangs = [Fault::hang_after(), Fault::hang_before()].contains(&fault);
            world.kube.inject(Rule::new(renewals, fault.clone()).times(if hangs { 1 } else { times }));
            world.pass(RESYNC).await;
            assert_eq!(leader.health.phase(), Phase::Leading, "{fault:?}");
            assert_eq!(standby.health.phase(), Phase::Standby(Some(leader.name.clone())));
            assert!(history(&world.kube).iter().all(|version| named(version) == leader.name));
            oracle::always(&world);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_to_the_first_claim_is_found_out() {
    for verb in [Verb::Create, Verb::Patch] {
        let mut world = contested();
        if verb == Verb::Patch {
            let first = world.start();
            until_leads(&world, &first).await;
            first.stop().await;
        }
        let claims = Matcher::any().client("operator-2").resource(LEASES).verb(verb);
        world.kube.inject(Rule::new(claims, Fault::lost()));
        if verb == Verb::Create {
            drop(world.parts(world.atlas.transport()));
        }
        let operator = world.start();
        until_leads(&world, &operator).await;
        let took = between(history(&world.kube)[0].at, world.clock.now());
        assert!(took < DURATION, "it waited for itself: {took:?}");
        get_ready(&world).await;
        oracle::always(&world);
    }
}

/// Each writes its own time into the Lease, hours apart, and nobody believes it.
#[tokio::test(start_paused = true)]
async fn clocks_may_be_hours_apart() {
    for hours in [-5, 5] {
        let mut world = contested();
        let leader = world.start();
        until_leads(&world, &leader).await;
        let mut parts = world.parts(world.atlas.transport());
        parts.clock = Clock::starting_at(world.clock.now() + hours.hours());
        let standby = Running::of(parts);
        get_ready(&world).await;
        world.pass(RESYNC).await;
        assert!(history(&world.kube).iter().all(|version| named(version) == leader.name), "{hours} h");
        let name = leader.name.clone();
        leader.kill().await;
        until_leads(&world, &standby).await;
        let silent = between(last_of(&world, &name), taken_by(&world, &standby.name));
        assert!((DURATION..=DURATION + MORE).contains(&silent), "{hours} h: after {silent:?}");
        let lease = world.kube.get(LEASES, HOME, LEASE).unwrap();
        let written: Timestamp = lease["spec"]["renewTime"].as_str().unwrap().parse().unwrap();
        let off = written.duration_since(world.clock.now()) - SignedDuration::from_hours(hours);
        assert!(off.abs() < SignedDuration::from_mins(1), "it writes its own time: {written}");
        world.pass(RESYNC).await;
        assert_eq!(standby.health.phase(), Phase::Leading);
        oracle::always(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_is_made_anew_by_the_leader() {
    let mut world = contested();
    let (leader, standby) = pair(&mut world).await;
    get_ready(&world).await;
    for _ in 0..5 {
        world.pass(Duration::from_millis(7300)).await;
        world.kube.delete(LEASES, HOME, LEASE).unwrap();
        world.until(MORE, "it is there again", |world| holder(world) == leader.name).await;
    }
    world.pass(RESYNC).await;
    assert_eq!(leader.health.phase(), Phase::Leading);
    assert_eq!(standby.health.phase(), Phase::Standby(Some(leader.name.clone())));
    // Nobody makes it anew when its holder is gone: then the other does, once that one's time is over.
    leader.kill().await;
    world.kube.delete(LEASES, HOME, LEASE).unwrap();
    let deleted = world.clock.now();
    until_leads(&world, &standby).await;
    let took = between(deleted, taken_by(&world, &standby.name));
    assert!((DURATION..=DURATION + MORE).contains(&took), "after {took:?}");
    oracle::always(&world);
}

#[tokio::test(start_paused = true)]
async fn who_finds_another_in_the_lease_ends_at_once() {
    for usurper in ["somebody", ""] {
        let mut world = contested();
        let leader = world.start();
        until_leads(&world, &leader).await;
        get_ready(&world).await;
        world.kube.patch(LEASES, HOME, LEASE, json!({"spec": {"holderIdentity": usurper}})).unwrap();
        let usurped = world.clock.now();
        let loss = leader.end().await.unwrap_err();
        let expected = Loss::Taken(Some(usurper.to_owned()).filter(|usurper| !usurper.is_empty()));
        assert!(matches!(&loss, Error::LeadershipLost(loss) if *loss == expected), "{loss}");
        assert!(between(usurped, world.clock.now()) <= MORE);
        assert_eq!(history(&world.kube).last().unwrap().by, "user", "it wrote what was not its own");
        assert!(loss.to_string().starts_with("not the leader any more: "), "{loss}");
    }
}

/// An operator whose election is not heard any more, as one that goes on after it stood still: its controllers run, and
/// another has taken over. Whatever it was about to do, nothing leaves it after its term.
#[tokio::test(start_paused = true)]
async fn a_zombie_writes_nothing_after_its_term() {
    // In the middle of what it does at first, or long after.
    for millis in [20, 60, 100, 150, 250, 400, 600_000] {
        let mut world = contested();
        let (leadership, atlas) = (Leadership::default(), Counted::new(&world));
        let parts = Parts { election: None, ..world.parts(Arc::new(atlas.clone())) };
        let term = Duration::from_millis(millis);
        leadership.grant(Moment::now(), term);
        let over = world.clock.now() + SignedDuration::try_from(term).unwrap();
        let name = parts.holder.clone();
        let zombie = Running::with(parts, move |parts, health, stop| async move {
            operate_under(&leadership, parts, health, stop).await
        });
        world.pass(term).await;
        let successor = world.start();
        get_ready(&world).await;
        world.apply(with(link("other"), json!({"spec": {"region": "us-west-2"}})));
        world.until(RESYNC, "the other is Ready", |world| world.link_ready("other")).await;
        delete_both(&world);
        world.until(RESYNC, "they are gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
        assert!(!zombie.has_ended() && !successor.has_ended());
        // A request was handed over in time, and is on its way for 5 ms.
        let arrives = over + 6.milliseconds();
        let late = world.kube.log().of(&name).since(arrives).writes();
        assert!(late.is_empty(), "{term:?}: {late:#?}");
        assert_eq!(atlas.since(over), 0, "{term:?}: it asked Atlas");
        let woken = world.kube.open_watches().iter().filter(|watch| watch.client == name).count();
        assert_eq!(woken, 2, "it was not there to be tempted");
        let wrote = world.kube.log().of(&name).writes().0.into_iter().filter(|record| record.resource == LINKS).count();
        assert!(wrote > 0 || term < Duration::from_millis(200), "{term:?}: it never did anything");
        oracle::created(&world, 2, 1);
        oracle::always(&world);
    }
}

/// Whoever may not use the Lease will never work, and must not look as if another one did.
#[tokio::test(start_paused = true)]
async fn a_candidate_that_cannot_use_the_lease_is_not_ready() {
    let mut world = contested();
    let refused = Rule::new(Matcher::any().resource(LEASES), Fault::status(StatusCode::FORBIDDEN)).always();
    let rule = world.kube.inject(refused);
    let operator = world.start();
    let in_vain = |_: &World| matches!(operator.health.phase(), Phase::CannotLead(why) if why.contains(LEASE));
    world.until(3 * DURATION, "not ready", in_vain).await;
    let (status, why) = page(&operator, "/readyz").await;
    assert!(status == 503 && why.contains("operators/atlas-privatelink-operator"), "{status}: {why}");
    assert_eq!(page(&operator, "/healthz").await.0, 200, "no restart helps");
    world.kube.lift(rule);
    until_leads(&world, &operator).await;
}
