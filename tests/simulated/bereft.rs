//! Deletion when something is missing that it would ordinarily use: the link, the credentials, or an heir's own doing.

use super::{looks::*, oracle, world::*};
use atlas_privatelink_operator::{api::Standing, testbed::simulator::Operation};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn an_endpoint_whose_link_was_removed_by_force_detaches_itself() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.kube.patch(LINKS, NAMESPACE, "orders", json!({"metadata": {"finalizers": null}})).unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    // Whether the operator restores the finalizer before the deletion is a matter of moments; this time it did not.
    world.kube.patch(LINKS, NAMESPACE, "orders", json!({"metadata": {"finalizers": null}})).ok();
    world.until(MINUTE, "the link is gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world
        .until(10 * MINUTE, "the endpoint is gone", |world| world.find_endpoint(NAMESPACE, "orders-a").is_none())
        .await;
    assert_eq!(world.calls(Operation::DeleteEndpoint), 1);
    assert_eq!(world.calls(Operation::DeleteService), 0, "nobody was asked to delete the service");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_anyway_goes_without_credentials() {
    let mut world = World::new(Nature::default());
    let _operator = world.start();
    world.credentials();
    let service = foreign_service(&world);
    foreign_endpoint(&world, &service);
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", FOREIGN));
    both_ready(&world).await;
    world.kube.delete("secrets", NAMESPACE, "atlas-credentials").unwrap();
    // A restart: nothing in memory could stand in for the Secret.
    _operator.kill().await;
    let _operator = world.start();
    for (plural, name) in [(ENDPOINTS, "orders-a"), (LINKS, "orders")] {
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    world.until(5 * MINUTE, "both gone", World::is_empty).await;
    assert_eq!((only_service(&world), deletes(&world)), (service, Vec::<String>::new()));
    for name in ["orders", "orders-a"] {
        assert!(told(&world, name).contains(&"Kept".to_owned()), "{:?}", told(&world, name));
    }
}

#[tokio::test(start_paused = true)]
async fn an_heir_that_was_suspended_from_the_start_is_given_everything() {
    let (world, _operator) = ready_link(Nature::default()).await;
    let service = only_service(&world);
    world.apply(with(link("heir"), json!({"spec": {"suspend": true}})));
    world.until(MINUTE, "suspended", |world| world.link_is("heir", Standing::Reconciling, "Suspended")).await;
    assert!(status(&world, LINKS, "heir")["privateLinkId"].is_null());
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.until(5 * MINUTE, "the owner goes", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
    let heir = object(&world, LINKS, NAMESPACE, "heir");
    assert_eq!((&heir["status"]["privateLinkId"], &heir["status"]["origin"]), (&json!(service), &json!("Created")));
    assert!(heir["metadata"]["finalizers"].to_string().contains("atlas.privatelink.dev"), "{heir:#}");
    assert_eq!(deletes(&world), Vec::<String>::new());
    oracle::quiet_hour(&world).await;
    world.kube.patch(LINKS, NAMESPACE, "heir", json!({"spec": {"suspend": null}})).unwrap();
    world.until(MINUTE, "Ready", |world| ready_as(world, LINKS, NAMESPACE, "heir", "Created")).await;
    world.kube.delete(LINKS, NAMESPACE, "heir").unwrap();
    world.until(10 * MINUTE, "gone", |world| world.kube.list(LINKS).is_empty()).await;
    oracle::nothing_left(&world);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_was_suspended_from_the_start_inherits_too() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.apply(with(endpoint("heir", "orders", VPCE), json!({"spec": {"suspend": true}})));
    world.until(MINUTE, "suspended", |world| world.endpoint_is("heir", Standing::Reconciling, "Suspended")).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.until(5 * MINUTE, "the owner goes", |world| world.find_endpoint(NAMESPACE, "orders-a").is_none()).await;
    assert_eq!(status(&world, ENDPOINTS, "heir")["origin"], "Created");
    assert_eq!(status(&world, ENDPOINTS, "heir")["interfaceEndpointId"], VPCE);
    assert_eq!(deletes(&world), Vec::<String>::new());
    world.kube.patch(ENDPOINTS, NAMESPACE, "heir", json!({"spec": {"suspend": null}})).unwrap();
    world.until(MINUTE, "Ready", |world| ready_as(world, ENDPOINTS, NAMESPACE, "heir", "Created")).await;
}

#[tokio::test(start_paused = true)]
async fn a_sharer_that_is_told_to_create_only_stalls() {
    let (world, _operator) = ready_link(Nature::default()).await;
    world.apply(link("sharer"));
    world.until(MINUTE, "shared", |world| world.link_ready("sharer")).await;
    world.kube.patch(LINKS, NAMESPACE, "sharer", json!({"spec": {"adoptionPolicy": "CreateOnly"}})).unwrap();
    world.until(MINUTE, "Stalled", |world| world.link_is("sharer", Standing::Stalled, "AlreadyExists")).await;
    assert!(message(&world, LINKS, NAMESPACE, "sharer").contains("owned by \"orders\""));
    oracle::quiet_hour(&world).await;
    world.kube.delete(LINKS, NAMESPACE, "sharer").unwrap();
    world.until(MINUTE, "gone", |world| world.find_link(NAMESPACE, "sharer").is_none()).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
}
