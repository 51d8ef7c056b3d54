//! Manifests that carry another object's past: copied with their annotations and status, or restored without them.

use super::world::*;
use atlas_privatelink_operator::{
    api::{ATTEMPT_ANNOTATION, FINALIZER},
    testbed::simulator::{Change, Provider},
};
use serde_json::{Value, json};

/// Puts an object into another namespace as a careless backup tool does: annotations, finalizers, then the status.
async fn copied(world: &World, namespace: &str, original: &Value) -> Value {
    let (metadata, mut copy) = (&original["metadata"], original.clone());
    copy["metadata"] = json!({
        "name": metadata["name"], "annotations": metadata["annotations"], "finalizers": metadata["finalizers"],
    });
    world.apply_in(namespace, &copy).await;
    let name = metadata["name"].as_str().expect("a name");
    let plural = if original["kind"] == "AtlasPrivateLink" { LINKS } else { ENDPOINTS };
    // The operator writes status as well: what the tool writes wins at first, whatever came before.
    let status = json!({"status": original["status"]});
    world.merge_in(namespace, plural, &format!("{name}/status"), &status).await.expect("taken")
}

async fn originals(world: &World) -> (Value, Value) {
    world.credentials().await;
    world.apply(&link("orders")).await;
    world.apply(&endpoint("orders-a", "orders", VPCE)).await;
    let endpoint = world.until_ready(ENDPOINTS, "orders-a").await;
    (world.until_ready(LINKS, "orders").await, endpoint)
}

async fn until_origin(world: &World, namespace: &str, plural: &str, name: &str, origin: &str) {
    world
        .until(SOON, &format!("{name} is {origin} in {namespace}"), async |world: &World| {
            let object = world.get_in(namespace, plural, name).await;
            object.is_some_and(|object| object["status"]["origin"] == origin && is_ready(&object))
        })
        .await;
}

async fn until_all_gone(world: &World, namespace: &str) {
    world
        .until(SOON, "all is gone", async |world: &World| {
            world.list_in(namespace, LINKS).await.is_empty() && world.list_in(namespace, ENDPOINTS).await.is_empty()
        })
        .await;
}

fn deletes(world: &World) -> usize {
    let ledger = world.ledger();
    ledger.service_deletes().len() + ledger.endpoint_deletes().len()
}

async fn another_namespace(world: &World) -> String {
    let namespace = fresh("copy");
    world.create_namespace(&namespace).await;
    world.apply_in(&namespace, &secret(&[("publicKey", PUBLIC), ("privateKey", PRIVATE)])).await;
    namespace
}

/// One operator sees both: the copy shares, and its end is nobody else's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_beside_its_original_owns_nothing() {
    let world = World::new(Nature { resync: "1s", ..Nature::default() }).await;
    let copy = another_namespace(&world).await;
    let _operator = world.start_in(&[&world.namespace, &copy]);
    let (link, endpoint) = originals(&world).await;
    copied(&world, &copy, &link).await;
    copied(&world, &copy, &endpoint).await;
    until_origin(&world, &copy, LINKS, "orders", "Adopted").await;
    until_origin(&world, &copy, ENDPOINTS, "orders-a", "Adopted").await;
    for plural in [ENDPOINTS, LINKS] {
        world.delete_in(&copy, plural, if plural == LINKS { "orders" } else { "orders-a" }).await;
    }
    until_all_gone(&world, &copy).await;
    assert_eq!(deletes(&world), 0, "the copy's end reached Atlas");
    until_origin(&world, &world.namespace, LINKS, "orders", "Created").await;
    until_origin(&world, &world.namespace, ENDPOINTS, "orders-a", "Created").await;
    world.always().await;
}

/// The original is in a cluster that the copy's operator knows nothing of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_far_from_its_original_owns_nothing() {
    let world = World::new(Nature { resync: "1s", ..Nature::default() }).await;
    let copy = another_namespace(&world).await;
    let _here = world.start();
    let _there = world.start_in(&[&copy]);
    let (link, endpoint) = originals(&world).await;
    copied(&world, &copy, &link).await;
    copied(&world, &copy, &endpoint).await;
    until_origin(&world, &copy, LINKS, "orders", "Adopted").await;
    until_origin(&world, &copy, ENDPOINTS, "orders-a", "Adopted").await;
    world.delete_in(&copy, ENDPOINTS, "orders-a").await;
    world.delete_in(&copy, LINKS, "orders").await;
    until_all_gone(&world, &copy).await;
    assert_eq!(deletes(&world), 0, "the copy's end reached Atlas");
    world.always().await;
}

