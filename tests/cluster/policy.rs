//! The admission policy of `deploy/admission/` refuses a second link for one service, and nothing else.

use super::world::*;
use atlas_privatelink_operator::testbed::control_plane::{ControlPlane, Options};
use http::Method;
use serde_json::{Value, json};

const POLICY: &str = include_str!("../../deploy/admission/one-link-per-service.yaml");
const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

/// Applies the policy and its binding as they stand in the file.
async fn applies_the_policy(world: &World) {
    for object in serde_saphyr::from_multiple::<Value>(POLICY).expect("YAML") {
        let plural = match object["kind"].as_str() {
            Some("ValidatingAdmissionPolicy") => "validatingadmissionpolicies",
            Some("ValidatingAdmissionPolicyBinding") => "validatingadmissionpolicybindings",
            other => panic!("{other:?}"),
        };
        world.send(Method::POST, &format!("{GROUP}/{plural}"), JSON, &object).await.expect("created");
    }
}

fn link_in(name: &str, spec: &Value) -> Value {
    with(link(name), &json!({"spec": spec}))
}

#[tokio::test]
async fn a_second_link_for_one_service_is_refused() {
    // The policy holds for a whole cluster.
    let _turn = ONE_MORE_CONTROL_PLANE.lock().await;
    let control_plane = ControlPlane::start(Options::default()).await.expect("started");
    define(&control_plane.client()).await;
    let world = World::new(Nature { plane: Plane::of(&control_plane), ..Nature::default() }).await;
    world.create(&link("orders")).await.expect("the first one");
    applies_the_policy(&world).await;
    // A new policy takes a moment to be known.
    world
        .until(SOON, "the policy is known", async |world| {
            let second = world.create(&link("second")).await;
            if second.is_ok() {
                world.delete(LINKS, "second").await;
            }
            second.is_err()
        })
        .await;
    let refused =
        world.create(&link_in("second", &json!({"region": "US_EAST_1"}))).await.expect_err("another spelling");
    assert!(refused.to_string().contains("the AtlasPrivateLink orders is already for AWS us-east-1"), "{refused}");
    for (name, spec) in [
        ("region", json!({"region": "us-west-2"})),
        ("project", json!({"projectId": "5df264b8f10fab7d2cad2f0e"})),
        ("provider", json!({"provider": "AZURE", "region": "us-east-1"})),
    ] {
        world.create(&link_in(name, &spec)).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    world.merge(LINKS, "orders", &json!({"spec": {"suspend": true}})).await.expect("an edit");
    world.delete(LINKS, "orders").await;
    world.until(SOON, "its place is free", async |world| world.create(&link("heir")).await.is_ok()).await;
    control_plane.stop().await.expect("stopped");
}
