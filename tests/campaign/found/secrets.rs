//! Lives in which a Secret changes, and changes back.

use super::{MINUTE, PATIENCE, over};
use crate::{
    event::{new_secret, rotate, rotate_to},
    harness::{
        alone::eventually,
        life::{delete_all, end, with_neighbours},
        looks::status,
        world::*,
    },
    states::remove_services,
};
use atlas_privatelink_operator::{api::Standing, atlas::dialect::Dialect};
use serde_json::json;

async fn ready(dialect: Dialect) -> (World, Running) {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.apply(link("orders"));
    let operator = world.start();
    eventually(&world, PATIENCE, "Ready", |world| world.link_ready("orders")).await;
    (world, operator)
}

/// An endpoint comes that does not know its id yet: the link looks at what it has, and nobody else looks at Atlas.
async fn stirred(world: &World, name: &str) {
    world.pass(2 * MINUTE).await;
    let from = json!({"configMapKeyRef": {"name": "ids", "key": "id"}});
    let spec = json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": from}});
    world.apply(with(endpoint(name, "orders", VPCE), spec));
}

async fn leave(world: World, operator: Running) -> World {
    delete_all(&world);
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn turned_back(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
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
    let (world, operator) = ready(dialect).await;
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
