//! What was changed is replaced without an outage (design.md, safety rule 6).

use super::{hands::*, looks::*, oracle, world::*};
use atlas_privatelink_operator::{
    api::Standing,
    testbed::simulator::{Effect, EndpointState, Operation, Switches},
};
use serde_json::{Value, json};
use std::time::Duration;

pub fn stalled(world: &World, reason: &str) -> bool {
    world.endpoint_is("orders-a", Standing::Stalled, reason)
}

#[tokio::test(start_paused = true)]
async fn the_old_endpoint_is_detached_only_after_the_new_one_is_available() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    change_id(&world, NEW);
    world
        .until(MINUTE, "being replaced", |world| world.endpoint_is("orders-a", Standing::Reconciling, "Replacing"))
        .await;
    world.until(5 * MINUTE, "replaced", |world| is_at(world, NEW)).await;
    let is_new = |effect: &Effect| matches!(effect, Effect::EndpointChanged { endpoint, state: EndpointState::Available, .. } if endpoint == NEW);
    let is_old =
        |effect: &Effect| matches!(effect, Effect::EndpointDeleteRequested { endpoint, .. } if endpoint == VPCE);
    let (available, detached) = (places(&world, is_new), places(&world, is_old));
    assert_eq!((available.len(), detached.len()), (1, 1));
    assert!(available < detached, "detached at {detached:?}, available at {available:?}");
    assert_eq!(attached(&world), [NEW]);
    assert_eq!(status(&world, ENDPOINTS, "orders-a")["origin"], "Created");
    let mut events = told(&world, "orders-a");
    events.sort();
    assert_eq!(events, ["Created", "Created", "Detached", "Ready", "Ready"]);
    world.pass(20 * MINUTE).await;
    oracle::quiet_hour(&world).await;
}

#[tokio::test(start_paused = true)]
async fn an_edit_back_in_mid_way_keeps_what_was_there() {
    for pause in [0, 100, 1_000, 20_000, 45_000] {
        let (world, _operator) = ready_pair(Nature::default()).await;
        change_id(&world, NEW);
        world.pass(Duration::from_millis(pause)).await;
        change_id(&world, VPCE);
        world.until(10 * MINUTE, &format!("back after {pause} ms"), |world| is_at(world, VPCE)).await;
        world.pass(20 * MINUTE).await;
        assert_eq!(attached(&world), [VPCE], "after {pause} ms");
        assert!(!asked_to_detach(&world), "after {pause} ms the old one is detached");
        assert_eq!(status(&world, ENDPOINTS, "orders-a")["origin"], "Created", "after {pause} ms");
        oracle::quiet_hour(&world).await;
    }
}

/// What is attached works on, whatever its link has come to in between.
#[tokio::test(start_paused = true)]
async fn an_edit_back_keeps_what_was_there_though_the_link_is_not_ready() {
    let mut world = World::new(Nature::default());
    foreign_service(&world);
    let _operator = world.start();
    world.credentials();
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    both_ready(&world).await;
    let policy = |policy| json!({"spec": {"adoptionPolicy": policy}});
    world.kube.patch(LINKS, NAMESPACE, "orders", policy("CreateOnly")).unwrap();
    world.until(MINUTE, "refused", |world| world.link_is("orders", Standing::Stalled, "AlreadyExists")).await;
    change_id(&world, NEW);
    world.pass(MINUTE).await;
    change_id(&world, VPCE);
    world.until(MINUTE, "as before", |world| is_at(world, VPCE)).await;
    assert_eq!(attached(&world), [VPCE]);
}

/// What somebody else has attached is adopted, and is to be replaced.
async fn replacing_what_is_adopted() -> (World, Running) {
    let (world, operator) = ready_link(Nature::default()).await;
    somebody_has_attached(&world, &only_service(&world), VPCE);
    world.apply(endpoint("orders-a", "orders", VPCE));
    both_ready(&world).await;
    change_id(&world, NEW);
    (world, operator)
}

