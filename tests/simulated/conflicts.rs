//! A 409 with a code that nobody knows means "not yet", and so does a 404 to a write: the operator tries again with growing pauses, says so, and calls
//! for a person after an hour, without ceasing to try. A conflict that is known to pass is waited for without an end.

use super::{alone::eventually, looks::*, oracle, world::*};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Fault, Operation, Rule},
};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// The object whose write is refused, in a world in which it is about to be.
async fn refused(
    operation: Operation,
    dialect: Dialect,
    fault: Fault,
) -> (World, Running, (&'static str, &'static str)) {
    let (link_of_it, endpoint_of_it) = ((LINKS, "orders"), (ENDPOINTS, "orders-a"));
    let (world, operator, object) = match operation {
        Operation::CreateService => {
            let mut world = World::new(Nature::of(dialect));
            let operator = world.start();
            world.credentials();
            (world, operator, link_of_it)
        }
        Operation::AddEndpoint => {
            let (world, operator) = ready_link(Nature::of(dialect)).await;
            (world, operator, endpoint_of_it)
        }
        Operation::DeleteService => {
            let (world, operator) = ready_link(Nature::of(dialect)).await;
            (world, operator, link_of_it)
        }
        Operation::DeleteEndpoint => {
            let (world, operator) = ready_pair(Nature::of(dialect)).await;
            (world, operator, endpoint_of_it)
        }
        other => panic!("{other:?} is no write"),
    };
    world.atlas.inject(Rule::always(operation, fault));
    match operation {
        Operation::CreateService => world.apply(link("orders")),
        Operation::AddEndpoint => world.apply(endpoint("orders-a", "orders", VPCE)),
        _ => world.kube.delete(object.0, NAMESPACE, object.1).unwrap(),
    }
    (world, operator, object)
}

/// When Atlas refused it.
fn refusals(world: &World, operation: Operation) -> Vec<Timestamp> {
    let ledger = world.ledger();
    let met = ledger.iter().filter(|entry| {
        entry.request().is_some_and(|request| request.operation == Some(operation) && request.fault.is_some())
    });
    met.map(|entry| entry.at).collect()
}

/// When the object's conditions first called it Stalled.
fn stalled_since(world: &World, (plural, name): (&str, &str)) -> Option<Timestamp> {
    let versions = world.kube.history(plural, NAMESPACE, name);
    let stalled = versions.iter().find(|version| version.object["status"]["conditions"][1]["type"] == "Stalled");
    stalled.map(|version| version.at)
}

async fn an_hour_of(fault: Fault, code: &str, operation: Operation, dialect: Dialect) {
    let (world, _operator, object) = refused(operation, dialect, fault).await;
    let scene = format!("{operation:?} in {dialect}, {code}");
    world.pass(30 * MINUTE).await;
    let (ready, reason, abnormal) = says(&world, object.0, object.1);
    assert_eq!((ready.as_str(), abnormal.as_str()), ("False", "Reconciling"), "{scene}: {reason}");
    let said = message(&world, object.0, NAMESPACE, object.1);
    assert!(said.contains(code), "{scene}: {said}");
    let stalled = |world: &World| says(world, object.0, object.1).2 == "Stalled";
    eventually(&world, HOUR, &format!("{scene}: Stalled"), stalled).await;
    let tried = refusals(&world, operation);
    let after = stalled_since(&world, object).unwrap().duration_since(tried[0]);
    // The first try after the hour is at most the longest pause late.
    let (soonest, latest) = (SignedDuration::from_mins(60), SignedDuration::from_mins(66));
    assert!(soonest <= after && after <= latest, "{scene}: Stalled {after:#} after the first refusal");
    let said = message(&world, object.0, NAMESPACE, object.1);
    assert!(said.contains(code), "{scene}: {said}");
    assert!((10..=25).contains(&tried.len()), "{scene}: tried {} times", tried.len());
    let writes = world.operator_writes().len();
    world.pass(HOUR).await;
    let more = refusals(&world, operation).len() - tried.len();
    assert!((10..=13).contains(&more), "{scene}: tried {more} times in the hour after that");
    // A creation's record, and its refusal's, with every try.
    let written = world.operator_writes().len() - writes;
    assert!(written <= 2 * more, "{scene}: {written} Kubernetes writes for {more} tries");
    world.atlas.clear_faults();
    let well = |world: &World| match operation {
        Operation::CreateService => world.link_ready("orders"),
        Operation::AddEndpoint => world.endpoint_ready("orders-a"),
        _ => world.kube.get(object.0, NAMESPACE, object.1).is_none(),
    };
    eventually(&world, 15 * MINUTE, &format!("{scene}: well again"), well).await;
    world.pass(20 * MINUTE).await;
    oracle::quiet_hour(&world).await;
    oracle::always(&world);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_is_not_yet_for_an_hour_and_stalled_then() {
    for dialect in [Dialect::V2, Dialect::V1] {
        for operation in
            [Operation::CreateService, Operation::AddEndpoint, Operation::DeleteEndpoint, Operation::DeleteService]
        {
            an_hour_of(Fault::ConflictUnknown, "SOMETHING_NOBODY_KNOWS", operation, dialect).await;
        }
        for operation in [Operation::CreateService, Operation::AddEndpoint] {
            an_hour_of(Fault::NotFoundJson, "(404", operation, dialect).await;
        }
    }
}

/// It is the same trouble only while nothing else comes between.
#[tokio::test(start_paused = true)]
async fn a_conflict_that_passes_before_the_hour_is_never_stalled() {
    let (world, _operator, object) = refused(Operation::CreateService, Dialect::V2, Fault::ConflictUnknown).await;
    world.pass(Duration::from_secs(55 * 60)).await;
    world.atlas.clear_faults();
    world.until(10 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
    assert_eq!(stalled_since(&world, object), None);
    oracle::created(&world, 1, 0);
}

/// "Cannot accept" means later, however late.
#[tokio::test(start_paused = true)]
async fn a_conflict_that_is_known_to_pass_is_never_stalled() {
    for dialect in [Dialect::V2, Dialect::V1] {
        let (world, _operator, object) = refused(Operation::AddEndpoint, dialect, Fault::CannotAccept).await;
        world.pass(3 * HOUR).await;
        assert_eq!(says(&world, object.0, object.1).2, "Reconciling");
        let said = message(&world, object.0, NAMESPACE, object.1);
        assert!(said.contains("PRIVATELINK_CANNOT_ACCEPT_ENDPOINTS"), "{said}");
        world.atlas.clear_faults();
        world.until(10 * MINUTE, "Ready", |world| world.endpoint_ready("orders-a")).await;
        assert_eq!(stalled_since(&world, object), None);
        oracle::created(&world, 1, 1);
    }
}
