//! What must hold after anything.

use super::world::*;
use atlas_privatelink_operator::testbed::simulator::Operation;
use std::{collections::BTreeSet, time::Duration};

/// Nothing was created twice, nobody saw a secret, and no two writes of a project were under way at once.
pub fn always(world: &World) {
    let ledger = world.ledger();
    let twice = ledger.ever_more_than_one_live();
    assert!(twice.is_empty(), "more than one service at a time: {twice:?}");
    let shown: BTreeSet<_> = [LINKS, ENDPOINTS, "events"]
        .into_iter()
        .flat_map(|plural| world.kube.list(plural))
        .map(|object| object.to_string())
        .collect();
    for secret in [PRIVATE, CLIENT_SECRET] {
        assert!(shown.iter().all(|object| !object.contains(secret)), "a secret is shown");
    }
}

/// Nothing stands in Atlas.
pub fn nothing_left(world: &World) {
    let services = world.services();
    assert!(services.is_empty(), "left in Atlas: {services:#?}");
}

/// For one hour nothing is written to Kubernetes, and Atlas is looked at only at resyncs.
pub async fn quiet_hour(world: &World) {
    let (writes, lists) = (world.operator_writes().len(), world.calls(Operation::ListServices));
    let atlas_writes =
        world.ledger().requests().filter(|request| request.operation.is_some_and(Operation::is_write)).count();
    world.pass(Duration::from_secs(3600)).await;
    let written = world.operator_writes();
    assert_eq!(written.len(), writes, "Kubernetes writes in a quiet hour: {:#?}", &written.0[writes..]);
    let lists = world.calls(Operation::ListServices) - lists;
    let keys = world.services().len().max(1);
    assert!(lists <= 5 * keys, "{lists} LISTs in a quiet hour");
    let after = world.ledger().requests().filter(|request| request.operation.is_some_and(Operation::is_write)).count();
    assert_eq!(after, atlas_writes, "writes to Atlas in a quiet hour");
}

/// For one hour a deletion that is held back writes nothing to Kubernetes, and asks for nothing to be deleted.
pub async fn quiet_deletion(world: &World) {
    let writes = world.operator_writes().len();
    world.pass(Duration::from_secs(3600)).await;
    let written = world.operator_writes();
    assert_eq!(written.len(), writes, "Kubernetes writes while held back: {:#?}", &written.0[writes..]);
}