#[tokio::test(start_paused = true)]
async fn an_adopted_endpoint_that_is_replaced_is_kept() {
    let (world, _operator) = replacing_what_is_adopted().await;
    world.until(5 * MINUTE, "replaced", |world| is_at(world, NEW)).await;
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert_eq!(attached(&world), [VPCE, NEW]);
    assert!(note(&world, "orders-a", "Kept").contains(VPCE));
    assert_eq!(told(&world, "orders-a").iter().filter(|reason| *reason == "Kept").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_atlas_takes_one_endpoint_only_nothing_is_detached_first() {
    let switches = Switches { single_endpoint: true, ..Switches::default() };
    let (world, _operator) = ready_pair(Nature { switches, ..Nature::default() }).await;
    change_id(&world, NEW);
    let explained = |world: &World| {
        let said = message(world, ENDPOINTS, NAMESPACE, "orders-a");
        stalled(world, "InvalidRequest")
            && said.contains("multiple private endpoints")
            && said.contains("interrupts traffic")
    };
    world.until(MINUTE, "refused, with the way out", explained).await;
    world.pass(HOUR).await;
    assert_eq!(attached(&world), [VPCE]);
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert!(world.calls(Operation::AddEndpoint) <= 3, "{} requests", world.calls(Operation::AddEndpoint));
    change_id(&world, VPCE);
    world.until(MINUTE, "back", |world| is_at(world, VPCE)).await;
    oracle::quiet_hour(&world).await;
}

/// Two resources name the same endpoint; the first one owns it.
async fn shared_endpoint() -> (World, Running) {
    let (world, operator) = ready_pair(Nature::default()).await;
    world.apply(endpoint("orders-b", "orders", VPCE));
    world.until(MINUTE, "shared", |world| ready_as(world, ENDPOINTS, NAMESPACE, "orders-b", "Adopted")).await;
    (world, operator)
}

/// Both are deleted, with their link, and leave nothing.
async fn sharers_go(world: &World) {
    for name in ["orders-a", "orders-b"] {
        world.kube.delete(ENDPOINTS, NAMESPACE, name).unwrap();
    }
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    gone_without_trace(world).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_endpoint_that_another_resource_shares_is_handed_over() {
    let (world, _operator) = shared_endpoint().await;
    change_id(&world, NEW);
    world.until(5 * MINUTE, "replaced", |world| is_at(world, NEW)).await;
    assert!(ready_as(&world, ENDPOINTS, NAMESPACE, "orders-b", "Created"), "{}", world.picture());
    assert_eq!(deletes(&world), Vec::<String>::new());
    assert_eq!(attached(&world), [VPCE, NEW]);
    sharers_go(&world).await;
}

/// The id is put back while what it names is being detached: that it goes then is this resource's own doing.
#[tokio::test(start_paused = true)]
async fn nobody_else_is_blamed_for_what_it_detached_itself() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    change_id(&world, NEW);
    world.until(5 * MINUTE, "the old one is being detached", asked_to_detach).await;
    change_id(&world, VPCE);
    world.until(30 * MINUTE, "back", |world| is_at(world, VPCE)).await;
    let events = told(&world, "orders-a");
    assert!(!events.contains(&"EndpointGone".to_owned()), "{events:?}");
    oracle::quiet_hour(&world).await;
}

/// The process that attached it is gone, and its request still young: what is shown of it stays shown.
#[tokio::test(start_paused = true)]
async fn nobody_is_blamed_for_a_deletion_right_after_a_restart() {
    let (mut world, operator) = ready_pair(Nature::default()).await;
    operator.stop().await;
    let _operator = world.start();
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.until(5 * MINUTE, "being detached", asked_to_detach).await;
    world
        .until(5 * MINUTE, "gone", |world| {
            let object = world.kube.get(ENDPOINTS, NAMESPACE, "orders-a");
            let shows = object.as_ref().is_none_or(|object| object["status"]["connectionStatus"].is_string());
            assert!(shows, "{object:#?}");
            object.is_none()
        })
        .await;
    let events = told(&world, "orders-a");
    assert!(!events.contains(&"EndpointGone".to_owned()), "{events:?}");
}

/// One of the two was made by this resource, the other one was there: its last words are of each.
#[tokio::test(start_paused = true)]
async fn of_each_that_goes_or_stays_it_is_told() {
    let (world, _operator) = replacing_what_is_adopted().await;
    world.until(MINUTE, "the new one is there, too", |world| attached(world).len() == 2).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.until(HOUR, "let go", |world| world.find_endpoint(NAMESPACE, "orders-a").is_none()).await;
    assert_eq!(attached(&world), [VPCE]);
    let (kept, deleted) = (note(&world, "orders-a", "Kept"), note(&world, "orders-a", "Deleted"));
    assert!(kept.contains(VPCE) && !kept.contains(NEW), "{kept}");
    assert!(deleted.contains(NEW) && !deleted.contains(VPCE), "{deleted}");
}

#[tokio::test(start_paused = true)]
async fn a_deletion_in_the_middle_of_a_replacement_takes_both_away() {
    for pause in [100, 20_000, 65_000] {
        let (world, _operator) = ready_pair(Nature::default()).await;
        change_id(&world, NEW);
        world.pass(Duration::from_millis(pause)).await;
        world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
        world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
        gone_without_trace(&world).await;
    }
}

fn config_map(id: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "vpc", "namespace": NAMESPACE}, "data": {"id": id}})
}

