//! Reads of the Kubernetes API that fail, and reads and writes that are not allowed.

use super::{looks::*, oracle, world::*};
use atlas_privatelink_operator::{
    api::Standing,
    testbed::{
        kubernetes::{Fault, Matcher, Rule, Verb},
        simulator::Operation,
    },
};
use http::StatusCode;
use serde_json::json;

/// From now on, whoever gets one of these is answered so.
fn answers(world: &World, resource: &str, status: StatusCode) {
    let gets = Matcher::any().resource(resource).verb(Verb::Get);
    world.kube.inject(Rule::new(gets, Fault::status(status)).always());
}

fn gets(world: &World, resource: &str) -> usize {
    world.kube.log().matching(|request| request.resource == resource && request.verb == Verb::Get).0.len()
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_asked_for_more_and_more_rarely() {
    let mut world = World::new(Nature::default());
    world.credentials();
    answers(&world, "secrets", StatusCode::INTERNAL_SERVER_ERROR);
    let _operator = world.start();
    world.apply(link("orders"));
    world.pass(30 * MINUTE).await;
    // 1, 2, 4 … 32 seconds, then every minute and up to a tenth more; the client repeats none of these by itself.
    let asked = gets(&world, "secrets");
    assert!((27..=36).contains(&asked), "asked {asked} times in half an hour");
    world.kube.lift_all();
    world.until(5 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
}

#[tokio::test(start_paused = true)]
async fn an_operator_that_may_not_read_config_maps_says_so_and_holds_nothing_else_back() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    answers(&world, "configmaps", StatusCode::FORBIDDEN);
    let from = json!({"configMapKeyRef": {"name": "ids", "key": "id"}});
    let spec = json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": from}});
    world.apply(with(endpoint("orders-b", "orders", VPCE), spec));
    let told = |world: &World| world.endpoint_is("orders-b", Standing::Reconciling, "WaitingForEndpointId");
    world.until(MINUTE, "told", told).await;
    let message = status(&world, ENDPOINTS, "orders-b")["conditions"][0]["message"].to_string();
    assert!(message.contains("ids") && message.contains("verb get on ConfigMaps"), "{message}");
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.until(5 * MINUTE, "gone", |world| world.find_endpoint(NAMESPACE, "orders-a").is_none()).await;
}

/// As where a namespace is deleted, and the RoleBinding in it goes before the resources.
#[tokio::test(start_paused = true)]
async fn a_secret_that_may_not_be_read_any_more_is_remembered_for_the_deletion() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    answers(&world, "secrets", StatusCode::FORBIDDEN);
    world.pass(2 * MINUTE).await;
    for (plural, name) in [(ENDPOINTS, "orders-a"), (LINKS, "orders")] {
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    world.until(10 * MINUTE, "both gone", World::is_empty).await;
    oracle::nothing_left(&world);
}

/// What two links of two regions have in common is the project alone: neither is asked about what is in the other one's.
#[tokio::test(start_paused = true)]
async fn an_endpoint_of_another_region_of_which_nothing_is_heard_holds_no_deletion_back() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.apply(with(link("west"), json!({"spec": {"region": "us-west-2"}})));
    world.until(10 * MINUTE, "Ready", |world| world.link_ready("west")).await;
    answers(&world, "configmaps", StatusCode::INTERNAL_SERVER_ERROR);
    let from = json!({"configMapKeyRef": {"name": "ids", "key": "id"}});
    let spec = json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": from}});
    world.apply(with(endpoint("west-a", "west", VPCE), spec));
    world.pass(MINUTE).await;
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    world.until(5 * MINUTE, "gone", |world| world.find_endpoint(NAMESPACE, "orders-a").is_none()).await;
}

/// A policy or a missing permission: the object says so, once, as far as that is taken.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_refused_is_told_on_the_object() {
    let mut world = World::new(Nature::default());
    world.credentials();
    let records = Matcher::any().resource(LINKS).verb(Verb::Patch).subresource("");
    world.kube.inject(Rule::new(records, Fault::status(StatusCode::FORBIDDEN)).always());
    let _operator = world.start();
    world.apply(link("orders"));
    world.until(MINUTE, "told", |world| world.link_is("orders", Standing::Reconciling, "Retrying")).await;
    let message = message(&world, LINKS, NAMESPACE, "orders");
    assert!(message.starts_with("the API server refuses a change that the operator has to make: "), "{message}");
    let told = status(&world, LINKS, "orders");
    world.pass(HOUR).await;
    assert_eq!(status(&world, LINKS, "orders"), told, "told once");
    assert_eq!(writes_to_atlas(&world), 0);
    world.kube.lift_all();
    world.until(10 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
}

/// After a restart the links may be listed much later than the endpoints: then it is not known that a link is missing.
#[tokio::test(start_paused = true)]
async fn a_link_that_was_not_listed_yet_is_not_said_to_be_missing() {
    let (mut world, operator) = ready_pair(Nature::default()).await;
    operator.stop().await;
    let lists = Matcher::any().resource(LINKS).verb(Verb::List);
    let rule = world.kube.inject(Rule::new(lists, Fault::status(StatusCode::SERVICE_UNAVAILABLE)).always());
    let written = world.operator_writes().len();
    let operator = world.start();
    world.pass(2 * MINUTE).await;
    world.kube.lift(rule);
    world.pass(2 * MINUTE).await;
    let writes = world.operator_writes();
    assert_eq!(writes.len(), written, "something was said: {:#?}", &writes.0[written..]);
    operator.stop().await;
}

/// All that use a Secret wait for one answer, which may never come.
#[tokio::test(start_paused = true)]
async fn a_secret_that_is_never_answered_holds_nobody_up_for_long() {
    let mut world = World::new(Nature::default());
    world.credentials();
    let first = Matcher::any().resource("secrets").verb(Verb::Get);
    world.kube.inject(Rule::new(first, Fault::hang_before()).nth(1));
    let _operator = world.start();
    world.apply(link("orders"));
    world.until(MINUTE, "asked for", |world| world.calls(Operation::CreateService) == 1).await;
}
