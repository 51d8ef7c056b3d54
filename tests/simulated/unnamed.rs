//! Atlas' API v1.0 does not tell the region of a service that has no name yet (design.md, "v1.0 has no region").

use super::{looks::*, oracle, world::*};
use atlas_privatelink_operator::{
    api::Standing,
    atlas::dialect::Dialect,
    testbed::simulator::{Change, Fault, Operation, Provider, Rule, ServiceFailure},
};

/// Somebody else's service, which has just been asked for.
fn foreign(world: &World, region: &str) -> String {
    let (project, region) = (PROJECT.to_owned(), region.to_owned());
    let change = Change::CreateService { project, provider: Provider::Aws, region, port_mapped: false, ready: false };
    world.change(change).unwrap()
}

/// A world of v1.0 with such a service in it, and its operator; the Secret is there.
fn beside_a_foreign_one(region: &str) -> (World, Running, String) {
    let mut world = World::new(Nature::of(Dialect::V1));
    let service = foreign(&world, region);
    let operator = world.start();
    world.credentials();
    (world, operator, service)
}

#[tokio::test(start_paused = true)]
async fn one_of_the_same_region_is_waited_for_after_one_refusal_and_adopted() {
    let (world, _operator, service) = beside_a_foreign_one("us-east-1");
    world.apply(link("orders"));
    world.until(MINUTE, "unknown", |world| world.link_is("orders", Standing::Reconciling, "RegionUnknown")).await;
    let said = message(&world, LINKS, NAMESPACE, "orders");
    assert!(said.contains(&service), "{said}");
    world.pass(MINUTE).await;
    assert_eq!(world.calls(Operation::CreateService), 1, "no further POST until it is named");
    world.until(5 * MINUTE, "adopted", |world| ready_as(world, LINKS, NAMESPACE, "orders", "Adopted")).await;
    assert_eq!(world.calls(Operation::CreateService), 1);
    oracle::quiet_hour(&world).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.until(MINUTE, "gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
    assert_eq!(only_service(&world), service);
}

#[tokio::test(start_paused = true)]
async fn one_of_another_region_is_in_nobodys_way() {
    let (world, _operator, service) = beside_a_foreign_one("eu-west-1");
    world.apply(link("orders"));
    world.until(5 * MINUTE, "created", |world| ready_as(world, LINKS, NAMESPACE, "orders", "Created")).await;
    assert_eq!(world.calls(Operation::CreateService), 1);
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.until(5 * MINUTE, "gone", |world| world.find_link(NAMESPACE, "orders").is_none()).await;
    assert_eq!(only_service(&world), service);
}

#[tokio::test(start_paused = true)]
async fn one_that_failed_without_a_name_is_stalled_by_its_id() {
    let mut world = World::new(Nature::of(Dialect::V1));
    let (region, message_of_atlas) = ("us-east-1".to_owned(), "No capacity.".to_owned());
    let failure = ServiceFailure { provider: Provider::Aws, region, times: 1, named: false, message: message_of_atlas };
    world.change(Change::FailServices(failure));
    let service = foreign(&world, "us-east-1");
    world.pass(10 * MINUTE).await;
    let _operator = world.start();
    world.credentials();
    world.apply(link("orders"));
    world.until(MINUTE, "Stalled", |world| world.link_is("orders", Standing::Stalled, "Failed")).await;
    let said = message(&world, LINKS, NAMESPACE, "orders");
    assert!(said.contains(&service), "{said}");
    oracle::quiet_hour(&world).await;
    assert_eq!(world.calls(Operation::CreateService), 1);
    world.change(Change::DeleteService { project: PROJECT.into(), service });
    world.until(30 * MINUTE, "created", |world| ready_as(world, LINKS, NAMESPACE, "orders", "Created")).await;
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_attempt_waits_for_the_names() {
    for foreign_region in [None, Some("eu-west-1")] {
        let mut world = World::new(Nature::of(Dialect::V1));
        world.atlas.inject(Rule::once(Operation::CreateService, Fault::AnswerLost));
        let _operator = world.start();
        world.credentials();
        world.apply(link("orders"));
        world.until(MINUTE, "sent", |world| world.calls(Operation::CreateService) == 1).await;
        let foreign_one = foreign_region.map(|region| foreign(&world, region));
        world.until(MINUTE, "unknown", |world| world.link_is("orders", Standing::Reconciling, "RegionUnknown")).await;
        world.until(5 * MINUTE, "proved", |world| ready_as(world, LINKS, NAMESPACE, "orders", "Created")).await;
        assert_eq!(world.calls(Operation::CreateService), 1);
        assert_ne!(status(&world, LINKS, "orders")["privateLinkId"].as_str(), foreign_one.as_deref());
        oracle::always(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_another_resource_records_is_not_in_doubt() {
    let (world, _operator) = {
        let mut world = World::new(Nature::of(Dialect::V1));
        let operator = world.start();
        world.credentials();
        (world, operator)
    };
    world.apply(link("orders"));
    let elsewhere = serde_json::json!({"spec": {"region": "eu-west-1"}});
    world.apply(with(link("orders-eu"), elsewhere));
    world
        .until(5 * MINUTE, "both", |world| {
            ready_as(world, LINKS, NAMESPACE, "orders", "Created")
                && ready_as(world, LINKS, NAMESPACE, "orders-eu", "Created")
        })
        .await;
    assert_eq!(world.calls(Operation::CreateService), 2);
    for name in ["orders", "orders-eu"] {
        assert_eq!(told(&world, name), ["Created", "Ready"]);
    }
}