#[tokio::test(start_paused = true)]
async fn an_id_from_a_config_map_may_come_late_and_change() {
    let (world, _operator) = ready_link(Nature::default()).await;
    let from = json!({"configMapKeyRef": {"name": "vpc", "key": "id"}});
    let spec = json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": from}});
    world.apply(with(endpoint("orders-a", "orders", VPCE), spec));
    let waits = |world: &World| world.endpoint_is("orders-a", Standing::Reconciling, "WaitingForEndpointId");
    world.until(MINUTE, "waiting", waits).await;
    let (writes, lists) = (world.operator_writes().len(), world.calls(Operation::ListServices));
    world.pass(10 * MINUTE).await;
    assert_eq!(world.operator_writes().len(), writes, "waiting writes nothing");
    assert_eq!(world.calls(Operation::ListServices), lists, "waiting asks Atlas nothing");
    world.apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "vpc", "namespace": NAMESPACE}, "data": {"other": "x"}}));
    world.pass(MINUTE).await;
    assert!(waits(&world), "the key is still missing");
    world.apply(config_map("not an id"));
    world.until(MINUTE, "refused", |world| stalled(world, "InvalidRequest")).await;
    world.apply(config_map(VPCE));
    world.until(3 * MINUTE, "attached", |world| is_at(world, VPCE)).await;
    world.apply(config_map(NEW));
    world.until(20 * MINUTE, "replaced at the next resync", |world| is_at(world, NEW)).await;
    assert_eq!(attached(&world), [NEW]);
    world.pass(20 * MINUTE).await;
    oracle::quiet_hour(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_ready_endpoint_survives_the_loss_of_its_config_map() {
    let (world, _operator) = ready_link(Nature::default()).await;
    let from = json!({"configMapKeyRef": {"name": "vpc", "key": "id"}});
    let spec = json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": from}});
    world.apply(config_map(VPCE));
    world.apply(with(endpoint("orders-a", "orders", VPCE), spec));
    world.until(3 * MINUTE, "attached", |world| is_at(world, VPCE)).await;
    world.kube.delete("configmaps", NAMESPACE, "vpc").unwrap();
    world.pass(HOUR).await;
    assert_eq!(attached(&world), [VPCE]);
    // Its deletion needs no ConfigMap.
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    gone_without_trace(&world).await;
}
