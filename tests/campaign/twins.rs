//! Two operators on the same objects, with a Lease between them or without one; and at every write of the first one it is
//! killed, or stands still for two minutes and goes on with what it had in hand (a zombie), or cannot reach Atlas or the
//! API server for five, or loses its Lease to somebody who deletes it, or to a clock that is too fast. Nothing is made twice, nothing is left behind, and both fall silent.

use crate::{
    Group,
    harness::{
        alone::{alone, eventually},
        course::Course,
        death::{self, Moment, Point, Write},
        life::{RESYNC, begin_in, both_are_ready, by_lease, delete_both, end},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::{
    atlas::{
        dialect::Dialect,
        transport::{Transport, TransportError},
    },
    lease,
    testbed::kubernetes::{Decision, Fault, Matcher, Rule},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(3 * 3600);
const STANDSTILL: Duration = Duration::from_secs(120);
const PARTITION: Duration = Duration::from_secs(300);

/// What befalls the first operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Killed,
    /// It stands still, and what it was about to send goes out after that.
    Zombie,
    WithoutAtlas,
    WithoutKubernetes,
    /// Somebody deletes the Lease.
    WithoutLease,
    /// It stands still for less than its Lease lasts, while the other one's clock runs twice as fast: for that one the
    /// Lease is over.
    Outpaced,
}

impl Fate {
    const ALL: [Self; 6] =
        [Self::Killed, Self::Zombie, Self::WithoutAtlas, Self::WithoutKubernetes, Self::WithoutLease, Self::Outpaced];

    /// Whether there must be a Lease for it to befall anybody.
    fn concerns(self, between: Between) -> bool {
        between == Between::Lease || ![Self::WithoutLease, Self::Outpaced].contains(&self)
    }

    /// How long the first operator stands still.
    fn standstill(self) -> Duration {
        match self {
            Self::Zombie => STANDSTILL,
            Self::Outpaced => by_lease().timing.duration() * 3 / 4,
            Self::Killed | Self::WithoutAtlas | Self::WithoutKubernetes | Self::WithoutLease => Duration::ZERO,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    Nothing,
    Lease,
}

#[derive(Clone)]
struct Pair {
    point: Point,
    fate: Fate,
    between: Between,
    dialect: Dialect,
}

impl Pair {
    fn data(&self) -> Data {
        let Self { point, fate, between, dialect } = self;
        Data::new(Campaign::Twins, &format!("{between:?} between"), *dialect)
            .struck(point)
            .meanwhile(format!("{fate:?}"))
    }
}

fn prepared(between: Between, dialect: Dialect) -> World {
    let election = match between {
        Between::Nothing => None,
        Between::Lease => Some(by_lease()),
    };
    begin_in(Nature { election, ..Nature::of(dialect) })
}

async fn whole_life(world: &World) -> Course {
    eventually(world, PATIENCE, "both Ready", both_are_ready).await;
    world.pass(RESYNC).await;
    let outcome = oracle::outcome(world);
    delete_both(world);
    eventually(world, PATIENCE, "both gone", World::is_empty).await;
    end(world).await;
    Course::of(outcome, world)
}

/// The writes of an operator that is alone, and how its life went.
async fn record(between: Between, dialect: Dialect) -> (Vec<Write>, Course) {
    let mut world = prepared(between, dialect);
    let (operator, reaper) = death::start(&mut world, None);
    let course = whole_life(&world).await;
    operator.stop().await;
    (reaper.writes(), course)
}

/// A way to Atlas that can be shut for a while.
#[derive(Clone)]
struct Gate {
    inner: Arc<dyn Transport>,
    shut: Arc<Mutex<Shut>>,
}

#[derive(Clone, Copy)]
enum Shut {
    No,
    /// What comes waits until then.
    Until(Instant),
    /// What comes is lost until then.
    LosesUntil(Instant),
}

impl Transport for Gate {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<Response<Bytes>, TransportError>> {
        let (inner, shut) = (self.inner.clone(), *self.shut.lock().unwrap());
        Box::pin(async move {
            match shut {
                Shut::Until(then) => tokio::time::sleep_until(then).await,
                Shut::LosesUntil(then) if Instant::now() < then => return std::future::pending().await,
                Shut::No | Shut::LosesUntil(_) => {}
            }
            inner.send(request).await
        })
    }
}

/// Every request of the operator to the API server waits until then.
fn stand_still(world: &World, name: &str, until: Instant) {
    let name = name.to_owned();
    world.kube.on_request(move |point| {
        let left = until.saturating_duration_since(Instant::now());
        let its_own = point.request.client == name && !left.is_zero();
        if its_own { Decision::Delay(left) } else { Decision::Proceed }
    });
}

/// The first operator meets its fate; gives it back if it lives.
async fn befall(world: &World, operator: Running, fate: Fate, between: Between, gate: &Gate) -> Option<Running> {
    let now = Instant::now();
    match fate {
        Fate::Killed => {
            operator.kill().await;
            world.kube.on_request_clear();
            return None;
        }
        Fate::Zombie | Fate::Outpaced => {
            let end = now + fate.standstill();
            *gate.shut.lock().unwrap() = Shut::Until(end);
            stand_still(world, &operator.name, end);
            world.pass(fate.standstill()).await;
        }
        Fate::WithoutLease => world.kube.delete("leases", NAMESPACE, "operator").unwrap(),
        Fate::WithoutAtlas => {
            *gate.shut.lock().unwrap() = Shut::LosesUntil(now + PARTITION);
            world.pass(PARTITION).await;
        }
        Fate::WithoutKubernetes => {
            let rule = Rule::new(Matcher::any().client(&operator.name), Fault::dropped()).always();
            let rule = world.kube.inject(rule);
            world.pass(PARTITION).await;
            let leads = between == Between::Lease && !operator.has_ended();
            assert!(!leads, "it cannot renew its Lease, and goes on");
            world.kube.lift(rule);
        }
    }
    Some(operator)
}

/// Both to their ends. But the point is never reached where the other operator is quicker, and then nobody waits for it
/// beyond the life.
async fn beside_each_other<T>(
    life: impl Future<Output = T>,
    fate: impl Future<Output = Option<Running>>,
) -> (T, Option<Running>) {
    tokio::pin!(life, fate);
    tokio::select! {
        outcome = &mut life => {
            let late = tokio::time::timeout(PARTITION + STANDSTILL, fate).await;
            (outcome, late.ok().flatten())
        }
        first = &mut fate => (life.await, first),
    }
}

/// To whose clock everything lasts half as long, if that is the first one's fate.
fn start_second(world: &mut World, fate: Fate) -> Running {
    if fate != Fate::Outpaced {
        return world.start();
    }
    let timing = lease::Timing::of(by_lease().timing.duration() / 2);
    let ordinary = world.nature.election.replace(lease::Settings { timing, ..by_lease() });
    let second = world.start();
    world.nature.election = ordinary;
    second
}

async fn run(plan: Pair, faultless: Arc<Course>) -> World {
    let mut world = prepared(plan.between, plan.dialect);
    let gate = Gate { inner: world.atlas.transport(), shut: Arc::new(Mutex::new(Shut::No)) };
    let point = plan.point.clone();
    let (first, mut reaper) = death::start_met_over(&mut world, point, plan.fate.standstill(), Arc::new(gate.clone()));
    // The first one gets the Lease, and most often the work.
    world.pass(Duration::from_millis(100)).await;
    let second = start_second(&mut world, plan.fate);
    let fated = async {
        reaper.arrives().await;
        befall(&world, first, plan.fate, plan.between, &gate).await
    };
    let (course, first) = beside_each_other(whole_life(&world), fated).await;
    assert_eq!(course, *faultless);
    if !reaper.has_arrived() {
        // Without a Lease the other one may be quicker.
        assert_eq!(plan.between, Between::Nothing, "the point was never reached");
        world.is_spared();
    }
    world.pass(Duration::from_secs(60)).await;
    // Whoever has lost the Lease has ended.
    if let Some(first) = first.filter(|first| !first.has_ended()) {
        first.kill().await;
    }
    second.kill().await;
    let heir = world.start();
    world.pass(RESYNC).await;
    oracle::silence(&world).await;
    oracle::nothing_left(&world);
    oracle::created(&world, 1, 1);
    oracle::always(&world);
    oracle::no_storm(&world, 120);
    heir.kill().await;
    world
}

fn pairs(between: Between, dialect: Dialect) -> Vec<Plan> {
    let (writes, faultless) = alone(|| record(between, dialect)).unwrap();
    let faultless = Arc::new(faultless);
    let mut plans = Vec::new();
    let moments = [Moment::BeforeEffect, Moment::AfterEffect];
    for point in death::points(&writes).into_iter().filter(|(_, moment)| moments.contains(moment)) {
        for fate in Fate::ALL.into_iter().filter(|fate| fate.concerns(between)) {
            let one = Pair { point: point.clone(), fate, between, dialect };
            plans.push(Plan::compared(one.data(), one, &faultless, run));
        }
    }
    plans
}

pub const GROUPS: [Group; 3] = [
    || pairs(Between::Nothing, Dialect::V2),
    || pairs(Between::Lease, Dialect::V2),
    || pairs(Between::Lease, Dialect::V1),
];
