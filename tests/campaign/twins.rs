//! Two operators on the same objects, with a Lease between them or without one; and at every write of the first one it is
//! killed, or stands still for two minutes and goes on with what it had in hand (a zombie), or cannot reach Atlas or the
//! API server for five, or loses its Lease to somebody who deletes it, or to a clock that is too fast. Nothing is made twice, nothing is left behind, and both fall silent.

use crate::{
    Group,
    harness::{
        alone::{alone, eventually},
        course::Course,
        death::{self, Moment, Point, Write},
        life::{PATIENCE, RESYNC, both_are_ready, by_lease, delete_both, end},
        moving::{First, HandOver, Move, When},
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
    story::Story,
};
use atlas_privatelink_operator::{
    atlas::{
        dialect::Dialect,
        transport::{Transport, TransportError},
    },
    lease,
    testbed::{
        kubernetes::{Decision, Fault, Matcher, Rule},
        simulator::Provider,
    },
};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

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

/// The life that both are there for.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    story: Story,
    between: Between,
    dialect: Dialect,
}

#[derive(Clone)]
struct Pair {
    scenario: Scenario,
    point: Point,
    fate: Fate,
}

impl Pair {
    fn data(&self) -> Data {
        let Scenario { story, between, dialect } = self.scenario;
        let story = if story == PLAIN { String::new() } else { story.name() + ", " };
        Data::new(Campaign::Twins, &format!("{story}{between:?} between"), dialect)
            .struck(&self.point)
            .meanwhile(format!("{:?}", self.fate))
    }
}

const PLAIN: Story = Story::Plain(Provider::Aws);

impl Scenario {
    async fn begin(self) -> World {
        let mut world = self.story.begin(self.dialect).await;
        world.nature.election = match self.between {
            Between::Nothing => None,
            Between::Lease => Some(by_lease()),
        };
        world
    }

    async fn goes_on(self, world: &World) -> Course {
        // Two that do not know of each other look at Atlas twice as often as is quiet.
        if self.story == PLAIN { whole_life(world).await } else { self.story.goes_on(world).await }
    }
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
async fn record(scenario: Scenario) -> (Vec<Write>, Course) {
    let mut world = scenario.begin().await;
    let (operator, reaper) = death::start(&mut world, None);
    let course = scenario.goes_on(&world).await;
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
    let Scenario { story, between, .. } = plan.scenario;
    let mut world = plan.scenario.begin().await;
    let gate = Gate { inner: world.atlas.transport(), shut: Arc::new(Mutex::new(Shut::No)) };
    let point = plan.point.clone();
    let (first, mut reaper) = death::start_met_over(&mut world, point, plan.fate.standstill(), Arc::new(gate.clone()));
    // The first one gets the Lease, and most often the work.
    world.pass(Duration::from_millis(100)).await;
    let second = start_second(&mut world, plan.fate);
    let fated = async {
        reaper.arrives().await;
        befall(&world, first, plan.fate, between, &gate).await
    };
    let (course, first) = beside_each_other(plan.scenario.goes_on(&world), fated).await;
    assert_eq!(course, *faultless);
    if !reaper.has_arrived() {
        // Without a Lease the other one may be quicker.
        assert_eq!(between, Between::Nothing, "the point was never reached");
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
    story.ends(&world);
    oracle::no_storm(&world, 120);
    heir.kill().await;
    world
}

fn pairs(scenario: Scenario, fates: &[Fate]) -> Vec<Plan> {
    let (writes, faultless) = alone(|| record(scenario)).unwrap();
    let faultless = Arc::new(faultless);
    let mut plans = Vec::new();
    let moments = [Moment::BeforeEffect, Moment::AfterEffect];
    for point in death::points(&writes).into_iter().filter(|(_, moment)| moments.contains(moment)) {
        for fate in fates.iter().filter(|fate| fate.concerns(scenario.between)) {
            let one = Pair { scenario, point: point.clone(), fate: *fate };
            plans.push(Plan::compared(one.data(), one, &faultless, run));
        }
    }
    plans
}

/// What stands in Atlas goes from one object to another while two operators take themselves for the one that has the Lease.
fn hand_over(when: When, first: First) -> Vec<Plan> {
    let story = Story::HandsOver(HandOver { change: Move::Rename, when, first });
    pairs(Scenario { story, between: Between::Lease, dialect: Dialect::V2 }, &[Fate::Zombie])
}

fn plain(between: Between, dialect: Dialect) -> Vec<Plan> {
    pairs(Scenario { story: PLAIN, between, dialect }, &Fate::ALL)
}

pub const GROUPS: [Group; 5] = [
    || plain(Between::Nothing, Dialect::V2),
    || plain(Between::Lease, Dialect::V2),
    || plain(Between::Lease, Dialect::V1),
    || hand_over(When::Soon, First::Link),
    || hand_over(When::Ready, First::Endpoint),
];
