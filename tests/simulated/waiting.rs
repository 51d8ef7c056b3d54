//! What waits for a person, or for Atlas: what is suspended, and deletions that cannot go on.

use super::{looks::*, oracle, world::*};
use atlas_privatelink_operator::{
    api::Standing,
    testbed::simulator::{Fault, Operation, Rule},
};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn a_suspended_deletion_waits_and_names_both_ways_out() {
    for retain in [false, true] {
        let (world, _operator) = ready_pair(Nature::default()).await;
        for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
            edit(&world, plural, name, json!({"suspend": true}));
            world.kube.delete(plural, NAMESPACE, name).unwrap();
        }
        world.pass(10 * MINUTE).await;
        for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
            assert_eq!(says(&world, plural, name), verdict("False", "Suspended", "Reconciling"));
            let said = message(&world, plural, NAMESPACE, name);
            assert!(said.contains("Remove the field to resume") && said.contains("Retain"), "{said}");
        }
        oracle::quiet_wait(&world).await;
        assert_eq!(deletes(&world), Vec::<String>::new());
        let way_out = if retain { json!({"deletionPolicy": "Retain"}) } else { json!({"suspend": null}) };
        for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
            edit(&world, plural, name, way_out.clone());
        }
        world.until(10 * MINUTE, "gone", World::is_empty).await;
        assert_eq!(world.services().is_empty(), !retain);
        assert_eq!(deletes(&world).is_empty(), retain);
    }
}

#[tokio::test(start_paused = true)]
async fn a_suspended_deletion_that_leaves_atlas_alone_names_what_holds_it() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    edit(&world, LINKS, "orders", json!({"suspend": true, "deletionPolicy": "Retain"}));
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let held = |world: &World| world.link_is("orders", Standing::Reconciling, "DeletionBlocked");
    world.until(2 * MINUTE, "held", held).await;
    let said = message(&world, LINKS, NAMESPACE, "orders");
    assert!(said.contains("orders-a") && said.contains("delete them first"), "{said}");
    oracle::quiet_wait(&world).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.until(10 * MINUTE, "gone", World::is_empty).await;
    assert_eq!(world.services().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_atlas_does_not_take_says_why() {
    for (fault, reason, words) in [
        (Fault::UnexpectedError, "AtlasUnreachable", "Atlas cannot be asked at the moment"),
        (Fault::ConflictUnknown, "Retrying", "Atlas cannot do this yet"),
    ] {
        let (world, _operator) = ready_pair(Nature::default()).await;
        world.atlas.inject(Rule::always(Operation::DeleteService, fault));
        for (plural, name) in [(ENDPOINTS, "orders-a"), (LINKS, "orders")] {
            world.kube.delete(plural, NAMESPACE, name).unwrap();
        }
        // It has said before that it is being deleted, while its endpoint went.
        world.until(MINUTE, "going", |world| world.link_is("orders", Standing::Reconciling, "Deleting")).await;
        let told = |world: &World| world.link_is("orders", Standing::Reconciling, reason);
        world.until(5 * MINUTE, "told", told).await;
        let said = message(&world, LINKS, NAMESPACE, "orders");
        assert!(said.contains("cannot be deleted") && said.contains(words) && said.contains("Retain"), "{said}");
        let writes = world.operator_writes().len();
        world.pass(30 * MINUTE).await;
        assert_eq!(world.operator_writes().len(), writes, "it is told once");
        world.atlas.clear_faults();
        world.until(15 * MINUTE, "gone", World::is_empty).await;
        assert_eq!(world.services().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_goes_on_while_suspended() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.apply(link("orders-new"));
    world.apply(endpoint("orders-b", "orders-new", VPCE));
    world.until(MINUTE, "shared", |world| world.link_ready("orders-new") && world.endpoint_ready("orders-b")).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        edit(&world, plural, name, json!({"suspend": true}));
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    world
        .until(10 * MINUTE, "handed over", |world| {
            world.kube.list(LINKS).len() == 1
                && world.kube.list(ENDPOINTS).len() == 1
                && ready_as(world, LINKS, NAMESPACE, "orders-new", "Created")
                && ready_as(world, ENDPOINTS, NAMESPACE, "orders-b", "Created")
        })
        .await;
    assert_eq!(deletes(&world), Vec::<String>::new());
}
