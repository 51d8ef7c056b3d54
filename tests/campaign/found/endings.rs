//! Lives in which an object that is deleted came to no end, or left something behind.

use super::{MINUTE, PATIENCE, is_gone, over, over_as_told, ready, reason};
use crate::{
    harness::{
        alone::eventually,
        death::{self, Moment, Write},
        hands::{NEW, change_id, is_at, make_behind_the_back},
        life::{begin_in, delete_both, end, get_ready, with_neighbours, with_neighbours_in},
        looks::{ELSEWHERE, deletes, message, object, ready_as, within},
        oracle,
        world::*,
    },
    states::{make_vpc_endpoint, remove_services},
};
use atlas_privatelink_operator::{
    atlas::dialect::Dialect,
    controller::settings::Settings,
    reconcile::policy::DefaultDeletionPolicy,
    testbed::simulator::{self, Fault, Operation, Rule},
};
use serde_json::{Value, json};

pub(super) async fn through_a_leaving_link(dialect: Dialect, id: &str) -> World {
    let (world, operator) = ready(dialect).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let blocked = |world: &World| reason(world, LINKS, "orders") == "DeletionBlocked";
    eventually(&world, PATIENCE, "held by its endpoint", blocked).await;
    world.apply(endpoint("late", "orders", id));
    let waits = |world: &World| reason(world, ENDPOINTS, "late") == "WaitingForLink";
    eventually(&world, PATIENCE, "the late one waits", waits).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    eventually(&world, PATIENCE, "the endpoint is gone", is_gone(ENDPOINTS, "orders-a")).await;
    eventually(&world, PATIENCE, "the link is gone", is_gone(LINKS, "orders")).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "late").unwrap();
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn service_replaced(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    remove_services(&world);
    let replaced = |world: &World| reason(world, ENDPOINTS, "orders-a") == "ServiceReplaced";
    eventually(&world, PATIENCE, "its service was replaced", replaced).await;
    // Somebody has made another VPC endpoint, and got the same id.
    make_vpc_endpoint(&world);
    world.apply(endpoint("next", "orders", VPCE));
    eventually(&world, PATIENCE, "the next one is Ready", |world| world.endpoint_ready("next")).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "next").unwrap();
    eventually(&world, PATIENCE, "the next one is gone", is_gone(ENDPOINTS, "next")).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    end(&world).await;
    over(world, operator).await
}

/// Two links for one region, in an Atlas that takes seconds for what takes it minutes: there all is gone before the request
/// of the dead operator arrives.
pub(super) async fn arrives_at_the_end(dialect: Dialect) -> World {
    let nature = Nature::of(dialect);
    let atlas = simulator::Settings { time_scale: 200.0, ..nature.atlas.clone() };
    let mut world = with_neighbours_in(Nature { atlas, ..nature });
    world.credentials();
    world.apply(link("orders"));
    let point = Write { what: "Atlas POST service".to_owned(), nth: 1 };
    let (operator, mut reaper) = death::start(&mut world, Some((point, Moment::EffectComesLate)));
    reaper.kill(&world, operator).await;
    world.apply(link("rival"));
    let operator = world.start();
    eventually(&world, PATIENCE, "the rival is Ready", |world| world.link_ready("rival")).await;
    for name in ["rival", "orders"] {
        world.kube.delete(LINKS, NAMESPACE, name).unwrap();
    }
    eventually(&world, PATIENCE, "both gone", |world| world.kube.list(LINKS).is_empty()).await;
    world.pass(3 * MINUTE).await;
    oracle::nothing_left(&world);
    over(world, operator).await
}

/// An endpoint inherits what another one had attached, its own link is gone, and the operator, too.
async fn inherits_without_link(dialect: Dialect, namespace: &str) -> World {
    let (world, operator) = ready(dialect).await;
    world.secret(namespace, "atlas-credentials", &[("publicKey", PUBLIC), ("privateKey", PRIVATE)]);
    world.apply(within(namespace, link("other")));
    world.apply(within(namespace, endpoint("heir", "other", VPCE)));
    let heir_is_ready = |world: &World| ready_as(world, ENDPOINTS, namespace, "heir", "Adopted");
    eventually(&world, PATIENCE, "the heir is Ready", heir_is_ready).await;
    world.kube.delete(LINKS, namespace, "other").unwrap();
    let gone = |world: &World| world.kube.get(LINKS, namespace, "other").is_none();
    eventually(&world, PATIENCE, "its link is gone", gone).await;
    change_id(&world, NEW);
    eventually(&world, PATIENCE, "handed over", |world| is_at(world, NEW)).await;
    operator.kill().await;
    world
}

