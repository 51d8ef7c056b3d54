//! Lives of several objects that want the same.

use super::{MINUTE, PATIENCE, is_gone, leave, over, ready, stir};
use crate::{
    harness::{
        alone::eventually,
        hands::{NEW, change_id, is_at},
        life::{delete_both, end, get_ready, with_neighbours, with_neighbours_in},
        looks::{deletes, is_attached, ready_as, says, status},
        oracle,
        world::*,
    },
    states::{make_vpc_endpoint, remove_endpoint, remove_services, set_state},
    ways::Slow,
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    testbed::simulator::{Fault, Operation, Rule, Secret, ServiceState},
};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn rivals_without_refusal(dialect: Dialect) -> World {
    let mut world = with_neighbours_in(Nature::lenient(dialect));
    world.credentials();
    for name in ["orders", "rival", "third"] {
        world.apply(link(name));
    }
    let operator = world.start();
    let ready = |world: &World| ["orders", "rival", "third"].into_iter().all(|name| world.link_ready(name));
    eventually(&world, PATIENCE, "all Ready", ready).await;
    oracle::created(&world, 1, 0);
    for name in ["orders", "rival", "third"] {
        world.kube.delete(LINKS, NAMESPACE, name).unwrap();
        eventually(&world, PATIENCE, "gone", is_gone(LINKS, name)).await;
    }
    oracle::nothing_left(&world);
    oracle::created(&world, 1, 0);
    over(world, operator).await
}

/// Another key, and the Secret that holds it.
const OTHER_KEY: (&str, &str) = ("secondpb", "canary-private-key-of-the-rival");

fn with_two_keys(nature: Nature) -> World {
    let mut atlas = nature.atlas.clone();
    atlas.api_keys.push(Secret::new(OTHER_KEY.0, OTHER_KEY.1));
    let world = with_neighbours_in(Nature { atlas, ..nature });
    world.credentials();
    world.secret(NAMESPACE, "rivals", &[("publicKey", OTHER_KEY.0), ("privateKey", OTHER_KEY.1)]);
    world
}

fn with_other_key(name: &str) -> Value {
    with(link(name), json!({"spec": {"credentialsRef": {"name": "rivals"}}}))
}

/// An operator for which Atlas is slow to answer the other key. Nothing is ever written that rests on so slow a look.
fn start_slowly(world: &mut World) -> Running {
    let slow = Slow { inner: world.atlas.transport(), caller: OTHER_KEY.0 };
    world.start_over(Arc::new(slow))
}

/// Until `orders` knows its service, which has no name yet.
async fn is_recorded(world: &World) {
    let recorded = |world: &World| status(world, LINKS, "orders")["privateLinkId"].is_string();
    eventually(world, PATIENCE, "recorded", recorded).await;
}

/// The link of the manifests is Ready, and then this one, which shares what it has made.
async fn shared(mut world: World, sharer: Value) -> (World, Running) {
    world.apply(link("orders"));
    let operator = world.start();
    eventually(&world, PATIENCE, "the owner is Ready", |world| world.link_ready("orders")).await;
    let name = sharer["metadata"]["name"].as_str().unwrap().to_owned();
    world.apply(sharer);
    eventually(&world, PATIENCE, "the other one is Ready", |world| world.link_ready(&name)).await;
    (world, operator)
}

pub(super) async fn heard_first(dialect: Dialect) -> World {
    let world = with_two_keys(Nature::of(dialect));
    let (mut world, operator) = shared(world, with_other_key("rival")).await;
    operator.kill().await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let operator = start_slowly(&mut world);
    eventually(&world, PATIENCE, "the owner is gone", is_gone(LINKS, "orders")).await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "the rival uses it");
    operator.kill().await;
    let operator = world.start();
    world.pass(MINUTE).await;
    assert!(world.link_ready("rival"), "{}", world.picture());
    world.kube.delete(LINKS, NAMESPACE, "rival").unwrap();
    end(&world).await;
    over(world, operator).await
}

