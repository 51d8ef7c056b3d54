//! What of an object another operator may have written: a change of anything else proves nothing about Atlas, and is no
//! reason to ask it anew.

use super::kind::Kind;
use crate::api::{ATTEMPT_ANNOTATION, RECONCILE_ANNOTATION};
use kube::api::ObjectMeta;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Spec, status, finalizers, deletion and our annotations, as one number; `None` if they cannot be written down. What
/// people and other controllers note in labels, annotations and owners is left out.
pub fn substance<K: Kind>(object: &K) -> Option<u64> {
    let mut ours = object.clone();
    let meta = ours.meta_mut();
    let ObjectMeta { uid, generation, deletion_timestamp, finalizers, annotations, .. } = std::mem::take(meta);
    let annotations = annotations.map(|mut all| {
        all.retain(|key, _| [ATTEMPT_ANNOTATION, RECONCILE_ANNOTATION].contains(&key.as_str()));
        all
    });
    let annotations = annotations.filter(|all| !all.is_empty());
    *meta = ObjectMeta { uid, generation, deletion_timestamp, finalizers, annotations, ..ObjectMeta::default() };
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(&ours).ok()?.hash(&mut hasher);
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::AtlasPrivateLink;
    use serde_json::{Value, json};

    fn of(change: &Value) -> u64 {
        let mut object = json!({
            "apiVersion": "atlas.privatelink.dev/v1alpha1", "kind": "AtlasPrivateLink",
            "metadata": {"name": "orders", "namespace": "payments", "uid": "uid", "generation": 1, "resourceVersion": "1"},
            "spec": {"projectId": "5df264b8f10fab7d2cad2f0d", "provider": "AWS", "region": "us-east-1", "credentialsRef": {"name": "atlas"}},
        });
        json_patch::merge(&mut object, change);
        substance(&serde_json::from_value::<AtlasPrivateLink>(object).unwrap()).unwrap()
    }

    #[test]
    fn only_what_an_operator_writes_or_reads_counts() {
        let plain = of(&json!({}));
        for bystander in [
            json!({"metadata": {"resourceVersion": "2"}}),
            json!({"metadata": {"labels": {"team": "payments"}}}),
            json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "x"}}}),
            json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "a", "uid": "b"}]}}),
        ] {
            assert_eq!(of(&bystander), plain, "{bystander}");
        }
        for change in [
            json!({"metadata": {"uid": "another"}}),
            json!({"metadata": {"generation": 2}}),
            json!({"metadata": {"deletionTimestamp": "2026-11-21T08:00:00Z"}}),
            json!({"metadata": {"finalizers": ["atlas.privatelink.dev/finalizer"]}}),
            json!({"metadata": {"annotations": {ATTEMPT_ANNOTATION: "{}"}}}),
            json!({"metadata": {"annotations": {RECONCILE_ANNOTATION: "now"}}}),
            json!({"spec": {"suspend": true}}),
            json!({"status": {"privateLinkId": "5df264b8f10fab7d2cad2f0e"}}),
        ] {
            assert_ne!(of(&change), plain, "{change}");
        }
    }
}