/// The status is emptied under a running operator: what the record proves is ours again, and goes with the object.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_status_is_found_again_by_the_record() {
    let world = World::new(Nature { resync: "1s", ..Nature::default() }).await;
    let _operator = world.start();
    originals(&world).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        let empty = json!([{"op": "replace", "path": "/status", "value": {"observedGeneration": -1}}]);
        emptied(&world, plural, name, &empty).await;
        until_origin(&world, &world.namespace, plural, name, "Created").await;
    }
    assert_eq!(deletes(&world), 0);
    world.delete(ENDPOINTS, "orders-a").await;
    world.delete(LINKS, "orders").await;
    until_all_gone(&world, &world.namespace).await;
    world.nothing_is_left();
    assert_eq!(world.ledger().creates().values().sum::<usize>(), 1);
    world.always().await;
}

async fn emptied(world: &World, plural: &str, name: &str, patch: &Value) {
    let path = format!("/apis/atlas.privatelink.dev/v1alpha1/namespaces/{}/{plural}/{name}/status", world.namespace);
    world.send(http::Method::PATCH, &path, "application/json-patch+json", patch).await.expect("taken");
}

/// Restored from a backup that has neither status nor the same uid: nothing proves that Atlas' side is ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_restored_without_status_adopts_and_deletes_nothing() {
    let world = World::new(Nature { resync: "1s", ..Nature::default() }).await;
    let operator = world.start();
    let (link, endpoint) = originals(&world).await;
    operator.kill().await;
    for (plural, name, backup) in [(ENDPOINTS, "orders-a", endpoint), (LINKS, "orders", link)] {
        assert_eq!(backup["metadata"]["finalizers"], json!([FINALIZER]));
        assert!(backup["metadata"]["annotations"][ATTEMPT_ANNOTATION].is_string());
        world.delete(plural, name).await;
        world.merge(plural, name, &json!({"metadata": {"finalizers": null}})).await.expect("taken");
        world.until_gone(plural, name).await;
        let metadata = json!({
            "name": name, "annotations": backup["metadata"]["annotations"], "finalizers": backup["metadata"]["finalizers"],
        });
        let mut restored = backup.clone();
        restored["metadata"] = metadata;
        restored.as_object_mut().expect("an object").remove("status");
        world.create(&restored).await.expect("restored");
    }
    let _operator = world.start();
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        until_origin(&world, &world.namespace, plural, name, "Adopted").await;
    }
    world.delete(ENDPOINTS, "orders-a").await;
    world.delete(LINKS, "orders").await;
    until_all_gone(&world, &world.namespace).await;
    assert_eq!(deletes(&world), 0, "something was deleted that was not proved ours");
    world.always().await;
}

/// Somebody else's service, adopted; then its status is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_adopted_stays_so_when_its_status_is_lost() {
    let world = World::new(Nature { resync: "1s", ..Nature::default() }).await;
    let foreign = Change::CreateService {
        project: PROJECT.into(),
        provider: Provider::Aws,
        region: "US_EAST_1".into(),
        port_mapped: false,
        ready: true,
    };
    let service = world.change(foreign).expect("made");
    let attached = Change::AddEndpoint { project: PROJECT.into(), service, endpoint: VPCE.into(), ready: true };
    world.change(attached);
    let _operator = world.start();
    originals(&world).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        emptied(&world, plural, name, &json!([{"op": "remove", "path": "/status"}])).await;
        until_origin(&world, &world.namespace, plural, name, "Adopted").await;
    }
    world.delete(ENDPOINTS, "orders-a").await;
    world.delete(LINKS, "orders").await;
    until_all_gone(&world, &world.namespace).await;
    assert_eq!(deletes(&world), 0);
    assert_eq!(world.services().len(), 1);
    world.always().await;
}
