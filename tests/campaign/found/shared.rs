//! Lives of endpoints that share one VPC endpoint, of which one has replaced it.

use super::{MINUTE, PATIENCE, is_gone, leave, over_as_told, ready};
use crate::{
    harness::{
        alone::eventually,
        hands::{NEW, change_id, declare, is_at, make_behind_the_back},
        life::{begin, delete_all, end},
        looks::{asked_to_detach, deletes, edit, is_attached, ready_as, status, told},
        world::*,
    },
    states::{remove_endpoint, request},
    story::THIRD,
};
use atlas_privatelink_operator::{
    api::{RECONCILE_ANNOTATION, Standing},
    atlas::dialect::Dialect,
    testbed::{
        kubernetes::{Decision, Phase, RequestRecord, Verb, View},
        simulator,
    },
};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

fn other_has(origin: &'static str) -> impl Fn(&World) -> bool {
    move |world| ready_as(world, ENDPOINTS, NAMESPACE, "orders-b", origin)
}

/// Whatever of the operator's requests to the API server is like this first takes so long to get there; tells whether it is
/// on its way.
fn held_up(
    world: &World,
    by: Duration,
    is_like_this: impl Fn(&RequestRecord) -> bool + Send + Sync + 'static,
) -> Arc<AtomicBool> {
    let met = Arc::<AtomicBool>::default();
    world.kube.on_request({
        let met = met.clone();
        move |point| {
            let first = point.phase == Phase::BeforeEffect && is_like_this(&point.request);
            if first && !met.swap(true, Ordering::SeqCst) { Decision::Delay(by) } else { Decision::Proceed }
        }
    });
    met
}

/// Two name the same endpoint, and the one that has attached it is to have another one, which does not connect. What they
/// share is gone, and the other one attaches it, at its second try where that is rejected.
async fn attached_by_the_other(dialect: Dialect, rejections: u32) -> (World, Running) {
    let (world, operator) = ready(dialect).await;
    world.apply(endpoint("orders-b", "orders", VPCE));
    eventually(&world, PATIENCE, "shared", other_has("Adopted")).await;
    declare(&world, NEW, simulator::Standing::Unknown);
    change_id(&world, NEW);
    let rejected = |world: &World| world.endpoint_is("orders-a", Standing::Stalled, "Rejected");
    eventually(&world, PATIENCE, "rejected", rejected).await;
    declare(&world, VPCE, simulator::Standing::RejectedTimes(rejections));
    remove_endpoint(&world, VPCE);
    let again = |world: &World| is_attached(world, VPCE) && other_has("Created")(world);
    eventually(&world, PATIENCE, "attached again", again).await;
    assert_eq!(told(&world, "orders-b").contains(&"Retried".to_owned()), rejections > 0);
    (world, operator)
}

pub(super) async fn wanted_no_more(dialect: Dialect) -> World {
    let (world, operator) = attached_by_the_other(dialect, 1).await;
    world.pass(60 * MINUTE).await;
    assert!(other_has("Created")(&world), "{}", world.picture());
    leave(world, operator).await
}

/// `orders-b` is deleted while `orders-a` writes down that it leaves to it what they share, which takes so long.
async fn deleted_while_it_is_left_to_it(world: &World, by: Duration) {
    assert_eq!(status(world, ENDPOINTS, "orders-a")["retiring"][0]["origin"], "Created");
    let leaving = held_up(world, by, |request| {
        let tells = request.resource == ENDPOINTS && request.subresource == "status" && request.name == "orders-a";
        tells && !request.body.to_string().contains(VPCE)
    });
    declare(world, NEW, simulator::Standing::Undeclared);
    request(world);
    // By the millisecond: what is met is on its way for seconds.
    world.until(30 * MINUTE, "it writes down that the other one has it", |_| leaving.load(Ordering::SeqCst)).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-b").unwrap();
}

/// `orders-b` is gone, `orders-a` has its successor, and what they shared is detached.
async fn left_to_nobody(world: &World) {
    eventually(world, PATIENCE, "replaced", |world| is_at(world, NEW)).await;
    world.pass(60 * MINUTE).await;
    assert!(is_attached(world, NEW) && !is_attached(world, VPCE), "{}", world.picture());
}

pub(super) async fn left_to_each_other(dialect: Dialect) -> World {
    let (world, operator) = attached_by_the_other(dialect, 0).await;
    deleted_while_it_is_left_to_it(&world, Duration::from_secs(5)).await;
    eventually(&world, PATIENCE, "let go", is_gone(ENDPOINTS, "orders-b")).await;
    left_to_nobody(&world).await;
    leave(world, operator).await
}

