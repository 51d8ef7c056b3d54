//! The whole life of both kinds under the operator's own binary, as `kubectl apply` sees it.

use super::world::*;
use atlas_privatelink_operator::api::Standing;
use http::Method;
use serde_json::{Value, json};

/// How the manifests get into the cluster.
#[derive(Clone, Copy)]
enum Way {
    ServerSide,
    /// What kubectl does without `--server-side`: create, then merge patches, the manifest kept in an annotation.
    ClientSide,
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

async fn apply(world: &World, way: Way, manifest: &Value) -> Value {
    match way {
        Way::ServerSide => world.apply(manifest).await,
        Way::ClientSide => {
            let annotation = json!({"metadata": {"annotations": {LAST_APPLIED: manifest.to_string()}}});
            let manifest = with(manifest.clone(), &annotation);
            let plural = if manifest["kind"] == "AtlasPrivateLink" { LINKS } else { ENDPOINTS };
            let name = manifest["metadata"]["name"].as_str().expect("a name");
            match world.get(plural, name).await {
                None => world.create(&manifest).await.expect("created"),
                Some(_) => world.merge(plural, name, &manifest).await.expect("merged"),
            }
        }
    }
}

async fn whole_life(world: &World, way: Way, credentials: &[(&str, &str)]) {
    let operator = world.start();
    let (link, endpoint) = (link("orders"), endpoint_from("orders-a", "orders", "vpc-a", "id"));
    world.apply(&secret(credentials)).await;
    for manifest in [&link, &endpoint] {
        let fresh = apply(world, way, manifest).await;
        assert_eq!(fresh["status"], json!({"observedGeneration": -1}));
    }
    world.until_says(ENDPOINTS, "orders-a", Standing::Reconciling, "WaitingForEndpointId").await;
    world.apply(&config_map("vpc-a", "id", VPCE)).await;
    world.until_ready(LINKS, "orders").await;
    let endpoint_ready = world.until_ready(ENDPOINTS, "orders-a").await;
    world
        .until(SOON, "the link shows its endpoint", async |world: &World| {
            world.get(LINKS, "orders").await.is_some_and(|link| link["status"]["interfaceEndpoints"] == json!([VPCE]))
        })
        .await;
    let ready = (world.until_ready(LINKS, "orders").await, endpoint_ready);
    shows_what_atlas_says(world, &ready.0, &ready.1);
    for (object, manifest) in [(&ready.0, &link), (&ready.1, &endpoint)] {
        only_users_write_spec(object, manifest);
    }
    applied_again(world, way, &link).await;
    applied_again(world, way, &endpoint).await;
    suspended_and_resumed(world, way, &link).await;

    world.delete(LINKS, "orders").await;
    world.until_says(LINKS, "orders", Standing::Reconciling, "DeletionBlocked").await;
    world.delete(ENDPOINTS, "orders-a").await;
    world.until_gone(ENDPOINTS, "orders-a").await;
    world.until_gone(LINKS, "orders").await;
    world.nothing_is_left();
    world.always().await;
    operator.kill().await;
}

fn shows_what_atlas_says(world: &World, link: &Value, endpoint: &Value) {
    let services = world.services();
    let (link, endpoint) = (&link["status"], &endpoint["status"]);
    assert_eq!(services.len(), 1);
    assert_eq!(link["privateLinkId"], services[0]["id"]);
    assert_eq!(link["regionName"], "US_EAST_1");
    assert_eq!(link["origin"], "Created");
    assert!(link["endpointServiceName"].as_str().is_some_and(|name| name.starts_with("com.amazonaws.vpce.us-east-1.")));
    assert_eq!(endpoint["privateLinkId"], services[0]["id"]);
    assert_eq!(endpoint["interfaceEndpointId"], VPCE);
    assert_eq!(endpoint["connectionStatus"], "AVAILABLE");
    assert_eq!(endpoint["origin"], "Created");
}

/// The operator owns fields of status and metadata, and the spec is what the user wrote, to the letter.
fn only_users_write_spec(object: &Value, manifest: &Value) {
    assert_eq!(object["spec"], manifest["spec"]);
    assert_eq!(object["metadata"]["generation"], 1);
    let managers = object["metadata"]["managedFields"].as_array().expect("managed fields");
    let operators: Vec<_> = managers.iter().filter(|entry| entry["manager"] != MANAGER).collect();
    assert!(!operators.is_empty(), "the operator wrote nothing");
    for entry in operators {
        let fields: Vec<_> = entry["fieldsV1"].as_object().expect("fields").keys().collect();
        assert!(fields.iter().all(|field| *field == "f:metadata" || *field == "f:status"), "{entry:#}");
    }
}

/// A second `apply` of the same manifest is no change at all, and takes nothing of the operator's away.
async fn applied_again(world: &World, way: Way, manifest: &Value) {
    let (plural, name) = (plural_of(manifest), manifest["metadata"]["name"].as_str().expect("a name"));
    // The operator's last word on it may come just in between; it has only so many.
    world
        .until(SOON, &format!("{name} is the same after it is applied again"), async |world: &World| {
            let before = world.get(plural, name).await.expect("there");
            let again = apply(world, way, manifest).await;
            ["generation", "resourceVersion", "finalizers", "annotations"]
                .iter()
                .all(|field| again["metadata"][field] == before["metadata"][field])
                && again["status"] == before["status"]
        })
        .await;
}

/// What `kubectl wait` looks at: conditions that speak of the newest generation.
async fn suspended_and_resumed(world: &World, way: Way, manifest: &Value) {
    let calls = world.ledger().len();
    apply(world, way, &with(manifest.clone(), &json!({"spec": {"suspend": true}}))).await;
    let suspended = world.until_ready(LINKS, "orders").await;
    assert_eq!(suspended["status"]["observedGeneration"], 2);
    let conditions = suspended["status"]["conditions"].as_array().expect("conditions");
    assert!(conditions.iter().all(|condition| condition["observedGeneration"] == 2), "{conditions:?}");
    let writes = |world: &World| world.ledger()[calls..].iter().filter(|entry| is_write(entry)).count();
    assert_eq!(writes(world), 0);
    // kubectl takes away a field that the manifest no longer has.
    let resumed = match way {
        Way::ServerSide => apply(world, way, manifest).await,
        Way::ClientSide => {
            let taken =
                json!({"metadata": {"annotations": {LAST_APPLIED: manifest.to_string()}}, "spec": {"suspend": null}});
            world.merge(LINKS, "orders", &taken).await.expect("merged")
        }
    };
    assert_eq!(resumed["spec"], manifest["spec"]);
    world.until_ready(LINKS, "orders").await;
}

fn is_write(entry: &atlas_privatelink_operator::testbed::simulator::Entry) -> bool {
    entry.request().and_then(|request| request.operation).is_some_and(|operation| operation.is_write())
}

const KEY: [(&str, &str); 2] = [("publicKey", PUBLIC), ("privateKey", PRIVATE)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_life_in_v2_applied_server_side() {
    let world = World::new(Nature::default()).await;
    whole_life(&world, Way::ServerSide, &KEY).await;
    assert!(world.ledger().iter().all(|entry| entry.request().is_none_or(|r| r.path.starts_with("/api/atlas/v2/"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_life_in_v1_applied_client_side() {
    let world = World::new(Nature { dialect: "v1.0", ..Nature::default() }).await;
    whole_life(&world, Way::ClientSide, &KEY).await;
    assert!(world.ledger().iter().all(|entry| entry.request().is_none_or(|r| r.path.starts_with("/api/atlas/v1.0/"))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_life_with_a_service_account() {
    let world = World::new(Nature::default()).await;
    whole_life(&world, Way::ServerSide, &[("clientId", CLIENT_ID), ("clientSecret", CLIENT_SECRET)]).await;
    let ledger = world.ledger();
    let mut callers = ledger.requests().filter_map(|request| request.caller.as_deref());
    assert!(callers.all(|caller| caller == CLIENT_ID));
    assert_eq!(world.calls(atlas_privatelink_operator::testbed::simulator::Operation::Token), 1, "one token is enough");
}

/// Half of a minute's work of a person: the status is not to be written from outside the status subresource.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_in_a_manifest_counts_for_nothing() {
    let world = World::new(Nature::default()).await;
    let claims = json!({"status": {"origin": "Created", "privateLinkId": "5df264b8f10fab7d2cad2f0e"}});
    let path = format!("/apis/atlas.privatelink.dev/v1alpha1/namespaces/{}/{LINKS}", world.namespace);
    let made = world.send(Method::POST, &path, JSON, &with(link("orders"), &claims)).await.expect("created");
    assert_eq!(made["status"], json!({"observedGeneration": -1}));
}
