//! Clocks that are wrong: the operator is killed at every write to Atlas, and each of both operators takes another time for the
//! right one. The end is that of a life with right clocks: what is compared with Atlas' time is corrected by Atlas' `Date`.

use crate::{
    Group,
    harness::{
        alone::alone,
        course::Course,
        death::{self, Point, Write},
        life::{RESYNC, delete_both, end, get_ready},
        oracle,
        way::Way,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::clock::Clock;
use jiff::SignedDuration;
use std::{sync::Arc, time::Duration};

/// What an operator takes for the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Time {
    Right,
    HourLate,
    HourEarly,
    DayAhead,
    In1970,
}

impl Time {
    fn set(self, world: &mut World) {
        let now = world.clock.now();
        let shown = match self {
            Self::Right => now,
            Self::HourLate => now - SignedDuration::from_hours(1),
            Self::HourEarly => now + SignedDuration::from_hours(1),
            Self::DayAhead => now + SignedDuration::from_hours(25),
            Self::In1970 => jiff::Timestamp::UNIX_EPOCH,
        };
        world.operator_clock = Clock::starting_at(shown);
    }
}

/// The clock of the operator that dies, and that of the one that comes after it.
const CLOCKS: [(Time, Time); 6] = [
    (Time::Right, Time::HourLate),
    (Time::HourEarly, Time::Right),
    (Time::HourLate, Time::HourEarly),
    (Time::DayAhead, Time::HourLate),
    (Time::In1970, Time::Right),
    (Time::Right, Time::In1970),
];

#[derive(Clone)]
struct Crash {
    point: Point,
    clocks: (Time, Time),
    way: Way,
}

impl Crash {
    fn data(&self) -> Data {
        let Self { point, clocks: (first, second), way } = self;
        let scenario = if *way == Way::ServiceAccount { "service account" } else { "plain" };
        Data::new(Campaign::Clock, scenario, way.dialect())
            .struck(point)
            .meanwhile(format!("{first:?} then {second:?}"))
    }
}

async fn whole_life(world: &World) -> Course {
    get_ready(world).await;
    world.pass(RESYNC).await;
    let outcome = oracle::outcome(world);
    oracle::quiet_hour(world).await;
    delete_both(world);
    end(world).await;
    Course::of(outcome, world)
}

async fn record(way: Way) -> (Vec<Write>, Course) {
    let mut world = way.begin();
    let (operator, reaper) = death::start(&mut world, None);
    let course = whole_life(&world).await;
    operator.stop().await;
    (reaper.writes(), course)
}

async fn crash(plan: Crash, faultless: Arc<Course>) -> World {
    let mut world = plan.way.begin();
    plan.clocks.0.set(&mut world);
    let (operator, mut reaper) = death::start(&mut world, Some(plan.point.clone()));
    let mut afterwards = world.clone();
    let successor = async {
        reaper.kill(&world, operator).await;
        plan.clocks.1.set(&mut afterwards);
        afterwards.start()
    };
    let patience = Duration::from_secs(3 * 3600);
    let (course, operator) = tokio::join!(whole_life(&world), tokio::time::timeout(patience, successor));
    assert_eq!(course, *faultless);
    let operator = operator.unwrap_or_else(|_| panic!("the point was never reached"));
    world.pass(Duration::from_secs(60)).await;
    oracle::silence(&world).await;
    oracle::created(&world, 1, 1);
    oracle::nothing_left(&world);
    oracle::always(&world);
    oracle::no_storm(&world, 60);
    operator.stop().await;
    world
}

fn crashes(way: Way) -> Vec<Plan> {
    let (writes, faultless) = alone(|| record(way)).unwrap();
    let faultless = Arc::new(faultless);
    let mut plans = Vec::new();
    for point in death::points(&writes).into_iter().filter(|(write, _)| write.what.starts_with("Atlas")) {
        for clocks in CLOCKS {
            let one = Crash { point: point.clone(), clocks, way };
            plans.push(Plan::compared(one.data(), one, &faultless, crash));
        }
    }
    plans
}

pub const GROUPS: [Group; 3] = [|| crashes(Way::KeyInV2), || crashes(Way::KeyInV1), || crashes(Way::ServiceAccount)];
