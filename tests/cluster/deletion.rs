//! Finalizers under real garbage collection: objects go in whatever order the cluster chooses.

use super::world::*;
use atlas_privatelink_operator::api::Standing;
use http::Method;
use serde_json::{Value, json};

const ALL: [(&str, &str); 3] = [(SECRETS, "atlas-credentials"), (LINKS, "orders"), (ENDPOINTS, "orders-a")];

/// Namespaces with a Secret, a link and an endpoint each, all Ready, each of a project of its own.
async fn settled(world: &World, namespaces: &[String]) {
    for (number, namespace) in namespaces.iter().enumerate() {
        world.create_namespace(namespace).await;
        world.apply_in(namespace, &secret(&[("publicKey", PUBLIC), ("privateKey", PRIVATE)])).await;
        world.apply_in(namespace, &link_of("orders", &project(number))).await;
        world.apply_in(namespace, &endpoint("orders-a", "orders", &vpce(number))).await;
    }
    for namespace in namespaces {
        world
            .until(SOON, "the endpoint is Ready", async |world: &World| {
                world.get_in(namespace, ENDPOINTS, "orders-a").await.is_some_and(|object| is_ready(&object))
            })
            .await;
    }
}

fn orders() -> [[usize; 3]; 6] {
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
}

async fn until_namespaces_are_gone(world: &World, namespaces: &[String]) {
    for namespace in namespaces {
        world
            .until(SOON, &format!("{namespace} is gone"), async |world: &World| {
                world.namespace_is_gone(namespace).await
            })
            .await;
    }
}

/// Each order by hand, and right after it the namespace; one namespace is left to the controller manager alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_goes_whatever_goes_first_in_it() {
    let world = World::new(Nature::default()).await;
    let namespaces: Vec<String> = (0..7).map(|_| fresh("doomed")).collect();
    let names: Vec<&str> = namespaces.iter().map(String::as_str).collect();
    let _operator = world.start_in(&names);
    settled(&world, &namespaces).await;
    for (namespace, order) in namespaces.iter().zip(orders()) {
        for index in order {
            let (plural, name) = ALL[index];
            world.delete_in(namespace, plural, name).await;
        }
    }
    for namespace in &namespaces {
        world.delete_namespace(namespace).await;
    }
    until_namespaces_are_gone(&world, &namespaces).await;
    world.nothing_is_left();
    assert_eq!(world.ledger().service_deletes().len(), namespaces.len(), "each service is deleted once");
    world.always().await;
}

/// The Secret goes first and is seen to be gone, and only later the rest: what is still known of it finishes the job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_went_first_still_serves_the_deletion() {
    let world = World::new(Nature { resync: "1s", ..Nature::default() }).await;
    let _operator = world.start();
    world.credentials().await;
    world.apply(&link("orders")).await;
    world.apply(&endpoint("orders-a", "orders", VPCE)).await;
    world.until_ready(ENDPOINTS, "orders-a").await;
    world.delete(SECRETS, "atlas-credentials").await;
    world.until_gone(SECRETS, "atlas-credentials").await;
    // After a minute nothing of it is used any more, except for a deletion.
    let is_so = |link: &Value| message(link).contains("the Secret \"atlas-credentials\" does not exist");
    world.until_is(LINKS, "orders", "the Secret is missed", is_so).await;
    world.delete(LINKS, "orders").await;
    world.until_says(LINKS, "orders", Standing::Reconciling, "DeletionBlocked").await;
    world.delete(ENDPOINTS, "orders-a").await;
    world.until_gone(ENDPOINTS, "orders-a").await;
    world.until_gone(LINKS, "orders").await;
    world.nothing_is_left();
    world.always().await;
}

/// A process that never saw the Secret cannot finish; it says how to let the object go, and then lets it go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_any_credentials_the_object_says_how_to_release_it() {
    let world = World::new(Nature::default()).await;
    let operator = world.start();
    world.credentials().await;
    world.apply(&link("orders")).await;
    world.until_ready(LINKS, "orders").await;
    operator.kill().await;
    world.delete(SECRETS, "atlas-credentials").await;
    world.delete(LINKS, "orders").await;
    let _operator = world.start();
    let stuck = world.until_says(LINKS, "orders", Standing::Stalled, "WaitingForCredentials").await;
    assert!(message(&stuck).contains("deletionPolicy to Retain"), "{}", message(&stuck));
    world.merge(LINKS, "orders", &json!({"spec": {"deletionPolicy": "Retain"}})).await.expect("taken");
    world.until_gone(LINKS, "orders").await;
    assert_eq!(world.services().len(), 1, "Retain keeps what is in Atlas");
    world.always().await;
}

/// The garbage collector deletes what an owner owns, and the owner itself only after all finalizers are off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_garbage_collector_waits_for_the_finalizers() {
    let world = World::new(Nature::default()).await;
    let _operator = world.start();
    world.credentials().await;
    let owner = world.apply(&config_map("release", "chart", "orders")).await;
    let reference = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "release", "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": true,
    }]);
    let owned = |manifest: Value| with(manifest, &json!({"metadata": {"ownerReferences": reference}}));
    world.apply(&owned(link("orders"))).await;
    world.apply(&owned(endpoint("orders-a", "orders", VPCE))).await;
    world.until_ready(ENDPOINTS, "orders-a").await;
    let path = format!("/api/v1/namespaces/{}/{MAPS}/release", world.namespace);
    let foreground = json!({"propagationPolicy": "Foreground"});
    world.send(Method::DELETE, &path, JSON, &foreground).await.expect("taken");
    world.until_gone(MAPS, "release").await;
    // It was the last to go.
    assert!(world.list(LINKS).await.is_empty() && world.list(ENDPOINTS).await.is_empty());
    world.nothing_is_left();
    world.always().await;
}