/// The link of the heir, as it comes again.
fn of_another_project() -> Value {
    with(link("other"), json!({"spec": {"projectId": "5df264b8f10fab7d2cad2f0e"}}))
}

pub(super) async fn link_of_another_project(dialect: Dialect) -> World {
    let mut world = inherits_without_link(dialect, NAMESPACE).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "heir").unwrap();
    world.apply(of_another_project());
    let operator = world.start();
    eventually(&world, PATIENCE, "the heir is gone", is_gone(ENDPOINTS, "heir")).await;
    world.kube.delete(LINKS, NAMESPACE, "other").unwrap();
    delete_both(&world);
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn link_of_another_project_elsewhere(dialect: Dialect) -> World {
    let mut world = inherits_without_link(dialect, ELSEWHERE).await;
    world.apply(within(ELSEWHERE, of_another_project()));
    let operator = world.start();
    let heir = |world: &World| object(world, ENDPOINTS, ELSEWHERE, "heir");
    let says = |reason: &'static str| move |world: &World| heir(world)["status"]["conditions"][0]["reason"] == reason;
    eventually(&world, PATIENCE, "said", says("InvalidRequest")).await;
    world.kube.delete(ENDPOINTS, ELSEWHERE, "heir").unwrap();
    eventually(&world, PATIENCE, "held", says("DeletionBlocked")).await;
    world.apply(within(ELSEWHERE, link("third")));
    eventually(&world, PATIENCE, "the heir is gone", |world| heir(world).is_null()).await;
    for name in ["other", "third"] {
        world.kube.delete(LINKS, ELSEWHERE, name).unwrap();
    }
    delete_both(&world);
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn inherited_without_link(dialect: Dialect) -> World {
    let mut world = inherits_without_link(dialect, NAMESPACE).await;
    let operator = world.start();
    world.kube.delete(ENDPOINTS, NAMESPACE, "heir").unwrap();
    eventually(&world, PATIENCE, "the heir is gone", is_gone(ENDPOINTS, "heir")).await;
    delete_both(&world);
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn adopted_to_be_deleted(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    make_behind_the_back(&world).await;
    world.apply(link("orders"));
    world.apply(with(endpoint("orders-a", "orders", VPCE), json!({"spec": {"deletionPolicy": "Delete"}})));
    let operator = world.start();
    get_ready(&world).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let held = |world: &World| reason(world, LINKS, "orders") == "DeletionBlocked";
    eventually(&world, PATIENCE, "held by its endpoint", held).await;
    operator.kill().await;
    let operator = world.start();
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    eventually(&world, PATIENCE, "both gone", World::is_empty).await;
    assert_eq!(deletes(&world).len(), 1, "the endpoint was to be deleted, and nothing else: {:?}", deletes(&world));
    over_as_told(world, operator).await
}

pub(super) async fn refused_and_to_be_deleted(dialect: Dialect) -> World {
    let mut world = with_neighbours(dialect);
    world.credentials();
    world.atlas.inject(Rule::always(Operation::AddEndpoint, Fault::AccessList));
    world.apply(link("orders"));
    world.apply(with(endpoint("orders-a", "orders", VPCE), json!({"spec": {"deletionPolicy": "Delete"}})));
    let operator = world.start();
    let refused = |world: &World| {
        let endpoint = world.kube.get(ENDPOINTS, NAMESPACE, "orders-a").unwrap_or_default();
        endpoint["metadata"]["annotations"].to_string().contains("refusal")
    };
    eventually(&world, PATIENCE, "refused", refused).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    eventually(&world, PATIENCE, "the link is gone", is_gone(LINKS, "orders")).await;
    operator.kill().await;
    let operator = world.start();
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    end(&world).await;
    over(world, operator).await
}

pub(super) async fn asked_in_vain(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    world.atlas.inject(Rule::always(Operation::DeleteService, Fault::ConflictUnknown));
    delete_both(&world);
    // The link has said before that it is being deleted, while its endpoint went.
    world.pass(10 * MINUTE).await;
    let said = message(&world, LINKS, NAMESPACE, "orders");
    assert!(said.contains("cannot be deleted") && said.contains("Retain"), "{said}");
    world.atlas.clear_faults();
    end(&world).await;
    over(world, operator).await
}

/// The operator was told to keep what no manifest speaks of.
pub(super) async fn kept_by_default(dialect: Dialect) -> World {
    let nature = Nature::of(dialect);
    let settings = Settings { default_deletion_policy: DefaultDeletionPolicy::Retain, ..nature.settings.clone() };
    let mut world = begin_in(Nature { settings, ..nature });
    let operator = world.start();
    get_ready(&world).await;
    delete_both(&world);
    eventually(&world, PATIENCE, "both gone", World::is_empty).await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "it was to be kept");
    over(world, operator).await
}
