//! What users apply in these tests, and how its answers are read.

use atlas_privatelink_operator::api::{Standing, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const PROJECT: &str = "5df264b8f10fab7d2cad2f0d";
pub const VPCE: &str = "vpce-0b9c5701325cb15dd";

pub const SECRETS: &str = "secrets";
pub const MAPS: &str = "configmaps";
pub const EVENTS: &str = "events";
pub const LINKS: &str = "atlasprivatelinks";
pub const ENDPOINTS: &str = "atlasinterfaceendpoints";

pub fn plural_of(object: &Value) -> &'static str {
    match object["kind"].as_str() {
        Some("AtlasPrivateLink") => LINKS,
        Some("AtlasInterfaceEndpoint") => ENDPOINTS,
        Some("Secret") => SECRETS,
        Some("ConfigMap") => MAPS,
        other => panic!("no plural is known for {other:?}"),
    }
}

/// A project for each number.
pub fn project(number: usize) -> String {
    format!("5df264b8f10fab7d2cad{number:04x}")
}

/// A VPC endpoint for each number.
pub fn vpce(number: usize) -> String {
    format!("vpce-0b9c5701325cb{number:04x}")
}

/// Whether an object has this verdict, of its newest generation.
pub fn says(object: &Value, standing: Standing, reason: &str) -> bool {
    let conditions: Vec<_> = serde_json::from_value(object["status"]["conditions"].clone()).unwrap_or_default();
    let (status, generation) = (&object["status"], &object["metadata"]["generation"]);
    Verdict::of(&conditions) == Some((standing, reason)) && status["observedGeneration"] == *generation
}

pub fn is_ready(object: &Value) -> bool {
    says(object, Standing::Ready, "Available")
}

/// The message of the condition Ready.
pub fn message(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    ready.and_then(|ready| ready["message"].as_str()).unwrap_or_default().to_owned()
}

pub fn secret_named(name: &str, data: &[(&str, &str)]) -> Value {
    let data: BTreeMap<_, _> = data.iter().copied().collect();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

pub fn secret(data: &[(&str, &str)]) -> Value {
    secret_named("atlas-credentials", data)
}

pub fn config_map(name: &str, key: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {key: value}})
}

/// A manifest of a link in `us-east-1`.
pub fn link(name: &str) -> Value {
    json!({
        "apiVersion": "atlas.privatelink.dev/v1alpha1", "kind": "AtlasPrivateLink",
        "metadata": {"name": name},
        "spec": {"projectId": PROJECT, "provider": "AWS", "region": "us-east-1", "credentialsRef": {"name": "atlas-credentials"}},
    })
}

/// A link of a project.
pub fn link_of(name: &str, project: &str) -> Value {
    with(link(name), &json!({"spec": {"projectId": project}}))
}

/// A manifest of an endpoint on the link of that name.
pub fn endpoint(name: &str, link: &str, id: &str) -> Value {
    json!({
        "apiVersion": "atlas.privatelink.dev/v1alpha1", "kind": "AtlasInterfaceEndpoint",
        "metadata": {"name": name},
        "spec": {"privateLinkRef": {"name": link}, "interfaceEndpointId": id},
    })
}

/// An endpoint whose id stands in a ConfigMap.
pub fn endpoint_from(name: &str, link: &str, map: &str, key: &str) -> Value {
    let from = json!({"configMapKeyRef": {"name": map, "key": key}});
    with(endpoint(name, link, ""), &json!({"spec": {"interfaceEndpointId": null, "interfaceEndpointIdFrom": from}}))
}

/// The manifest with more (or other) values, as a JSON merge patch has them.
pub fn with(mut manifest: Value, change: &Value) -> Value {
    merge(&mut manifest, change);
    manifest
}

fn merge(target: &mut Value, change: &Value) {
    match (target, change) {
        (Value::Object(target), Value::Object(change)) => {
            for (key, value) in change {
                if value.is_null() {
                    target.remove(key);
                } else {
                    merge(target.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (target, change) => *target = change.clone(),
    }
}
