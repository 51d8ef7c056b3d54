//! What the API server says to the Pods in a namespace that enforces Pod Security `restricted`.

use super::helm::{Helm, chart};
use crate::cluster::*;
use http::Method;
use serde_json::{Value, json};

/// A namespace that takes no other Pods, with the ServiceAccounts that ours name.
async fn strict_namespace(world: &World, accounts: &[&str]) -> String {
    let name = fresh("restricted");
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let namespace = json!({"metadata": {"name": name, "labels": labels}});
    world.send(Method::POST, "/api/v1/namespaces", JSON, &namespace).await.expect("a namespace");
    for account in accounts {
        let path = format!("/api/v1/namespaces/{name}/serviceaccounts");
        // The controller manager may have been quicker with its own.
        let _ = world.send(Method::POST, &path, JSON, &json!({"metadata": {"name": account}})).await;
    }
    name
}

async fn admitted(world: &World, namespace: &str, pod: &Value) -> Result<Value, String> {
    let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
    world.send(Method::POST, &path, JSON, pod).await.map_err(|error| error.to_string())
}

/// The Pods that a rendering leads to: of the Deployment's template, and of the test.
fn pods(objects: &[Value]) -> Vec<Value> {
    let of = |kind: &str| objects.iter().find(|object| object["kind"] == kind).expect("one").clone();
    let mut template = of("Deployment")["spec"]["template"].take();
    template["metadata"]["name"] = json!("from-template");
    let mut test = of("Pod");
    test["metadata"].as_object_mut().expect("metadata").remove("namespace");
    vec![template, test]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pod_of_ours_is_let_in() {
    let world = World::new(Nature::default()).await;
    let account = "release-atlas-privatelink-operator";
    let namespace = strict_namespace(&world, &["default", account]).await;
    let (helm, mut seen) = (Helm::offline(), 0);
    for entry in std::fs::read_dir(chart().join("ci")).expect("ci/") {
        let file = entry.expect("an entry").path();
        let values = std::fs::read_to_string(&file).expect("values");
        for pod in pods(&helm.template(&chart(), &values, &[]).expect("rendered")) {
            let answer = admitted(&world, &namespace, &pod).await;
            answer.unwrap_or_else(|error| panic!("{}: {error}\n{pod:#}", file.display()));
            seen += 1;
        }
    }
    assert!(seen >= 6);
    // The namespace means it.
    for (pointer, bad) in [
        ("/spec/securityContext/seccompProfile", Value::Null),
        ("/spec/securityContext/runAsNonRoot", json!(false)),
        ("/spec/containers/0/securityContext/capabilities", json!({})),
        ("/spec/containers/0/securityContext/allowPrivilegeEscalation", json!(true)),
    ] {
        let mut pod = pods(&helm.template(&chart(), "", &[]).expect("rendered")).remove(0);
        *pod.pointer_mut(pointer).expect("it is set") = bad;
        let refusal = admitted(&world, &namespace, &pod).await.expect_err(pointer);
        assert!(refusal.contains("violates PodSecurity"), "{refusal}");
    }
}
