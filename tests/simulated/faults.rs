//! Every fault of the simulated Atlas at every call of a life: whatever goes wrong, once, for a while or for long, the
//! end is that of a life without faults.

use super::{
    life::{RESYNC, begin_with, delete_both, end, get_ready},
    matrix, oracle,
    world::*,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Change, Fault, Operation, Rule},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

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

/// How Atlas is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    KeyInV2,
    KeyInV1,
    ServiceAccount,
}

impl Way {
    const ALL: [Self; 3] = [Self::KeyInV2, Self::KeyInV1, Self::ServiceAccount];

    fn begin(self) -> World {
        match self {
            Self::KeyInV2 => begin_with(Dialect::V2, &KEY),
            Self::KeyInV1 => begin_with(Dialect::V1, &KEY),
            Self::ServiceAccount => begin_with(Dialect::V2, &ACCOUNT),
        }
    }

    /// The calls of one half of a life.
    fn calls(self, half: Half) -> BTreeSet<Operation> {
        let calls = CALLS.into_iter().filter(|(when, _)| *when == half).map(|(_, operation)| operation);
        calls.filter(|operation| self == Self::ServiceAccount || *operation != Operation::Token).collect()
    }

    /// Beneath dialect and credential the ways are the same; a part is enough to see that.
    fn times(self, operation: Operation, fault: &Fault) -> &'static [Times] {
        let all = [Times::Once, Times::Five, Times::UntilHealed].as_slice();
        match self {
            Self::KeyInV2 => all,
            Self::KeyInV1 if fault.takes_effect() => [Times::Once, Times::UntilHealed].as_slice(),
            Self::ServiceAccount if operation == Operation::Token => all,
            Self::KeyInV1 | Self::ServiceAccount => [Times::Five].as_slice(),
        }
    }
}

/// Every call of a life, by its half; that these are all is a test's business.
const CALLS: [(Half, Operation); 9] = [
    (Half::Making, Operation::Token),
    (Half::Making, Operation::ListServices),
    (Half::Making, Operation::CreateService),
    (Half::Making, Operation::GetEndpoint),
    (Half::Making, Operation::AddEndpoint),
    (Half::Unmaking, Operation::Token),
    (Half::Unmaking, Operation::ListServices),
    (Half::Unmaking, Operation::DeleteEndpoint),
    (Half::Unmaking, Operation::DeleteService),
];

struct Plan {
    half: Half,
    operation: Operation,
    fault: Fault,
    times: Times,
    way: Way,
}

