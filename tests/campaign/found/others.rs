//! Lives in which somebody else makes a service, or attaches an endpoint.

use super::{MINUTE, PATIENCE, is_gone, leave, over, reason};
use crate::{
    harness::{
        alone::eventually,
        death::{self, Moment, Write},
        hands::{NEW, change_id, copied, is_at, make_behind_the_back},
        life::{
            BOTH, begin, begin_in, both_are_ready, delete_both, end, get_ready, ours, with_neighbours,
            with_neighbours_in,
        },
        looks::{deletes, is_attached, ready_as, status},
        oracle,
        world::*,
    },
    states::{our_service_ids, remove_endpoint, remove_services, set_state},
    ways::Straying,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{self, Change, EndpointState, Fault, Operation, Provider, Rule, ServiceState},
};
use http::StatusCode;
use serde_json::json;
use std::{sync::Arc, time::Duration};

/// The link is deleted, and what stands in Atlas stays, for it is somebody else's.
async fn goes_alone(world: World, operator: Running) -> World {
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    eventually(&world, PATIENCE, "the link is gone", is_gone(LINKS, "orders")).await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "it is somebody else's");
    over(world, operator).await
}

pub(super) async fn made_long_after(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.apply(link("orders"));
    let recorded = Write { what: "Patch atlasprivatelinks orders".to_owned(), nth: 1 };
    let (operator, mut reaper) = death::start(&mut world, Some((recorded, Moment::AfterEffect)));
    reaper.kill(&world, operator).await;
    world.pass(120 * MINUTE).await;
    make_behind_the_back(&world).await;
    let operator = world.start();
    eventually(&world, PATIENCE, "Ready", |world| world.link_ready("orders")).await;
    goes_alone(world, operator).await
}

pub(super) async fn another_in_its_place(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.apply(link("orders"));
    let operator = world.start();
    eventually(&world, PATIENCE, "Ready", |world| world.link_ready("orders")).await;
    operator.kill().await;
    remove_services(&world);
    world.pass(30 * MINUTE).await;
    make_behind_the_back(&world).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let operator = world.start();
    eventually(&world, PATIENCE, "the link is gone", is_gone(LINKS, "orders")).await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "it is somebody else's");
    over(world, operator).await
}

pub(super) async fn asked_for_by_another(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    let (project, region) = (PROJECT.to_owned(), "us-east-1".to_owned());
    let asked = Change::CreateService { project, provider: Provider::Aws, region, port_mapped: false, ready: false };
    world.change(asked).unwrap();
    world.apply(link("orders"));
    let operator = world.start();
    eventually(&world, PATIENCE, "Ready", |world| world.link_ready("orders")).await;
    assert!(world.calls(Operation::CreateService) <= 1, "{}", world.picture());
    goes_alone(world, operator).await
}

pub(super) async fn seen_on_its_way_out(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.apply(link("orders"));
    let operator = world.start();
    eventually(&world, PATIENCE, "Ready", |world| world.link_ready("orders")).await;
    world.pass(5 * MINUTE).await;
    set_state(&world, Some(ServiceState::Deleting), None);
    // It looks once, at the list that both share, and then waits.
    let reader = json!({"spec": {"adoptionPolicy": "AdoptOnly", "region": "ap-southeast-2"}});
    world.apply(with(link("reader"), reader));
    let waits = |world: &World| reason(world, LINKS, "reader") == "WaitingForService";
    eventually(&world, PATIENCE, "it waits", waits).await;
    assert!(world.link_ready("orders"), "nobody has told it");
    remove_services(&world);
    let made_again = |world: &World| world.calls(Operation::CreateService) == 2 && world.link_ready("orders");
    eventually(&world, PATIENCE, "made again", made_again).await;
    leave(world, operator).await
}

/// A backup is restored in another cluster on the same Atlas, with all that it says, and is deleted there.
pub(super) async fn restored_elsewhere(dialect: Dialect) -> World {
    let mut here = begin(dialect);
    let mut there = here.beside();
    let operator = here.start();
    get_ready(&here).await;
    here.pass(MINUTE).await;
    there.credentials();
    for (plural, name) in BOTH {
        let (copy, status) = copied(&here, plural, name);
        there.apply(copy);
        there.kube.patch_status(plural, NAMESPACE, name, json!({"status": status})).unwrap();
    }
    let other = there.start();
    there.pass(30 * MINUTE).await;
    delete_both(&there);
    eventually(&there, PATIENCE, "the copies are gone", World::is_empty).await;
    assert_eq!(deletes(&here), Vec::<String>::new(), "it is the original's");
    assert!(both_are_ready(&here), "{}", here.picture());
    oracle::always(&there);
    other.stop().await;
    delete_both(&here);
    end(&here).await;
    over(here, operator).await
}

fn is_found(world: &World) -> bool {
    status(world, LINKS, "orders")["origin"] == "Created"
}

