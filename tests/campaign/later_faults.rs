//! A single fault at a call that is not the first of its kind, and in lives that take other turns than that of
//! [`super::faults`]: a service fails once, an endpoint is rejected once, an id changes, the cloud is another. The end is
//! that of the same life without a fault.

use crate::{
    Group,
    harness::{
        alone::{alone, eventually, says_ready},
        course::Course,
        hands::{NEW, change_id, fails, is_at},
        life::{RESYNC, begin_in_cloud, begin_with, delete_all},
        looks::gone,
        oracle,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Change, Fault, Operation, Provider, Rule, Standing},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const PATIENCE: Duration = Duration::from_secs(45 * 60);
/// No fault makes the operator ask more often than this in a minute.
const MOST_IN_A_MINUTE: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Plain,
    ServiceFails,
    EndpointIsRejected,
    IdChanges,
    /// A link alone, as is the next; v2 only.
    Azure,
    Gcp,
}

impl Life {
    fn begin(self, dialect: Dialect) -> World {
        match self {
            Self::Azure => return begin_in_cloud(dialect, Provider::Azure),
            Self::Gcp => return begin_in_cloud(dialect, Provider::Gcp),
            Self::Plain | Self::ServiceFails | Self::EndpointIsRejected | Self::IdChanges => {}
        }
        let world = begin_with(dialect, &KEY);
        if self == Self::ServiceFails {
            fails(&world, 1);
        }
        if self == Self::EndpointIsRejected {
            world.change(Change::DeclareEndpoint { endpoint: VPCE.to_owned(), standing: Standing::RejectedTimes(1) });
        }
        world
    }

    fn is_well(self, world: &World) -> bool {
        let alone = [Self::Azure, Self::Gcp].contains(&self);
        says_ready(world, LINKS, "orders") && (alone || says_ready(world, ENDPOINTS, "orders-a"))
    }

    /// From the first call to the last.
    async fn goes_on(self, world: &World) -> Course {
        eventually(world, PATIENCE, "all Ready", |world| self.is_well(world)).await;
        if self == Self::IdChanges {
            change_id(world, NEW);
            eventually(world, PATIENCE, "replaced", |world| is_at(world, NEW)).await;
        }
        world.pass(RESYNC).await;
        let outcome = oracle::outcome(world);
        oracle::quiet_hour(world).await;
        delete_all(world);
        gone(world).await;
        Course::of(outcome, world)
    }
}

/// What a life without a fault was like.
struct Faultless {
    course: Course,
    /// How often each operation was asked for.
    calls: BTreeMap<Operation, u32>,
}

impl Faultless {
    async fn of(life: Life, dialect: Dialect) -> Self {
        let mut world = life.begin(dialect);
        let operator = world.start();
        let course = life.goes_on(&world).await;
        operator.stop().await;
        let ledger = world.ledger();
        let mut calls = BTreeMap::new();
        for operation in ledger.requests().filter_map(|request| request.operation) {
            *calls.entry(operation).or_default() += 1;
        }
        Self { course, calls }
    }

    /// Which calls of an operation meet a fault: every write, and of the reads the second, the middle and the last. Those
    /// that [`super::faults`] has are left out.
    fn places(&self, life: Life, operation: Operation) -> Vec<u32> {
        let all = self.calls[&operation];
        let mut places: Vec<_> = if operation.is_write() { (1..=all).collect() } else { vec![2, all / 2, all] };
        places.dedup();
        places.retain(|place| (1..=all).contains(place) && !(life == Life::Plain && *place == 1));
        places
    }
}

#[derive(Clone)]
struct Disturbance {
    life: Life,
    dialect: Dialect,
    operation: Operation,
    place: u32,
    fault: Fault,
}

impl Disturbance {
    fn data(&self) -> Data {
        let Self { life, dialect, operation, place, fault } = self;
        let provider = match life {
            Life::Azure => Provider::Azure,
            Life::Gcp => Provider::Gcp,
            Life::Plain | Life::ServiceFails | Life::EndpointIsRejected | Life::IdChanges => Provider::Aws,
        };
        Data::new(Campaign::Atlas, &format!("{life:?}"), *dialect)
            .of(provider)
            .at(format!("{operation:?} {place}"))
            .fault(fault.name())
    }
}

/// A kind of each: nobody knows whether it was done, it was not done, it is too early, something broke, it was done and
/// cannot be read.
fn faults(dialect: Dialect) -> Vec<Fault> {
    let others =
        [Fault::RefusedBefore, Fault::ThrottledSeconds { seconds: 7 }, Fault::UnexpectedError, Fault::TruncatedJson];
    let lost = std::iter::once(Fault::AnswerLost);
    match dialect {
        Dialect::V2 => lost.chain(others).collect(),
        // What is lost doesn't tell its region when it is found again; beneath that the dialects are the same.
        Dialect::V1 => lost.collect(),
    }
}

async fn run(plan: Disturbance, faultless: Arc<Faultless>) -> World {
    let mut world = plan.life.begin(plan.dialect);
    world.atlas.inject(Rule::once(plan.operation, plan.fault.clone()).after(plan.place - 1));
    let operator = world.start();
    let course = plan.life.goes_on(&world).await;
    let met = world.ledger().requests().filter(|request| request.fault.is_some()).count();
    assert_eq!(met, 1, "calls that met the fault");
    assert_eq!(course, faultless.course);
    oracle::silence(&world).await;
    oracle::always(&world);
    oracle::no_storm(&world, MOST_IN_A_MINUTE);
    assert!(!operator.has_ended(), "the operator has died");
    world
}

fn faults_in(life: Life, dialect: Dialect) -> Vec<Plan> {
    let faultless = Arc::new(alone(|| Faultless::of(life, dialect)).unwrap());
    let mut plans = Vec::new();
    for operation in faultless.calls.keys().copied().filter(|call| dialect == Dialect::V2 || call.is_write()) {
        for place in faultless.places(life, operation) {
            for fault in faults(dialect) {
                let one = Disturbance { life, dialect, operation, place, fault };
                plans.push(Plan::compared(one.data(), one, &faultless, run));
            }
        }
    }
    plans
}

pub const GROUPS: [Group; 9] = [
    || faults_in(Life::Plain, Dialect::V2),
    || faults_in(Life::ServiceFails, Dialect::V2),
    || faults_in(Life::ServiceFails, Dialect::V1),
    || faults_in(Life::EndpointIsRejected, Dialect::V2),
    || faults_in(Life::EndpointIsRejected, Dialect::V1),
    || faults_in(Life::IdChanges, Dialect::V2),
    || faults_in(Life::IdChanges, Dialect::V1),
    || faults_in(Life::Azure, Dialect::V2),
    || faults_in(Life::Gcp, Dialect::V2),
];
