//! What the changes of a whole link tell.

use crate::{
    api::{ATTEMPT_ANNOTATION, AtlasPrivateLink, AtlasPrivateLinkStatus, Origin},
    controller::kind::Kind,
    reconcile::{
        attempt::{Attempt, AttemptedWrite},
        fixture::{self, NOW, UID, here, refusal, second, service_id},
        link::fixture::id,
    },
};
use serde_json::json;

/// Long after the attempts of these tests.
const LATER: i64 = NOW + 3600;

fn object(status: AtlasPrivateLinkStatus, attempt: &Attempt) -> AtlasPrivateLink {
    serde_json::from_value(json!({
        "apiVersion": "atlas.privatelink.dev/v1alpha1",
        "kind": "AtlasPrivateLink",
        "metadata": {
            "name": "orders", "namespace": "payments", "uid": UID,
            "annotations": {ATTEMPT_ANNOTATION: attempt.to_annotation()},
        },
        "spec": {
            "projectId": "5df264b8f10fab7d2cad2f00", "provider": "AWS", "region": "us-east-1",
            "credentialsRef": {"name": "atlas"},
        },
        "status": status,
    }))
    .unwrap()
}

/// Whether it tells that somebody else deleted the service that it had in this state.
fn blames(state: &str, attempt: &Attempt, at: i64) -> bool {
    let before = AtlasPrivateLinkStatus {
        private_link_id: Some(id().to_string()),
        origin: Some(Origin::Created),
        state: Some(state.to_owned()),
        ..AtlasPrivateLinkStatus::default()
    };
    let after = AtlasPrivateLinkStatus { state: None, ..before.clone() };
    let news = object(before, attempt).news(&after, second(at));
    news.iter().any(|news| news.reason == "ServiceGone")
}

#[test]
fn somebody_else_is_blamed_unless_its_own_request_may_have_done_it() {
    let deletes = |service| fixture::attempt(&here(), AttemptedWrite::DeleteService { service }, 40);
    assert!(!blames("FAILED", &deletes(id()), NOW), "it may just have arrived");
    assert!(blames("FAILED", &deletes(id()), LATER), "nothing had come of it");
    assert!(!blames("DELETING", &deletes(id()), LATER), "Atlas takes its time");
    assert!(blames("FAILED", &deletes(id()).refused(refusal(false)), NOW), "Atlas refused it");
    assert!(blames("FAILED", &deletes(service_id(NOW, 9)), NOW), "it was to delete another one");
    assert!(blames("DELETING", &fixture::attempt(&here(), AttemptedWrite::CreateService, 40), NOW));
}
