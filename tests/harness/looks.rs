//! What the tests of sharing, replacing and conditions look at, and the worlds that they begin with.

use super::world::*;
use atlas_privatelink_operator::testbed::simulator::{Cause, Change, Effect, Operation, Provider, Request};
use serde_json::{Value, json};
use std::time::Duration;

pub const MINUTE: Duration = Duration::from_secs(60);
/// An endpoint of somebody else's.
pub const FOREIGN: &str = "vpce-0f0f0f0f0f0f0f0f0";
/// Another namespace than that of the manifests.
pub const ELSEWHERE: &str = "billing";
pub const HOUR: Duration = Duration::from_secs(3600);

/// The manifest, in another namespace.
pub fn within(namespace: &str, manifest: Value) -> Value {
    with(manifest, serde_json::json!({"metadata": {"namespace": namespace}}))
}

/// A world in which `orders` and its endpoint `orders-a` are Ready, and its operator.
pub async fn ready_pair(nature: Nature) -> (World, Running) {
    let mut world = World::new(nature);
    let operator = world.start();
    world.credentials();
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    both_ready(&world).await;
    (world, operator)
}

/// A world in which `orders` is Ready, and its operator.
pub async fn ready_link(nature: Nature) -> (World, Running) {
    let mut world = World::new(nature);
    let operator = world.start();
    world.credentials();
    world.apply(link("orders"));
    world.until(10 * MINUTE, "the link Ready", |world| world.link_ready("orders")).await;
    (world, operator)
}

/// A world without objects, whose Secret is there, and its operator.
pub fn empty() -> (World, Running) {
    let mut world = World::new(Nature::default());
    let operator = world.start();
    world.credentials();
    (world, operator)
}

/// Somebody else's service in the region of the manifests.
pub fn foreign_service(world: &World) -> String {
    let (project, region) = (PROJECT.to_owned(), "us-east-1".to_owned());
    let change = Change::CreateService { project, provider: Provider::Aws, region, port_mapped: false, ready: true };
    world.change(change).unwrap()
}

/// Somebody else's endpoint, attached and available.
pub fn foreign_endpoint(world: &World, service: &str) {
    somebody_has_attached(world, service, FOREIGN);
}

/// The same, under that id.
pub fn somebody_has_attached(world: &World, service: &str, endpoint: &str) {
    let (project, service, endpoint) = (PROJECT.to_owned(), service.to_owned(), endpoint.to_owned());
    world.change(Change::AddEndpoint { project, service, endpoint, ready: true });
}

/// Somebody else has detached it.
pub fn somebody_has_detached(world: &World, service: &str, endpoint: &str) {
    let (project, service, endpoint) = (PROJECT.to_owned(), service.to_owned(), endpoint.to_owned());
    world.change(Change::DeleteEndpoint { project, service, endpoint });
}

pub async fn both_ready(world: &World) {
    world
        .until(30 * MINUTE, "both Ready", |world| world.link_ready("orders") && world.endpoint_ready("orders-a"))
        .await;
}

/// The object; null where there is none.
pub fn object(world: &World, plural: &str, namespace: &str, name: &str) -> Value {
    world.kube.get(plural, namespace, name).unwrap_or(Value::Null)
}

/// The object's status, at home.
pub fn status(world: &World, plural: &str, name: &str) -> Value {
    object(world, plural, NAMESPACE, name)["status"].clone()
}

/// The message of an object's conditions.
pub fn message(world: &World, plural: &str, namespace: &str, name: &str) -> String {
    let object = object(world, plural, namespace, name);
    object["status"]["conditions"][0]["message"].as_str().unwrap_or_default().to_owned()
}

/// Whether an object is Ready, with this origin.
pub fn ready_as(world: &World, plural: &str, namespace: &str, name: &str, origin: &str) -> bool {
    let status = &object(world, plural, namespace, name)["status"];
    status["conditions"][0]["status"] == "True" && status["origin"] == origin
}

