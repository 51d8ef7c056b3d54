//! Hand-overs (design.md, safety rule 7) that take another turn: the old objects go before the new ones come, or somebody's
//! answer is late. Those that are cut off anywhere are plans (`tests/campaign/stories.rs`).

use super::{looks::*, moving::*, oracle, world::*};
use atlas_privatelink_operator::testbed::kubernetes::{Fault, Matcher, Rule, Verb};
use serde_json::json;
use std::time::Duration;

/// The old objects are deleted first, and the new ones applied after `pause`.
async fn old_first(change: Move, pause: Duration) {
    let scene = format!("{change:?} after {pause:?}");
    let (world, _operator) = ready_pair(Nature::default()).await;
    let service = only_service(&world);
    for (plural, namespace, name) in change.old() {
        world.kube.delete(plural, namespace, name).unwrap();
    }
    world.pass(pause).await;
    change.apply(&world);
    let [new_link, new_endpoint] = change.successors()[..] else { panic!("a link and an endpoint") };
    let settled = |world: &World| {
        let (_, namespace, name) = new_endpoint;
        let conditions = &object(world, ENDPOINTS, namespace, name)["status"]["conditions"];
        conditions[0]["status"] == "True" || conditions[1]["type"] == "Stalled"
    };
    let old_gone = |world: &World| !change.old().iter().any(|name| is_there(world, *name));
    world.until(2 * HOUR, &scene, |world| old_gone(world) && owns(world, new_link) && settled(world)).await;
    let (_, namespace, name) = new_endpoint;
    let reason = object(&world, ENDPOINTS, namespace, name)["status"]["conditions"][0]["reason"].clone();
    if only_service(&world) == service {
        assert_eq!(reason, "Available", "{scene}: the service survived, so the VPC endpoint still fits");
    } else {
        // The VPC endpoint was made for the service that is gone.
        assert_eq!(reason, "Rejected", "{scene}");
        let id = "vpce-0123456789abcdef0";
        world.kube.patch(ENDPOINTS, namespace, name, json!({"spec": {"interfaceEndpointId": id}})).unwrap();
        world
            .until(5 * MINUTE, &format!("{scene}: mended by a new id"), |world| {
                let retiring = &object(world, ENDPOINTS, namespace, name)["status"]["retiring"];
                owns(world, new_endpoint) && retiring.is_null()
            })
            .await;
        // The link shows what is attached at its next resync.
        world.pass(20 * MINUTE).await;
    }
    oracle::quiet_hour(&world).await;
    for (plural, namespace, name) in change.successors() {
        world.kube.delete(plural, namespace, name).unwrap();
    }
    gone_without_trace(&world).await;
}

#[tokio::test(start_paused = true)]
async fn old_first_then_new_ends_clean_and_converges() {
    for change in [Move::Rename, Move::RenameEndpoint, Move::Namespace] {
        for pause in [50, 1_000, 15_000, 40_000, 600_000] {
            old_first(change, Duration::from_millis(pause)).await;
        }
    }
}

/// Everything about one resource of a namespace comes 20 s late: its reader has not had its answer yet.
fn slow(world: &World, resource: &str, namespace: &str) {
    let late = Matcher::any().verb(Verb::Get).resource(resource).namespace(namespace);
    world.kube.inject(Rule::new(late, Fault::slow(Duration::from_secs(20))).always());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_waits_for_heirs_whose_secret_is_still_being_read() {
    for backwards in [false, true] {
        let (world, _operator) = ready_pair(Nature::default()).await;
        slow(&world, "secrets", ELSEWHERE);
        Move::Namespace.apply(&world);
        let mut old = Move::Namespace.old();
        if backwards {
            old.reverse();
        }
        for (plural, namespace, name) in &old {
            world.kube.delete(plural, namespace, name).unwrap();
        }
        world.until(HOUR, "handed over", |world| Move::Namespace.is_done(world)).await;
        assert_eq!(deletes(&world), Vec::<String>::new(), "backwards {backwards}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_waits_for_an_heir_whose_config_map_is_still_being_read() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ids", "namespace": NAMESPACE}, "data": {"id": VPCE}}));
    slow(&world, "configmaps", NAMESPACE);
    let from = json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": {"configMapKeyRef": {"name": "ids", "key": "id"}}}});
    world.apply(with(endpoint("orders-b", "orders", VPCE), from));
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    let done = |world: &World| {
        world.find_endpoint(NAMESPACE, "orders-a").is_none() && owns(world, (ENDPOINTS, NAMESPACE, "orders-b"))
    };
    world.until(HOUR, "handed over", done).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_is_told_on_both_sides() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    Move::Rename.apply(&world);
    let new_ready = |world: &World| world.link_ready("orders-new") && world.endpoint_ready("orders-b");
    world.until(HOUR, "the new ones Ready", new_ready).await;
    for name in ["orders-new", "orders-b"] {
        assert_eq!(told(&world, name), ["Adopted", "Ready"], "{name}");
    }
    for (plural, namespace, name) in Move::Rename.old() {
        world.kube.delete(plural, namespace, name).unwrap();
    }
    let gone = |world: &World| !Move::Rename.old().iter().any(|name| is_there(world, *name));
    world.until(HOUR, "the old ones gone", gone).await;
    for name in ["orders-new", "orders-b"] {
        assert_eq!(told(&world, name), ["Adopted", "Ready", "HandedOver"], "{name}");
    }
    for name in ["orders", "orders-a"] {
        assert_eq!(told(&world, name), ["Created", "Ready", "HandedOver"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_without_endpoints_waits_for_its_heir_too() {
    let (world, _operator) = ready_link(Nature::default()).await;
    slow(&world, "secrets", ELSEWHERE);
    world.secret(ELSEWHERE, "atlas-credentials", &[("publicKey", PUBLIC), ("privateKey", PRIVATE)]);
    world.apply(within(ELSEWHERE, link("orders")));
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    let done =
        |world: &World| world.find_link(NAMESPACE, "orders").is_none() && owns(world, (LINKS, ELSEWHERE, "orders"));
    world.until(HOUR, "handed over", done).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
}

/// One commit changes an id to that of another endpoint, and deletes the other one: nothing is detached in between,
/// whichever of the two is looked at first.
#[tokio::test(start_paused = true)]
async fn an_id_that_is_edited_as_its_owner_goes_is_inherited() {
    for seed in 0..8 {
        let (world, _operator) = ready_pair(Nature { seed, ..Nature::default() }).await;
        world.apply(endpoint("orders-b", "orders", "vpce-0123456789abcdef0"));
        world.until(10 * MINUTE, "Ready", |world| world.endpoint_ready("orders-b")).await;
        world.kube.patch(ENDPOINTS, NAMESPACE, "orders-b", json!({"spec": {"interfaceEndpointId": VPCE}})).unwrap();
        world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
        let inherited = |world: &World| {
            world.endpoint_ready("orders-b") && status(world, ENDPOINTS, "orders-b")["interfaceEndpointId"] == VPCE
        };
        world.until(20 * MINUTE, "inherited", inherited).await;
        assert!(!deletes(&world).iter().any(|path| path.contains(VPCE)), "{:?}", deletes(&world));
    }
}