/// The operator dies once a new endpoint is attached, and the next one hears of Atlas late on behalf of one that wants the
/// old endpoint by then.
pub(super) async fn heard_before_it_is_detached(dialect: Dialect) -> World {
    let mut world = with_two_keys(Nature::of(dialect));
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    let operator = world.start();
    get_ready(&world).await;
    change_id(&world, NEW);
    eventually(&world, PATIENCE, "attached", |world| is_attached(world, NEW)).await;
    operator.kill().await;
    // The new one is connected by the time that anybody looks.
    world.pass(2 * MINUTE).await;
    world.apply(with_other_key("rival"));
    world.apply(endpoint("heir", "rival", VPCE));
    let operator = start_slowly(&mut world);
    eventually(&world, PATIENCE, "replaced", |world| is_at(world, NEW)).await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "the heir wants it");
    operator.kill().await;
    let operator = world.start();
    eventually(&world, PATIENCE, "inherited", |world| ready_as(world, ENDPOINTS, NAMESPACE, "heir", "Created")).await;
    leave(world, operator).await
}

pub(super) async fn without_secret_for_minutes(dialect: Dialect) -> World {
    let world = with_two_keys(Nature::of(dialect));
    let (world, operator) = shared(world, with_other_key("rival")).await;
    world.kube.delete("secrets", NAMESPACE, "rivals").unwrap();
    world.pass(2 * MINUTE).await;
    stir(&world, "late", "rival");
    world.pass(MINUTE).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    eventually(&world, PATIENCE, "the owner is gone", is_gone(LINKS, "orders")).await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "the rival uses it");
    world.secret(NAMESPACE, "rivals", &[("publicKey", OTHER_KEY.0), ("privateKey", OTHER_KEY.1)]);
    eventually(&world, PATIENCE, "inherited", |world| ready_as(world, LINKS, NAMESPACE, "rival", "Created")).await;
    leave(world, operator).await
}

