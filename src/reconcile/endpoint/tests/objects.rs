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
        ownership::{Heard, Stake},
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

/// What is at stake for an object that has replaced the first endpoint, and wants this one: whether it needs it still, and
/// whether it cares for it.
fn stake(status: AtlasInterfaceEndpointStatus, wanted: u8, attempt: Option<&Attempt>, at: i64) -> (bool, bool) {
    let object = object(wanted, status, attempt);
    let hearing = Hearing { heard: Some(Heard::Listed), target: Some(attachment(2)), ..Hearing::default() };
    let all = attachments(&object, &Subject::of(&object, false), &hearing, second(at));
    let (_, claim) = all.into_iter().find(|(named, _)| *named == attachment(1)).unwrap();
    match claim.stake {
        Stake::Keeps => panic!("it has replaced it"),
        Stake::Replaced { needs, cares } => (needs, cares),
    }
}

/// The status of one that has replaced the first endpoint by the second one.
fn replaced(connection: &str) -> AtlasInterfaceEndpointStatus {
    let status = scene().retiring(held(1, Origin::Created)).holding(held(2, Origin::Created)).before();
    AtlasInterfaceEndpointStatus { connection_status: Some(connection.to_owned()), ..status }
}

#[test]
fn what_was_replaced_is_given_up_unless_it_is_wanted_again_or_just_being_detached() {
    let cares = |wanted, attempt, at| stake(replaced("AVAILABLE"), wanted, attempt, at).1;
    assert!(!cares(2, None, NOW));
    assert!(cares(1, None, NOW), "its id was put back");
    let removes = removal(&here(), &attachment(1));
    assert!(cares(2, Some(&removes), NOW), "what is attached now might be detached again by that request");
    assert!(!cares(2, Some(&removes), LATER), "it can't arrive any more");
    assert!(!cares(2, Some(&removes.refused(refusal(false))), NOW));
}

#[test]
fn what_was_replaced_is_needed_until_the_successor_has_connected() {
    let needs = |status, wanted| stake(status, wanted, None, NOW).0;
    assert!(!needs(replaced("AVAILABLE"), 2));
    assert!(needs(replaced("AVAILABLE"), 1), "its id was put back");
    assert!(needs(replaced("PENDING"), 2) && needs(replaced("REJECTED"), 2));
    let going = AtlasInterfaceEndpointStatus { delete_requested: Some(true), ..replaced("AVAILABLE") };
    assert!(needs(going, 2), "somebody removes the successor");
    let copied = AtlasInterfaceEndpointStatus { observed_uid: Some("another".to_owned()), ..replaced("AVAILABLE") };
    assert!(needs(copied, 2), "a copy has seen nothing connect");
    let alone = scene().retiring(held(1, Origin::Created)).before();
    assert!(needs(alone.clone(), 2));
    let removes = removal(&here(), &attachment(1));
    assert_eq!(stake(alone, 2, Some(&removes), NOW), (true, true), "the one says nothing of the other");
}
