//! Writes of one project wait for each other; and the list of faults that campaigns go through is complete.

use super::{
    life::{RESYNC, begin_with, delete_both, end, get_ready},
    oracle,
    world::*,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Fault, Operation, Rule},
};
use serde_json::json;
use std::collections::BTreeSet;

/// The words that serde knows for a fault are those of its variants, all of them.
#[test]
fn every_fault_there_is_is_gone_through() {
    let refused = serde_json::from_value::<Fault>(json!({"name": "?"})).unwrap_err().to_string();
    let (_, words) = refused.split_once("expected one of").unwrap();
    let words: BTreeSet<_> = words.split('`').skip(1).step_by(2).collect();
    assert_eq!(words, Fault::all().iter().map(Fault::name).collect());
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