/// A link that never owns, and is Ready of what another one has made, holds that one's deletion back.
pub(super) async fn held_by_a_reader(dialect: Dialect) -> World {
    let world = with_neighbours(dialect);
    world.credentials();
    let (world, operator) = shared(world, with(link("reader"), json!({"spec": {"adoptionPolicy": "AdoptOnly"}}))).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let held = |world: &World| says(world, LINKS, "orders").1 == "DeletionBlocked";
    eventually(&world, PATIENCE, "held", held).await;
    world.pass(60 * MINUTE).await;
    assert!(held(&world) && world.link_ready("reader"), "{}", world.picture());
    world.kube.delete(LINKS, NAMESPACE, "reader").unwrap();
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn recorded_before_it_is_named(dialect: Dialect) -> World {
    let mut world = with_neighbours_in(Nature::lenient(dialect));
    world.credentials();
    world.apply(link("orders"));
    let operator = world.start();
    is_recorded(&world).await;
    world.apply(link("rival"));
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    eventually(&world, PATIENCE, "the rival is Ready", |world| world.link_ready("rival")).await;
    world.kube.delete(LINKS, NAMESPACE, "rival").unwrap();
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn wanted_by_an_elder(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.apply(link("orders"));
    world.apply(endpoint("elder", "orders", NEW));
    let operator = world.start();
    eventually(&world, PATIENCE, "the elder is Ready", |world| world.endpoint_ready("elder")).await;
    world.apply(endpoint("orders-a", "orders", VPCE));
    eventually(&world, PATIENCE, "the younger is Ready", |world| world.endpoint_ready("orders-a")).await;
    remove_endpoint(&world, VPCE);
    make_vpc_endpoint(&world);
    let edit = json!({"spec": {"interfaceEndpointId": VPCE}});
    world.kube.patch(ENDPOINTS, NAMESPACE, "elder", edit).unwrap();
    let shared = |world: &World| {
        let at = &status(world, ENDPOINTS, "elder")["interfaceEndpointId"];
        at == VPCE && world.endpoint_ready("elder") && world.endpoint_ready("orders-a")
    };
    eventually(&world, PATIENCE, "both Ready", shared).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "elder").unwrap();
    delete_both(&world);
    end(&world).await;
    over(world, operator).await
}

/// The operator dies, a rival comes, and the next operator hears of Atlas on its behalf first; then both are deleted.
async fn a_rival_is_quicker(mut world: World, operator: Running) -> World {
    operator.kill().await;
    world.apply(link("rival"));
    let operator = start_slowly(&mut world);
    eventually(&world, PATIENCE, "the rival is Ready", |world| world.link_ready("rival")).await;
    oracle::created(&world, 1, 0);
    operator.kill().await;
    let operator = world.start();
    for name in ["rival", "orders"] {
        world.kube.delete(LINKS, NAMESPACE, name).unwrap();
    }
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn unheard_before_it_is_named(dialect: Dialect) -> World {
    let mut world = with_two_keys(Nature::lenient(dialect));
    world.apply(with_other_key("orders"));
    let operator = world.start();
    is_recorded(&world).await;
    a_rival_is_quicker(world, operator).await
}

/// Applies the link, and until Atlas has made its service, of which the operator hears nothing.
async fn is_asked_for(world: &mut World, link: Value) -> Running {
    world.atlas.inject(Rule::once(Operation::CreateService, Fault::AnswerLost));
    let before = world.services().len();
    world.apply(link);
    let operator = world.start();
    eventually(world, PATIENCE, "made", |world| world.services().len() > before).await;
    operator
}

pub(super) async fn asked_for_before_it_is_named(dialect: Dialect) -> World {
    let mut world = with_neighbours_in(Nature::lenient(dialect));
    world.credentials();
    let operator = is_asked_for(&mut world, link("orders")).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.apply(link("rival"));
    eventually(&world, PATIENCE, "the rival is Ready", |world| world.link_ready("rival")).await;
    world.kube.delete(LINKS, NAMESPACE, "rival").unwrap();
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn unheard_and_asked_for(dialect: Dialect) -> World {
    let mut world = with_two_keys(Nature::lenient(dialect));
    let operator = is_asked_for(&mut world, with_other_key("orders")).await;
    a_rival_is_quicker(world, operator).await
}

pub(super) async fn suspended_with_another(dialect: Dialect) -> World {
    let world = with_neighbours(dialect);
    world.credentials();
    let (world, operator) = shared(world, link("rival")).await;
    let suspend = |suspend: bool| {
        world.kube.patch(LINKS, NAMESPACE, "rival", json!({"spec": {"suspend": suspend}})).unwrap();
    };
    suspend(true);
    world.pass(MINUTE).await;
    let first = status(&world, LINKS, "orders")["privateLinkId"].clone();
    remove_services(&world);
    let again = |world: &World| status(world, LINKS, "orders")["privateLinkId"] != first && world.link_ready("orders");
    eventually(&world, PATIENCE, "made again", again).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    eventually(&world, PATIENCE, "the owner is gone", is_gone(LINKS, "orders")).await;
    suspend(false);
    eventually(&world, PATIENCE, "the rival has one of its own", |world| world.link_ready("rival")).await;
    world.kube.delete(LINKS, NAMESPACE, "rival").unwrap();
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn waits_for_failed_service(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    world.apply(link("rival"));
    eventually(&world, PATIENCE, "the rival is Ready", |world| world.link_ready("rival")).await;
    set_state(&world, Some(ServiceState::Failed), None);
    let waits = |world: &World| says(world, LINKS, "rival").1 == "WaitingForService";
    eventually(&world, PATIENCE, "the rival waits", waits).await;
    world.apply(endpoint("late", "rival", NEW));
    let waits = |world: &World| says(world, ENDPOINTS, "late").1 == "WaitingForLink";
    eventually(&world, PATIENCE, "the late one waits", waits).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    eventually(&world, PATIENCE, "the first one is gone", is_gone(ENDPOINTS, "orders-a")).await;
    eventually(&world, PATIENCE, "the late one is Ready", |world| world.endpoint_ready("late")).await;
    leave(world, operator).await
}
