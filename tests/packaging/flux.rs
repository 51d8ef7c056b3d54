//! The health expressions for Flux, evaluated by the API server's CEL: a definition is made whose rules are their negations,
//! so that what it refuses an object for are the expressions that hold.

use super::{
    argocd::{KINDS, folder},
    helm::{objects, repository},
};
use crate::cluster::*;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NAMES: [&str; 3] = ["inProgress", "failed", "current"];

/// All Kustomizations in `deploy/flux/links.yaml`.
fn kustomizations() -> Vec<Value> {
    let text = std::fs::read_to_string(repository("deploy/flux/links.yaml")).expect("links.yaml");
    objects(&text).expect("YAML")
}

/// The expressions for a kind.
fn expressions(kind: &str) -> Value {
    let all = kustomizations();
    let of_kind = |all: &[Value]| -> Vec<Value> {
        let entries = all.iter().filter_map(|one| one["spec"]["healthCheckExprs"].as_array()).flatten();
        entries.filter(|entry| entry["kind"] == kind).cloned().collect()
    };
    of_kind(&all).pop().expect("expressions")
}

/// A kind whose `spec.object` is refused for each expression that holds for it.
fn definition(plural: &str, expressions: &Value) -> Value {
    let rules: Vec<Value> = NAMES
        .iter()
        .map(|name| {
            let expression = expressions[name].as_str().expect("an expression");
            // There, the object's fields are variables; here, they are fields of `self`.
            let expression = expression.replace("status.o", "self.status.o").replace("status.c", "self.status.c");
            let expression = expression.replace("metadata.g", "self.metadata.g");
            json!({"rule": format!("!({expression})"), "message": format!("holds: {name}")})
        })
        .collect();
    let number = json!({"type": "integer"});
    let text = json!({"type": "string", "maxLength": 64});
    let condition = json!({"type": "object", "properties": {"type": text, "status": text}});
    let conditions = json!({"type": "array", "maxItems": 8, "items": condition});
    let object = json!({"type": "object", "x-kubernetes-validations": rules, "properties": {
        "metadata": {"type": "object", "properties": {"generation": number}},
        "status": {"type": "object", "properties": {"observedGeneration": number, "conditions": conditions}},
    }});
    let schema =
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {"object": object}}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.packaging.test")},
        "spec": {
            "group": "packaging.test", "scope": "Cluster", "names": {"plural": plural, "kind": plural},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    })
}

/// The expressions that hold for an object.
async fn holding(world: &World, plural: &str, object: &Value) -> BTreeSet<&'static str> {
    let conditions = object["status"]["conditions"].as_array().map(|all| {
        let brief = |condition: &Value| json!({"type": condition["type"], "status": condition["status"]});
        Value::Array(all.iter().map(brief).collect())
    });
    let mut status = json!({"observedGeneration": object["status"]["observedGeneration"]});
    if let Some(conditions) = conditions {
        status["conditions"] = conditions;
    }
    let inner = json!({"metadata": {"generation": object["metadata"]["generation"]}, "status": status});
    let body = json!({"apiVersion": "packaging.test/v1", "kind": plural, "metadata": {"name": "one"}, "spec": {"object": inner}});
    let path = format!("/apis/packaging.test/v1/{plural}?dryRun=All");
    match world.send(Method::POST, &path, JSON, &body).await {
        Ok(_) => BTreeSet::new(),
        Err(kube::Error::Api(refusal)) if refusal.code == 422 => {
            let said = |name: &&str| refusal.message.contains(&format!("holds: {name}"));
            NAMES.into_iter().filter(said).collect()
        }
        Err(error) => panic!("{error}"),
    }
}

/// Exactly one of them holds for every state, and it says what Argo CD's script says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_expressions_say_what_the_script_says() {
    let world = World::new(Nature::default()).await;
    for kind in KINDS {
        let plural = format!("{}verdicts", kind.to_lowercase());
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.packaging.test");
        let apply = format!("{path}?fieldManager={MANAGER}&force=true");
        world.send(Method::PATCH, &apply, APPLY, &definition(&plural, &expressions(kind))).await.expect("valid CEL");
        let list = format!("/apis/packaging.test/v1/{plural}");
        world
            .until(SOON, "the kind is served", async |world: &World| {
                world.send(Method::GET, &list, JSON, &Value::Null).await.is_ok()
            })
            .await;
        let tests = std::fs::read_to_string(folder(kind).join("health_test.yaml")).expect("tests");
        let tests: Value = serde_saphyr::from_str(&tests).expect("YAML");
        let mut seen = BTreeSet::new();
        for test in tests["tests"].as_array().expect("tests") {
            let file = test["inputPath"].as_str().expect("a path");
            let text = std::fs::read_to_string(folder(kind).join(file)).expect("test data");
            let object: Value = serde_saphyr::from_str(&text).expect("YAML");
            let expected = match test["healthStatus"]["status"].as_str().expect("a status") {
                // Flux looks at the deletion before it looks at expressions.
                _ if !object["metadata"]["deletionTimestamp"].is_null() => continue,
                "Progressing" => "inProgress",
                "Degraded" => "failed",
                // Suspended is no verdict of Flux's: it goes by the conditions, which say Ready here.
                "Healthy" | "Suspended" => "current",
                other => panic!("{file}: {other}"),
            };
            assert_eq!(holding(&world, &plural, &object).await, BTreeSet::from([expected]), "{kind} {file}");
            seen.insert(expected);
        }
        assert_eq!(seen.len(), NAMES.len(), "{kind}: {seen:?}");
    }
}

/// Each Kustomization waits for what it brings, and the endpoints wait for the links.
#[test]
fn the_kustomizations_wait_in_order() {
    let [links, endpoints] = &kustomizations()[..] else { panic!("two") };
    for (kustomization, kind) in [links, endpoints].into_iter().zip(KINDS) {
        let (spec, checks) = (&kustomization["spec"], &kustomization["spec"]["healthChecks"]);
        assert_eq!(checks[0]["kind"], kind);
        assert_eq!(checks[0]["namespace"], spec["targetNamespace"]);
        assert_eq!(spec["healthCheckExprs"][0]["kind"], kind);
    }
    assert_eq!(endpoints["spec"]["dependsOn"][0]["name"], links["metadata"]["name"]);
}
