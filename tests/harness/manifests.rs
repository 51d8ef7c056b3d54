//! The manifests that users apply.

use super::world::{NAMESPACE, PROJECT};
use serde_json::{Value, json};

/// A manifest of a link in `us-east-1`.
pub fn link(name: &str) -> Value {
    json!({
        "apiVersion": "atlas.privatelink.dev/v1alpha1", "kind": "AtlasPrivateLink",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"projectId": PROJECT, "provider": "AWS", "region": "us-east-1", "credentialsRef": {"name": "atlas-credentials"}},
    })
}

/// A manifest of an endpoint on the link of that name.
pub fn endpoint(name: &str, link: &str, id: &str) -> Value {
    json!({
        "apiVersion": "atlas.privatelink.dev/v1alpha1", "kind": "AtlasInterfaceEndpoint",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"privateLinkRef": {"name": link}, "interfaceEndpointId": id},
    })
}

/// The manifest with more (or other) values, as a JSON merge patch has them.
pub fn with(mut manifest: Value, change: Value) -> Value {
    merge(&mut manifest, change);
    manifest
}

fn merge(target: &mut Value, change: Value) {
    match (target, change) {
        (Value::Object(target), Value::Object(change)) => {
            for (key, value) in change {
                if value.is_null() {
                    target.remove(&key);
                } else {
                    merge(target.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (target, change) => *target = change,
    }
}
