//! Every fault of the simulated Atlas at every call of a life: whatever goes wrong, once, for a while or for long, the
//! end is that of a life without faults.

use crate::{
    Group,
    harness::{
        alone::alone,
        course::{Course, same_deeds},
        life::{RESYNC, begin_in, delete_both, end, get_ready},
        oracle,
        way::Way,
        world::*,
    },
    plan::{Campaign, Data, Plan},
};
use atlas_privatelink_operator::testbed::simulator::{Change, Fault, Operation, Rule};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How long a fault lasts that doesn't go away by itself.
const LONG: Duration = Duration::from_secs(20 * 60);
/// No fault makes the operator ask more often than this in a minute.
const MOST_IN_A_MINUTE: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Times {
    Once,
    Five,
    UntilHealed,
}

/// What a fault meets: the way to Ready, or the deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Making,
    Unmaking,
}

/// Beneath the credential the ways are the same; a part is enough to see that.
fn times(way: Way, operation: Operation) -> &'static [Times] {
    match way {
        Way::ServiceAccount if operation != Operation::Token => [Times::Five].as_slice(),
        Way::KeyInV2 | Way::KeyInV1 | Way::ServiceAccount => [Times::Once, Times::Five, Times::UntilHealed].as_slice(),
    }
}

/// Whether Atlas refuses to make what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Uniqueness {
    Guarded,
    /// It would make a second service of a region.
    Lenient,
}

#[derive(Clone)]
struct Disturbance {
    half: Half,
    operation: Operation,
    fault: Fault,
    times: Times,
    way: Way,
    uniqueness: Uniqueness,
}

impl Disturbance {
    fn data(&self) -> Data {
        let Self { half, operation, fault, times, way, uniqueness } = self;
        let scenario = match (way, uniqueness) {
            (_, Uniqueness::Lenient) => "lenient",
            (Way::ServiceAccount, Uniqueness::Guarded) => "service account",
            (Way::KeyInV2 | Way::KeyInV1, Uniqueness::Guarded) => "plain",
        };
        Data::new(Campaign::Atlas, scenario, way.dialect())
            .at(format!("{half:?} {operation:?}"))
            .fault(format!("{} {times:?}", fault.name()))
    }

    fn strike(&self, world: &World) {
        let rule = Rule::always(self.operation, self.fault.clone());
        world.atlas.inject(match self.times {
            Times::Once => rule.times(1),
            Times::Five => rule.times(5),
            Times::UntilHealed => rule,
        });
    }

    async fn heal(&self, world: &World) {
        if self.times == Times::UntilHealed {
            world.pass(LONG).await;
            world.atlas.clear_faults();
        }
    }

    /// A nonce in use that has run out is no refusal. (None is in use before the first LIST, nor where a token is asked for.)
    fn only_renews_a_nonce(&self) -> bool {
        let cold = [Operation::ListServices, Operation::Token];
        (&self.fault, self.times) == (&Fault::StaleNonce, Times::Once) && !cold.contains(&self.operation)
    }

    fn was_met(&self, world: &World) -> bool {
        let met = |request: &atlas_privatelink_operator::testbed::simulator::Request| {
            request.operation == Some(self.operation) && request.fault == Some(self.fault.name())
        };
        world.ledger().requests().any(met)
    }
}

/// Both are deleted; a service account's token ends just then, for deletions to need one.
fn begin_to_delete(world: &World) {
    world.change(Change::RevokeTokens);
    delete_both(world);
}

/// The operations that were asked for since the ledger had so many lines.
fn used(world: &World, since: usize) -> BTreeSet<Operation> {
    let ledger = world.ledger();
    let requests = ledger.iter().skip(since).filter_map(|entry| entry.request());
    requests.filter(|request| !request.challenged).filter_map(|request| request.operation).collect()
}

/// How a life without faults went, and what it asks for before its middle and after that.
async fn faultless(way: Way) -> (Course, BTreeSet<Operation>, BTreeSet<Operation>) {
    let mut world = way.begin();
    let operator = world.start();
    get_ready(&world).await;
    world.pass(RESYNC).await;
    let (outcome, making, middle) = (oracle::outcome(&world), used(&world, 0), world.ledger().len());
    begin_to_delete(&world);
    end(&world).await;
    operator.stop().await;
    (Course::of(outcome, &world), making, used(&world, middle))
}

async fn life_with(plan: Disturbance, faultless: Arc<Course>) -> World {
    let mut world = match plan.uniqueness {
        Uniqueness::Guarded => plan.way.begin(),
        Uniqueness::Lenient => begin_in(Nature::lenient(plan.way.dialect())),
    };
    let operator = world.start();
    if plan.half == Half::Making {
        plan.strike(&world);
        plan.heal(&world).await;
    }
    get_ready(&world).await;
    world.atlas.clear_faults();
    oracle::created(&world, 1, 1);
    world.pass(RESYNC).await;
    assert_eq!(oracle::outcome(&world), faultless.middle);
    oracle::quiet_resync(&world).await;
    if plan.half == Half::Unmaking {
        plan.strike(&world);
    }
    begin_to_delete(&world);
    if plan.half == Half::Unmaking {
        plan.heal(&world).await;
    }
    end(&world).await;
    oracle::silence(&world).await;
    same_deeds(&world, &faultless);
    oracle::always(&world);
    oracle::no_storm(&world, MOST_IN_A_MINUTE);
    assert!(plan.was_met(&world), "the fault was never met");
    if plan.only_renews_a_nonce() {
        oracle::never_said(&world, "CredentialsRefused");
    }
    assert!(!operator.has_ended(), "the operator has died");
    world
}

fn faults(way: Way) -> Vec<Plan> {
    let (course, making, unmaking) = alone(|| faultless(way)).unwrap();
    let token = usize::from(way == Way::ServiceAccount);
    assert_eq!((making.len(), unmaking.len()), (4 + token, 3 + token), "calls of a life: {making:?} {unmaking:?}");
    let undisturbed = Arc::new(course);
    let mut plans = Vec::new();
    for (half, operations) in [(Half::Making, making), (Half::Unmaking, unmaking)] {
        for operation in operations {
            for fault in Fault::all() {
                for times in times(way, operation) {
                    let uniqueness = Uniqueness::Guarded;
                    let one = Disturbance { half, operation, fault: fault.clone(), times: *times, way, uniqueness };
                    plans.push(Plan::compared(one.data(), one.clone(), &undisturbed, life_with));
                    if half == Half::Making && way != Way::ServiceAccount && *times != Times::Five {
                        let one = Disturbance { uniqueness: Uniqueness::Lenient, ..one };
                        plans.push(Plan::compared(one.data(), one, &undisturbed, life_with));
                    }
                }
            }
        }
    }
    plans
}

pub const GROUPS: [Group; 3] = [|| faults(Way::KeyInV2), || faults(Way::KeyInV1), || faults(Way::ServiceAccount)];