impl Plan {
    fn name(&self) -> String {
        let Self { half, operation, fault, times, way } = self;
        format!("{half:?}/{operation:?}/{}/{times:?}/{way:?}", fault.name())
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

/// How a life without faults looks in its middle, and what it asks for before and after that.
async fn faultless(way: Way) -> (Value, BTreeSet<Operation>, BTreeSet<Operation>) {
    let mut world = way.begin();
    let operator = world.start();
    get_ready(&world).await;
    world.pass(RESYNC).await;
    let (outcome, making, middle) = (oracle::outcome(&world), used(&world, 0), world.ledger().len());
    begin_to_delete(&world);
    end(&world).await;
    operator.stop().await;
    (outcome, making, used(&world, middle))
}

async fn life_with(plan: Plan, faultless: &Value) {
    let mut world = plan.way.begin();
    let operator = world.start();
    if plan.half == Half::Making {
        plan.strike(&world);
        plan.heal(&world).await;
    }
    get_ready(&world).await;
    world.atlas.clear_faults();
    oracle::created(&world, 1, 1);
    world.pass(RESYNC).await;
    assert_eq!(oracle::outcome(&world), *faultless);
    oracle::quiet_hour(&world).await;
    if plan.half == Half::Unmaking {
        plan.strike(&world);
    }
    begin_to_delete(&world);
    if plan.half == Half::Unmaking {
        plan.heal(&world).await;
    }
    end(&world).await;
    oracle::silence(&world).await;
    oracle::created(&world, 1, 1);
    oracle::always(&world);
    oracle::no_storm(&world, MOST_IN_A_MINUTE);
    assert!(plan.was_met(&world), "the fault was never met");
    assert!(!operator.has_ended(), "the operator has died");
}

fn plans(half: Half, operation: Operation, way: Way) -> Vec<Plan> {
    let of = |fault: Fault| {
        let times = way.times(operation, &fault).iter();
        times.map(move |times| Plan { half, operation, fault: fault.clone(), times: *times, way })
    };
    Fault::all().into_iter().flat_map(of).collect()
}

fn faults_at(half: Half, operation: Operation) {
    assert!(CALLS.contains(&(half, operation)), "a call of which the others know nothing");
    for way in Way::ALL.into_iter().filter(|way| way.calls(half).contains(&operation)) {
        let (outcome, ..) = matrix::alone(|| faultless(way)).unwrap();
        matrix::run(plans(half, operation, way), Plan::name, |plan| life_with(plan, &outcome));
    }
}

#[test]
fn every_call_of_a_life_is_met_by_faults() {
    for way in Way::ALL {
        let (_, making, unmaking) = matrix::alone(|| faultless(way)).unwrap();
        assert_eq!(making, way.calls(Half::Making), "{way:?}, the way to Ready");
        assert_eq!(unmaking, way.calls(Half::Unmaking), "{way:?}, the deletion");
    }
}

/// The words that serde knows for a fault are those of its variants, all of them.
#[test]
fn every_fault_there_is_has_its_plans() {
    let refused = serde_json::from_value::<Fault>(json!({"name": "?"})).unwrap_err().to_string();
    let (_, words) = refused.split_once("expected one of").unwrap();
    let words: BTreeSet<_> = words.split('`').skip(1).step_by(2).collect();
    let all = Fault::all();
    assert_eq!(words, all.iter().map(Fault::name).collect());
    for (half, operation) in CALLS {
        let plans = Way::ALL.into_iter().flat_map(|way| plans(half, operation, way));
        let planned: BTreeSet<_> = plans.map(|plan| plan.fault.name()).collect();
        assert_eq!(planned, words, "{half:?} {operation:?}");
    }
}

/// One test for every call, for them to run side by side.
macro_rules! faults_at {
    ($($name:ident: $half:ident $operation:ident,)*) => {
        $(
            #[test]
            fn $name() {
                faults_at(Half::$half, Operation::$operation);
            }
        )*

        #[test]
        fn every_call_has_its_test() {
            let tested = [$((Half::$half, Operation::$operation)),*];
            assert!(CALLS.iter().all(|call| tested.contains(call)), "{tested:?}");
        }
    };
}

faults_at! {
    faults_at_token: Making Token,
    faults_at_list_services: Making ListServices,
    faults_at_create_service: Making CreateService,
    faults_at_get_endpoint: Making GetEndpoint,
    faults_at_add_endpoint: Making AddEndpoint,
    faults_at_token_in_a_deletion: Unmaking Token,
    faults_at_list_services_in_a_deletion: Unmaking ListServices,
    faults_at_delete_endpoint: Unmaking DeleteEndpoint,
    faults_at_delete_service: Unmaking DeleteService,
}

/// Five links and an endpoint of one project want to write at once, and every write takes ten seconds.
#[tokio::test(start_paused = true)]
async fn writes_of_a_project_wait_for_each_other() {
    let mut world = begin_with(Dialect::V2, &KEY);
    for region in ["us-east-2", "us-west-1", "us-west-2", "sa-east-1"] {
        world.apply(with(link(region), json!({"spec": {"region": region}})));
    }
    for operation in [Operation::CreateService, Operation::DeleteService, Operation::AddEndpoint] {
        world.atlas.inject(Rule::always(operation, Fault::Slow { millis: 10_000 }));
    }
    let _operator = world.start();
    get_ready(&world).await;
    world.pass(RESYNC).await;
    oracle::created(&world, 5, 1);
    delete_both(&world);
    for region in ["us-east-2", "us-west-1", "us-west-2", "sa-east-1"] {
        world.kube.delete(LINKS, NAMESPACE, region).unwrap();
    }
    end(&world).await;
    oracle::always(&world);
}