/// A later operator knows that what stands in Atlas is the link's own, and deletes it with the link.
async fn known_and_deleted_later(mut world: World) -> World {
    world.pass(30 * MINUTE).await;
    let operator = world.start();
    eventually(&world, PATIENCE, "Ready", |world| ready_as(world, LINKS, NAMESPACE, "orders", "Created")).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn gone_at_once(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.atlas.inject(Rule::once(Operation::CreateService, Fault::AnswerLost));
    world.apply(link("orders"));
    let second = Write { what: "Atlas POST service".to_owned(), nth: 2 };
    let (operator, mut reaper) = death::start(&mut world, Some((second, Moment::AfterEffect)));
    eventually(&world, PATIENCE, "found", is_found).await;
    remove_services(&world);
    reaper.kill(&world, operator).await;
    known_and_deleted_later(world).await
}

pub(super) async fn made_by_both_requests(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.apply(link("orders"));
    let way = Arc::new(Straying::of(world.atlas.transport()));
    let operator = world.start_over(way.clone());
    eventually(&world, PATIENCE, "made by the second", is_found).await;
    operator.kill().await;
    remove_services(&world);
    way.arrives().await;
    known_and_deleted_later(world).await
}

/// An Atlas in which what is taken away is gone while a request may still be on its way, and takes that request.
fn quick(dialect: Dialect) -> Nature {
    let nature = Nature::of(dialect);
    let atlas = simulator::Settings { time_scale: 6.0, nonce_lifetime: 600, ..nature.atlas.clone() };
    Nature { atlas, ..nature }
}

/// No longer than a request may be on its way.
async fn for_a_while(world: &World, what: &str, condition: impl Fn(&World) -> bool) {
    drop(tokio::time::timeout(MINUTE / 2, eventually(world, PATIENCE, what, condition)).await);
}

pub(super) async fn failed_between_both_requests(dialect: Dialect) -> World {
    let mut world = with_neighbours_in(quick(dialect));
    world.credentials();
    world.apply(link("orders"));
    let way = Arc::new(Straying::of(world.atlas.transport()));
    let operator = world.start_over(way.clone());
    eventually(&world, PATIENCE, "made by the second", is_found).await;
    set_state(&world, Some(ServiceState::Failed), None);
    for_a_while(&world, "taken away", |world| ours(world).is_empty()).await;
    assert_eq!(way.arrives().await, StatusCode::CONFLICT, "what failed still stands");
    operator.kill().await;
    known_and_deleted_later(world).await
}

pub(super) async fn rejected_between_both_requests(dialect: Dialect) -> World {
    let mut world = with_neighbours_in(quick(dialect));
    world.credentials();
    world.apply(link("orders"));
    let operator = world.start();
    eventually(&world, PATIENCE, "the link is Ready", |world| world.link_ready("orders")).await;
    operator.stop().await;
    world.apply(endpoint("orders-a", "orders", VPCE));
    let way = Arc::new(Straying::of(world.atlas.transport()));
    let operator = world.start_over(way.clone());
    let is_found = |world: &World| status(world, ENDPOINTS, "orders-a")["origin"] == "Created";
    eventually(&world, PATIENCE, "attached by the second", is_found).await;
    set_state(&world, None, Some(EndpointState::Rejected));
    for_a_while(&world, "detached", |world| !is_attached(world, VPCE)).await;
    assert_eq!(way.arrives().await, StatusCode::CONFLICT, "what was rejected is still attached");
    delete_both(&world);
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn changed_while_it_is_attached_again(dialect: Dialect) -> World {
    let mut world = begin_in(quick(dialect));
    let operator = world.start();
    get_ready(&world).await;
    operator.stop().await;
    remove_endpoint(&world, VPCE);
    let way = Arc::new(Straying::of(world.atlas.transport()));
    let operator = world.start_over(way.clone());
    eventually(&world, PATIENCE, "asked for again", |_| way.has_strayed()).await;
    // It is not sent again before it is given up, half a minute after it was sent.
    world.pass(Duration::from_secs(10)).await;
    change_id(&world, NEW);
    world.pass(Duration::from_secs(30)).await;
    delete_both(&world);
    for_a_while(&world, "gone", is_gone(ENDPOINTS, "orders-a")).await;
    assert!(way.arrives().await.is_success());
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn attached_long_after(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.apply(link("orders"));
    let operator = world.start();
    eventually(&world, PATIENCE, "the link is Ready", |world| world.link_ready("orders")).await;
    let attach = |id: &str| {
        for service in our_service_ids(&world) {
            let (project, endpoint) = (PROJECT.to_owned(), id.to_owned());
            world.change(Change::AddEndpoint { project, service, endpoint, ready: false });
        }
    };
    attach(NEW);
    world.atlas.inject(Rule::always(Operation::AddEndpoint, Fault::DroppedBefore));
    world.apply(endpoint("orders-a", "orders", VPCE));
    let asked = |world: &World| world.calls(Operation::AddEndpoint) > 0;
    eventually(&world, PATIENCE, "asked for", asked).await;
    change_id(&world, NEW);
    eventually(&world, PATIENCE, "adopted", |world| is_at(world, NEW)).await;
    world.atlas.clear_faults();
    world.pass(120 * MINUTE).await;
    attach(VPCE);
    world.pass(120 * MINUTE).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    eventually(&world, PATIENCE, "the endpoint is gone", is_gone(ENDPOINTS, "orders-a")).await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "both are somebody else's");
    for id in [VPCE, NEW] {
        remove_endpoint(&world, id);
    }
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    end(&world).await;
    over(world, operator).await
}
