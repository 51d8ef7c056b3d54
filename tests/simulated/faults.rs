//! Every fault of the simulated Atlas at every call of a life: whatever goes wrong, once, for a while or for long, the
//! end is that of a life without faults.

use super::{
    life::{RESYNC, begin, delete_both, end, first_half, get_ready},
    matrix, oracle,
    world::*,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Fault, Operation, Rule},
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

struct Plan {
    operation: Operation,
    fault: Fault,
    times: Times,
    dialect: Dialect,
}

impl Plan {
    fn name(&self) -> String {
        format!("{:?}/{}/{:?}/{}", self.operation, self.fault.name(), self.times, self.dialect)
    }

    /// Whether it is met on the way to the end of a life, rather than to its middle.
    fn is_late(&self) -> bool {
        [Operation::DeleteEndpoint, Operation::DeleteService].contains(&self.operation)
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
}

fn plans(operation: Operation, dialect: Dialect) -> Vec<Plan> {
    let of = |fault: Fault| {
        let all = match dialect {
            Dialect::V2 => [Times::Once, Times::Five, Times::UntilHealed].as_slice(),
            // Beneath the dialect the ways are the same; half is enough to see that.
            Dialect::V1 if fault.takes_effect() => [Times::Once, Times::UntilHealed].as_slice(),
            Dialect::V1 => [Times::Five].as_slice(),
        };
        all.iter().map(move |times| Plan { operation, fault: fault.clone(), times: *times, dialect })
    };
    Fault::all().into_iter().flat_map(of).collect()
}

/// How a life without faults looks in its middle; and that it makes no call that the matrix leaves out.
async fn faultless(dialect: Dialect) -> Value {
    let (world, operator) = first_half(dialect).await;
    let outcome = oracle::outcome(&world);
    delete_both(&world);
    end(&world).await;
    let used: BTreeSet<_> = world.ledger().requests().filter_map(|request| request.operation).collect();
    assert_eq!(used, CALLS.into_iter().collect(), "the calls of a life");
    operator.stop().await;
    outcome
}

/// The calls of a life.
const CALLS: [Operation; 6] = [
    Operation::ListServices,
    Operation::CreateService,
    Operation::DeleteService,
    Operation::GetEndpoint,
    Operation::AddEndpoint,
    Operation::DeleteEndpoint,
];

async fn life_with(plan: Plan, faultless: &Value) {
    let mut world = begin(plan.dialect);
    let operator = world.start();
    if !plan.is_late() {
        plan.strike(&world);
        plan.heal(&world).await;
    }
    get_ready(&world).await;
    world.atlas.clear_faults();
    oracle::created(&world, 1, 1);
    world.pass(RESYNC).await;
    assert_eq!(oracle::outcome(&world), *faultless);
    oracle::quiet_hour(&world).await;
    if plan.is_late() {
        plan.strike(&world);
    }
    delete_both(&world);
    if plan.is_late() {
        plan.heal(&world).await;
    }
    end(&world).await;
    oracle::silence(&world).await;
    oracle::created(&world, 1, 1);
    oracle::always(&world);
    oracle::no_storm(&world, MOST_IN_A_MINUTE);
    let met = world.ledger().requests().any(|request| request.fault == Some(plan.fault.name()))
        || world.ledger().iter().filter_map(|entry| entry.request()).any(|request| request.fault.is_some());
    assert!(met, "the fault was never met");
    assert!(!operator.has_ended(), "the operator has died");
}

fn faults_at(operation: Operation) {
    for dialect in [Dialect::V2, Dialect::V1] {
        let faultless = matrix::alone(|| faultless(dialect)).unwrap();
        matrix::run(plans(operation, dialect), Plan::name, |plan| life_with(plan, &faultless));
    }
}

#[test]
fn faults_at_list_services() {
    faults_at(Operation::ListServices);
}

#[test]
fn faults_at_create_service() {
    faults_at(Operation::CreateService);
}

#[test]
fn faults_at_delete_service() {
    faults_at(Operation::DeleteService);
}

#[test]
fn faults_at_get_endpoint() {
    faults_at(Operation::GetEndpoint);
}

#[test]
fn faults_at_add_endpoint() {
    faults_at(Operation::AddEndpoint);
}

#[test]
fn faults_at_delete_endpoint() {
    faults_at(Operation::DeleteEndpoint);
}

/// Five links and an endpoint of one project want to write at once, and every write takes ten seconds.
#[tokio::test(start_paused = true)]
async fn writes_of_a_project_wait_for_each_other() {
    let mut world = begin(Dialect::V2);
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