/// What an object's conditions say: Ready's status and reason, and the abnormal condition, if one is there.
pub fn says(world: &World, plural: &str, name: &str) -> (String, String, String) {
    let conditions = &status(world, plural, name)["conditions"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&conditions[0]["status"]), text(&conditions[0]["reason"]), text(&conditions[1]["type"]))
}

pub fn verdict(ready: &str, reason: &str, abnormal: &str) -> (String, String, String) {
    (ready.to_owned(), reason.to_owned(), abnormal.to_owned())
}

/// Changes what an object asks for.
pub fn edit(world: &World, plural: &str, name: &str, spec: Value) {
    world.kube.patch(plural, NAMESPACE, name, json!({"spec": spec})).unwrap();
}

/// The reasons of the events on an object, oldest first, one for each time that it was told.
pub fn told(world: &World, name: &str) -> Vec<String> {
    let events = world.kube.list("events");
    let mut about: Vec<_> = events.iter().filter(|event| event["regarding"]["name"] == name).collect();
    about.sort_by_key(|event| event["eventTime"].as_str().unwrap_or_default().to_owned());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let times = |event: &Value| event["series"]["count"].as_u64().unwrap_or(1);
    about.iter().flat_map(|event| (0..times(event)).map(|_| text(&event["reason"]))).collect()
}

/// The note of the last event of this reason on an object.
pub fn note(world: &World, name: &str, reason: &str) -> String {
    let events = world.kube.list("events");
    let about = events.iter().filter(|event| event["regarding"]["name"] == name && event["reason"] == reason);
    let last = about.max_by_key(|event| event["eventTime"].as_str().unwrap_or_default().to_owned());
    last.and_then(|event| event["note"].as_str()).unwrap_or_default().to_owned()
}

/// The requests to Atlas that match.
pub fn requests(world: &World, wanted: impl Fn(&Request) -> bool) -> Vec<Request> {
    world.ledger().requests().filter(|request| wanted(request)).cloned().collect()
}

/// Every DELETE that reached Atlas, granted or not.
pub fn deletes(world: &World) -> Vec<String> {
    requests(world, |request| request.method == "DELETE").into_iter().map(|request| request.path).collect()
}

/// The ids of all endpoints, of every service.
pub fn attached(world: &World) -> Vec<String> {
    let services = world.services();
    let endpoints = services.iter().flat_map(|service| service["endpoints"].as_array().unwrap());
    endpoints.map(|endpoint| endpoint["id"].as_str().unwrap().to_owned()).collect()
}

pub fn is_attached(world: &World, endpoint: &str) -> bool {
    attached(world).iter().any(|attached| attached == endpoint)
}

/// Whether Atlas was asked to detach the endpoint of the manifests.
pub fn asked_to_detach(world: &World) -> bool {
    world.ledger().endpoint_deletes().contains(&VPCE)
}

/// The one service in Atlas.
pub fn only_service(world: &World) -> String {
    let services = world.services();
    assert_eq!(services.len(), 1, "{services:#?}");
    services[0]["id"].as_str().unwrap().to_owned()
}

/// Makes the world's time pass until nothing is left of the objects, and sees that Atlas is empty.
pub async fn gone_without_trace(world: &World) {
    gone(world).await;
    super::oracle::always(world);
}

/// Makes the world's time pass until nothing is left of the objects, here or in Atlas.
pub async fn gone(world: &World) {
    world.until(HOUR, "all gone", World::is_empty).await;
    super::oracle::nothing_left(world);
}

/// How many requests of an operation have reached Atlas.
pub fn writes_to_atlas(world: &World) -> usize {
    requests(world, |request| request.operation.is_some_and(Operation::is_write)).len()
}

/// The places in the ledger of the effects that match; those behind the operator's back do not count.
pub fn places(world: &World, wanted: impl Fn(&Effect) -> bool) -> Vec<u64> {
    let ledger = world.ledger();
    let by_operator = ledger.iter().filter(|entry| entry.cause != Cause::BehindTheBack && wanted(&entry.effect));
    by_operator.map(|entry| entry.order).collect()
}
