//! What is read from whole objects: what their changes tell, and what they claim to others.

use crate::{
    api::{ATTEMPT_ANNOTATION, AtlasInterfaceEndpoint, AtlasInterfaceEndpointStatus, Origin},
    controller::{kind::Kind, memory::Hearing},
    reconcile::{
        Subject,
        attempt::Attempt,
        endpoint::{
            fixture::{addition, attachment, held, removal, scene},
            sharers::attachments,
        },
        fixture::{NOW, UID, here, refusal, second},
        ownership::{Heard, Use},
    },
};
use serde_json::json;

/// Long after the attempts of the fixtures, which are forty seconds old.
const LATER: i64 = NOW + 3600;

/// An object that wants endpoint `wanted`.
fn object(wanted: u8, status: AtlasInterfaceEndpointStatus, attempt: Option<&Attempt>) -> AtlasInterfaceEndpoint {
    let annotations = attempt.map(|attempt| json!({ATTEMPT_ANNOTATION: attempt.to_annotation()}));
    serde_json::from_value(json!({
        "apiVersion": "atlas.privatelink.dev/v1alpha1",
        "kind": "AtlasInterfaceEndpoint",
        "metadata": {"name": "other", "namespace": "payments", "uid": UID, "annotations": annotations},
        "spec": {
            "privateLinkRef": {"name": "orders"},
            "interfaceEndpointId": attachment(wanted).endpoint.to_string(),
        },
        "status": status,
    }))
    .unwrap()
}

/// Whether it tells that somebody else detached what this status shows.
fn blames(connection: &str, attempt: Option<&Attempt>, at: i64) -> bool {
    let before = scene().holding(held(1, Origin::Created)).before();
    let before = AtlasInterfaceEndpointStatus { connection_status: Some(connection.to_owned()), ..before };
    let after = AtlasInterfaceEndpointStatus { connection_status: None, ..before.clone() };
    let news = object(1, before, attempt).news(&after, second(at));
    news.iter().any(|news| news.reason == "EndpointGone")
}

#[test]
fn somebody_else_is_blamed_unless_its_own_request_may_have_done_it() {
    let removes = removal(&here(), &attachment(1));
    assert!(!blames("AVAILABLE", Some(&removes), NOW), "it may just have arrived");
    assert!(blames("AVAILABLE", Some(&removes), LATER), "nothing had come of it");
    assert!(!blames("DELETING", Some(&removes), LATER), "Atlas takes its time");
    assert!(blames("AVAILABLE", Some(&removes.refused(refusal(false))), NOW), "Atlas refused it");
    assert!(blames("AVAILABLE", Some(&removal(&here(), &attachment(2))), NOW), "it was to remove another one");
    assert!(blames("DELETING", Some(&addition(&here(), &attachment(1))), NOW));
    assert!(blames("AVAILABLE", None, NOW));
}

/// What an object that is to detach the first endpoint later, and wants this one, still has of the first one.
fn purpose(wanted: u8, attempt: Option<&Attempt>, at: i64) -> Use {
    purpose_beside(scene().retiring(held(1, Origin::Created)).before(), wanted, attempt, at)
}

fn purpose_beside(status: AtlasInterfaceEndpointStatus, wanted: u8, attempt: Option<&Attempt>, at: i64) -> Use {
    let object = object(wanted, status, attempt);
    let hearing = Hearing { heard: Some(Heard::Listed), target: Some(attachment(2)), ..Hearing::default() };
    let all = attachments(&object, &Subject::of(&object, false), &hearing, second(at));
    let (_, claim) = all.into_iter().find(|(named, _)| *named == attachment(1)).unwrap();
    claim.purpose
}

#[test]
fn what_is_to_be_detached_is_given_up_unless_it_is_wanted_again_or_just_being_detached() {
    assert_eq!(purpose(2, None, NOW), Use::UntilReplaced);
    assert_eq!(purpose(1, None, NOW), Use::WantsAgain, "its id was put back");
    let removes = removal(&here(), &attachment(1));
    assert_eq!(purpose(2, Some(&removes), NOW), Use::Removes, "what is attached now might be detached by that request");
    assert_eq!(purpose(2, Some(&removes), LATER), Use::UntilReplaced, "it can't arrive any more");
    assert_eq!(purpose(2, Some(&removes.refused(refusal(false))), NOW), Use::UntilReplaced);
}

#[test]
fn what_is_to_be_detached_is_needed_until_the_successor_has_connected() {
    let scene = scene().retiring(held(1, Origin::Created)).holding(held(2, Origin::Created));
    for (connection, expected) in
        [("AVAILABLE", Use::Over), ("PENDING", Use::UntilReplaced), ("REJECTED", Use::UntilReplaced)]
    {
        let status = AtlasInterfaceEndpointStatus { connection_status: Some(connection.to_owned()), ..scene.before() };
        assert_eq!(purpose_beside(status.clone(), 2, None, NOW), expected, "{connection}");
        let of_another = AtlasInterfaceEndpointStatus { observed_uid: Some("another".to_owned()), ..status };
        assert_ne!(purpose_beside(of_another, 2, None, NOW), Use::Over, "a copy has seen nothing connect");
    }
}