/// The same, of two operators: what the first one writes down is held up, and the second one knows nothing of it.
pub(super) async fn left_to_each_other_by_two(dialect: Dialect) -> World {
    let (mut world, first) = attached_by_the_other(dialect, 0).await;
    deleted_while_it_is_left_to_it(&world, Duration::from_secs(20)).await;
    // What it has to mend, and is slow to write down, keeps the second one from looking after what was replaced.
    remove_endpoint(&world, NEW);
    world.kube.on_request(|point| {
        let request = &point.request;
        let writes = matches!(request.verb, Verb::Update | Verb::Patch) && point.phase == Phase::BeforeEffect;
        let slow = writes && request.resource == ENDPOINTS && request.name == "orders-a";
        if slow { Decision::Delay(Duration::from_secs(40)) } else { Decision::Proceed }
    });
    let second = world.start();
    eventually(&world, PATIENCE, "let go", is_gone(ENDPOINTS, "orders-b")).await;
    world.kube.on_request_clear();
    eventually(&world, PATIENCE, "replaced", |world| is_at(world, NEW)).await;
    first.stop().await;
    left_to_nobody(&world).await;
    leave(world, second).await
}

/// `orders-b`, which has the same endpoint, is to have another one that AWS does not know yet.
async fn other_waits_for_its_successor(world: &World) {
    declare(world, THIRD, simulator::Standing::Unknown);
    edit(world, ENDPOINTS, "orders-b", json!({"interfaceEndpointId": THIRD}));
    let rejected = |world: &World| world.endpoint_is("orders-b", Standing::Stalled, "Rejected");
    eventually(world, PATIENCE, "rejected", rejected).await;
}

/// It gets it, and what it had is detached.
async fn other_gets_its_successor(world: &World) {
    declare(world, THIRD, simulator::Standing::Undeclared);
    let now = json!({"metadata": {"annotations": {RECONCILE_ANNOTATION: "now"}}});
    world.kube.patch(ENDPOINTS, NAMESPACE, "orders-b", now).unwrap();
    let replaced = |world: &World| world.endpoint_ready("orders-b") && !is_attached(world, VPCE);
    eventually(world, PATIENCE, "replaced", replaced).await;
    let detached = deletes(world).iter().filter(|path| path.ends_with(VPCE)).count();
    assert_eq!(detached, 1, "{:?}", deletes(world));
    assert!(is_attached(world, THIRD), "{}", world.picture());
}

pub(super) async fn needed_until_it_is_replaced(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    world.apply(endpoint("orders-b", "orders", VPCE));
    eventually(&world, PATIENCE, "shared", other_has("Adopted")).await;
    other_waits_for_its_successor(&world).await;
    change_id(&world, NEW);
    eventually(&world, PATIENCE, "connected", |world| world.endpoint_ready("orders-a")).await;
    world.pass(60 * MINUTE).await;
    assert!(is_attached(&world, VPCE), "the other one lives on it: {}", world.picture());
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    let held = |world: &World| world.endpoint_is("orders-a", Standing::Reconciling, "DeletionBlocked");
    eventually(&world, PATIENCE, "held back", held).await;
    world.pass(60 * MINUTE).await;
    assert!(held(&world) && is_attached(&world, VPCE), "{}", world.picture());
    other_gets_its_successor(&world).await;
    eventually(&world, PATIENCE, "gone", is_gone(ENDPOINTS, "orders-a")).await;
    leave(world, operator).await
}

/// `orders-a` has another endpoint, which does not connect, beside what it replaces.
async fn has_another(world: &World, id: &str) {
    declare(world, id, simulator::Standing::Unknown);
    change_id(world, id);
    eventually(world, PATIENCE, "both attached", |world| is_attached(world, id) && is_attached(world, VPCE)).await;
}

async fn has_two(world: &World) {
    has_another(world, NEW).await;
    let rejected = |world: &World| world.endpoint_is("orders-a", Standing::Stalled, "Rejected");
    eventually(world, PATIENCE, "rejected", rejected).await;
}

pub(super) async fn detached_beside_what_is_needed(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    world.apply(endpoint("orders-b", "orders", VPCE));
    eventually(&world, PATIENCE, "shared", other_has("Adopted")).await;
    other_waits_for_its_successor(&world).await;
    // Of the two that are replaced, what is needed comes first.
    for next in [NEW, "vpce-00000000000000f04"] {
        has_another(&world, next).await;
    }
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    eventually(&world, PATIENCE, "detached beside it", |world| !is_attached(world, NEW)).await;
    assert!(is_attached(&world, VPCE), "the other one lives on it: {}", world.picture());
    other_gets_its_successor(&world).await;
    eventually(&world, PATIENCE, "gone", is_gone(ENDPOINTS, "orders-a")).await;
    leave(world, operator).await
}

pub(super) async fn handed_over_while_suspended(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    world.apply(endpoint("orders-b", "orders", VPCE));
    eventually(&world, PATIENCE, "shared", other_has("Adopted")).await;
    has_two(&world).await;
    edit(&world, ENDPOINTS, "orders-a", json!({"suspend": true}));
    world.pass(MINUTE).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    eventually(&world, PATIENCE, "handed over", other_has("Created")).await;
    world.pass(60 * MINUTE).await;
    assert!(is_attached(&world, NEW) && !is_gone(ENDPOINTS, "orders-a")(&world), "{}", world.picture());
    edit(&world, ENDPOINTS, "orders-a", json!({"suspend": null}));
    eventually(&world, PATIENCE, "gone", is_gone(ENDPOINTS, "orders-a")).await;
    leave(world, operator).await
}

