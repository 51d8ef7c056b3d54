//! Lives in which a Secret changes, and changes back.

use super::{MINUTE, PATIENCE, leave, over, ready, stir};
use crate::{
    event::{lose_secret, new_secret, rotate, rotate_to},
    harness::{
        alone::eventually,
        hands::{NEW, change_id, is_at, make_behind_the_back},
        life::{delete_all, get_ready, with_neighbours},
        looks::status,
        world::*,
    },
    states::{remove_services, request, set_state},
};
use atlas_privatelink_operator::{api::Standing, atlas::dialect::Dialect, testbed::simulator::EndpointState};
use serde_json::json;

async fn ready_link(dialect: Dialect) -> (World, Running) {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.apply(link("orders"));
    let operator = world.start();
    eventually(&world, PATIENCE, "Ready", |world| world.link_ready("orders")).await;
    (world, operator)
}

/// The link looks at what it has, once the key is read anew.
async fn stirred(world: &World, name: &str) {
    world.pass(2 * MINUTE).await;
    stir(world, name, "orders");
}

pub(super) async fn turned_back(dialect: Dialect) -> World {
    let (world, operator) = ready_link(dialect).await;
    new_secret(&world);
    stirred(&world, "first").await;
    let refused = |world: &World| world.link_is("orders", Standing::Stalled, "CredentialsRefused");
    eventually(&world, PATIENCE, "refused", refused).await;
    remove_services(&world);
    world.pass(2 * MINUTE).await;
    world.credentials();
    stirred(&world, "second").await;
    // That no old look is taken for a new one is for the oracle of what a status says.
    eventually(&world, PATIENCE, "Ready again", |world| world.link_ready("orders")).await;
    leave(world, operator).await
}

pub(super) async fn rotated_and_turned_back(dialect: Dialect) -> World {
    let (world, operator) = ready_link(dialect).await;
    let first = status(&world, LINKS, "orders")["privateLinkId"].clone();
    rotate(&world);
    new_secret(&world);
    remove_services(&world);
    stirred(&world, "first").await;
    let again = |world: &World| status(world, LINKS, "orders")["privateLinkId"] != first && world.link_ready("orders");
    eventually(&world, PATIENCE, "made again", again).await;
    let since = |world: &World| status(world, LINKS, "orders")["conditions"][0]["lastTransitionTime"].clone();
    let before = since(&world);
    rotate_to(&world, PRIVATE);
    world.credentials();
    stirred(&world, "second").await;
    world.pass(60 * MINUTE).await;
    assert_eq!(since(&world), before, "it has been Ready all the time: {}", world.picture());
    leave(world, operator).await
}

pub(super) async fn deleted(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    lose_secret(&world);
    world.pass(2 * MINUTE).await;
    let asked = |world: &World| world.ledger().requests().count();
    let before = asked(&world);
    change_id(&world, NEW);
    world.pass(60 * MINUTE).await;
    assert_eq!(asked(&world), before, "Atlas was asked with a key that nobody has any more");
    assert!(!world.endpoint_ready("orders-a") && !world.link_ready("orders"), "{}", world.picture());
    world.credentials();
    eventually(&world, PATIENCE, "replaced", |world| is_at(world, NEW)).await;
    leave(world, operator).await
}

/// What somebody has attached is Ready for the first key, rejected for the second one, and the first one is back before its
/// look is old.
pub(super) async fn turned_back_to_an_old_look(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    make_behind_the_back(&world).await;
    world.credentials();
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    let operator = world.start();
    get_ready(&world).await;
    rotate(&world);
    new_secret(&world);
    set_state(&world, None, Some(EndpointState::Rejected));
    request(&world);
    let rejected = |world: &World| world.endpoint_is("orders-a", Standing::Stalled, "Rejected");
    eventually(&world, PATIENCE, "rejected", rejected).await;
    rotate_to(&world, PRIVATE);
    world.credentials();
    world.pass(2 * MINUTE).await;
    let label = json!({"metadata": {"labels": {"stirred": "yes"}}});
    world.kube.patch(ENDPOINTS, NAMESPACE, "orders-a", label).unwrap();
    // That no old look is taken for a new one is for the oracle of what a status says.
    world.pass(30 * MINUTE).await;
    assert!(rejected(&world), "{}", world.picture());
    delete_all(&world);
    eventually(&world, PATIENCE, "both gone", World::is_empty).await;
    over(world, operator).await
}
