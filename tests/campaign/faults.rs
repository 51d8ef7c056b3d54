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
use tokio::time::Instant;

/// How long a fault lasts that doesn't go away by itself.
const LONG: Duration = Duration::from_secs(20 * 60);
/// How long after a fault all is as it would be without it, at most: a request without an answer is left to itself for two
/// minutes and a half, and the longest pause between tries is five and a half.
const RECOVERY: Duration = Duration::from_secs(8 * 60);
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

/// How a life without faults went, and how long both its halves took.
struct Faultless {
    course: Course,
    to_ready: Duration,
    to_end: Duration,
}

/// The same, and what it asks for before its middle and after that.
async fn faultless(way: Way) -> (Faultless, BTreeSet<Operation>, BTreeSet<Operation>) {
    let mut world = way.begin();
    let start = Instant::now();
    let operator = world.start();
    get_ready(&world).await;
    let to_ready = start.elapsed();
    world.pass(RESYNC).await;
    let (outcome, making, middle) = (oracle::outcome(&world), used(&world, 0), world.ledger().len());
    begin_to_delete(&world);
    let start = Instant::now();
    end(&world).await;
    let to_end = start.elapsed();
    operator.stop().await;
    (Faultless { course: Course::of(outcome, &world), to_ready, to_end }, making, used(&world, middle))
}

/// I4: what went wrong in a half of a life, and no longer does, makes it longer by no more than `RECOVERY`.
fn recovers(plan: &Disturbance, half: Half, healed: Instant, undisturbed: Duration) {
    let bound = match plan.times {
        Times::Once | Times::UntilHealed => RECOVERY,
        // What only a person can mend is tried again after one, two, four, five and five minutes.
        Times::Five => RECOVERY + Duration::from_secs(17 * 60),
    };
    let took = healed.elapsed();
    assert!(plan.half != half || took <= undisturbed + bound, "{took:?} after it, and {undisturbed:?} without it");
}

async fn life_with(plan: Disturbance, faultless: Arc<Faultless>) -> World {
    let mut world = match plan.uniqueness {
        Uniqueness::Guarded => plan.way.begin(),
        Uniqueness::Lenient => begin_in(Nature::lenient(plan.way.dialect())),
    };
    let operator = world.start();
    if plan.half == Half::Making {
        plan.strike(&world);
        plan.heal(&world).await;
    }
    let healed = Instant::now();
    get_ready(&world).await;
    recovers(&plan, Half::Making, healed, faultless.to_ready);
    world.atlas.clear_faults();
    oracle::created(&world, 1, 1);
    world.pass(RESYNC).await;
    assert_eq!(oracle::outcome(&world), faultless.course.middle);
    oracle::quiet_resync(&world).await;
    if plan.half == Half::Unmaking {
        plan.strike(&world);
    }
    begin_to_delete(&world);
    if plan.half == Half::Unmaking {
        plan.heal(&world).await;
    }
    let healed = Instant::now();
    end(&world).await;
    recovers(&plan, Half::Unmaking, healed, faultless.to_end);
    oracle::silence(&world).await;
    same_deeds(&world, &faultless.course);
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
    let (undisturbed, making, unmaking) = alone(|| faultless(way)).unwrap();
    let token = usize::from(way == Way::ServiceAccount);
    assert_eq!((making.len(), unmaking.len()), (4 + token, 3 + token), "calls of a life: {making:?} {unmaking:?}");
    let undisturbed = Arc::new(undisturbed);
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