/// The explicit policy of one that has adopted it outlasts another that had adopted it, too.
pub(super) async fn deleted_as_it_was_told(dialect: Dialect) -> World {
    let mut world = begin(dialect);
    make_behind_the_back(&world).await;
    world.apply(with(endpoint("orders-a", "orders", VPCE), json!({"spec": {"deletionPolicy": "Delete"}})));
    world.apply(endpoint("orders-b", "orders", VPCE));
    let operator = world.start();
    let both =
        |world: &World| ready_as(world, ENDPOINTS, NAMESPACE, "orders-a", "Adopted") && other_has("Adopted")(world);
    eventually(&world, PATIENCE, "adopted", both).await;
    other_waits_for_its_successor(&world).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.pass(30 * MINUTE).await;
    assert!(is_attached(&world, VPCE), "the other one lives on it: {}", world.picture());
    other_gets_its_successor(&world).await;
    eventually(&world, PATIENCE, "gone", is_gone(ENDPOINTS, "orders-a")).await;
    delete_all(&world);
    end(&world).await;
    over_as_told(world, operator).await
}

pub(super) async fn replaced_while_its_link_leaves(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    world.apply(endpoint("orders-b", "orders", VPCE));
    eventually(&world, PATIENCE, "shared", other_has("Adopted")).await;
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    edit(&world, ENDPOINTS, "orders-b", json!({"interfaceEndpointId": THIRD}));
    world.pass(30 * MINUTE).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.pass(30 * MINUTE).await;
    assert!(is_attached(&world, VPCE) && !is_attached(&world, THIRD), "{}", world.picture());
    edit(&world, ENDPOINTS, "orders-b", json!({"interfaceEndpointId": VPCE}));
    eventually(&world, PATIENCE, "left to it", is_gone(ENDPOINTS, "orders-a")).await;
    assert!(other_has("Created")(&world), "{}", world.picture());
    leave(world, operator).await
}

pub(super) async fn detached_by_a_suspended_one(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    change_id(&world, NEW);
    eventually(&world, PATIENCE, "the old one is being detached", asked_to_detach).await;
    edit(&world, ENDPOINTS, "orders-a", json!({"suspend": true}));
    world.apply(endpoint("orders-b", "orders", VPCE));
    eventually(&world, PATIENCE, "attached", other_has("Created")).await;
    edit(&world, ENDPOINTS, "orders-a", json!({"suspend": false}));
    world.pass(60 * MINUTE).await;
    assert!(is_at(&world, NEW) && other_has("Created")(&world), "{}", world.picture());
    leave(world, operator).await
}

/// The heir is deleted, and made anew on a link of another project, while what it is to inherit is on its way to it.
pub(super) async fn heir_made_anew(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    world.apply(with(link("other"), json!({"spec": {"projectId": "5df264b8f10fab7d2cad2f0e"}})));
    world.apply(endpoint("orders-b", "orders", VPCE));
    eventually(&world, PATIENCE, "shared", other_has("Adopted")).await;
    let handing = held_up(&world, Duration::from_secs(20), |request| {
        request.verb == Verb::Get && request.resource == ENDPOINTS && request.name == "orders-b"
    });
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.until(MINUTE, "the heir is looked for", |_| handing.load(Ordering::SeqCst)).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-b").unwrap();
    world.until(MINUTE / 6, "the heir is gone", is_gone(ENDPOINTS, "orders-b")).await;
    world.apply(endpoint("orders-b", "other", VPCE));
    eventually(&world, PATIENCE, "the owner is gone", is_gone(ENDPOINTS, "orders-a")).await;
    assert!(status(&world, ENDPOINTS, "orders-b")["origin"].is_null(), "{}", world.picture());
    leave(world, operator).await
}

pub(super) async fn shared_behind_a_watch(dialect: Dialect) -> World {
    let (world, operator) = ready(dialect).await;
    change_id(&world, NEW);
    let replacing = |world: &World| world.endpoint_is("orders-a", Standing::Reconciling, "Replacing");
    eventually(&world, PATIENCE, "being replaced", replacing).await;
    world.kube.freeze(View::of(&operator.name).of_watches());
    world.apply(endpoint("orders-b", "orders", VPCE));
    world.pass(10 * MINUTE).await;
    let unseen = status(&world, ENDPOINTS, "orders-b")["conditions"].is_null();
    assert!(unseen && world.endpoint_ready("orders-a"), "not decided before it was seen: {}", world.picture());
    world.kube.release(&operator.name);
    let inherited = |world: &World| is_at(world, NEW) && other_has("Created")(world);
    eventually(&world, PATIENCE, "inherited", inherited).await;
    assert_eq!(deletes(&world), Vec::<String>::new(), "the other one wants it");
    leave(world, operator).await
}
