//! What an endpoint's status shows of a plan.

use crate::{
    api::{AtlasInterfaceEndpointStatus, CommonStatus, Origin, Retiring},
    atlas::model::{ConnectionStatus, Endpoint},
    reconcile::{
        endpoint::{
            Facts, Plan,
            fixture::{Scene, attachment, endpoint, held, link_service, project, scene},
            status::{inherited, status},
        },
        fixture::{NOW, second, subject},
    },
};

fn show(before: &AtlasInterfaceEndpointStatus, facts: Facts) -> AtlasInterfaceEndpointStatus {
    let plan = Plan { facts, retiring: vec![held(2, Origin::Adopted)], ..scene().plan() };
    status(before, &scene().desired, &plan, second(NOW))
}

fn seen() -> AtlasInterfaceEndpointStatus {
    let endpoint = Endpoint {
        delete_requested: true,
        error_message: Some("no".into()),
        ..endpoint(&attachment(1), ConnectionStatus::Rejected)
    };
    show(&AtlasInterfaceEndpointStatus::default(), Facts::Seen(held(1, Origin::Created), Box::new(endpoint)))
}

/// The id, the origin, and what is shown of the connection.
fn summary(status: &AtlasInterfaceEndpointStatus) -> (Option<&str>, Option<Origin>, Option<&str>, bool, Option<&str>) {
    (
        status.interface_endpoint_id.as_deref(),
        status.origin,
        status.connection_status.as_deref(),
        status.delete_requested.unwrap_or_default(),
        status.error_message.as_deref(),
    )
}

#[test]
fn every_fact_of_the_endpoint_is_shown() {
    let status = seen();
    let created = Some(Origin::Created);
    assert_eq!(summary(&status), (Some("vpce-00000001"), created, Some("REJECTED"), true, Some("no")));
    assert_eq!(status.private_link_id, Some(link_service().to_string()));
    assert_eq!(status.project_id, Some(project().to_string()));
    assert_eq!((status.retiring.len(), status.retiring[0].interface_endpoint_id.as_str()), (1, "vpce-00000002"));
    assert_eq!((status.retiring[0].origin, status.conditions.len()), (Origin::Adopted, 2));
}

#[test]
fn what_is_gone_keeps_its_id_and_loses_its_connection() {
    let gone = show(&seen(), Facts::Vanished);
    assert_eq!(summary(&gone), (Some("vpce-00000001"), Some(Origin::Created), None, false, None));
}

#[test]
fn what_retired_is_held_no_more_and_may_be_held_again() {
    assert_eq!(summary(&show(&seen(), Facts::Nothing)), (None, None, None, false, None));
    let restored = show(&seen(), Facts::Restored(held(2, Origin::Adopted)));
    assert_eq!(summary(&restored), (Some("vpce-00000002"), Some(Origin::Adopted), None, false, None));
}

#[test]
fn unchanged_facts_stay_and_fields_without_value_are_absent() {
    assert_eq!(summary(&show(&seen(), Facts::Unchanged)), summary(&seen()));
    let quiet = endpoint(&attachment(1), ConnectionStatus::Available);
    let facts = Facts::Seen(held(1, Origin::Created), Box::new(quiet));
    let fresh = serde_json::to_value(show(&AtlasInterfaceEndpointStatus::default(), facts)).unwrap();
    let fresh = fresh.as_object().unwrap();
    assert!(!fresh.contains_key("deleteRequested") && !fresh.contains_key("errorMessage"));
}

#[test]
fn the_project_is_told_as_long_as_something_is_attached() {
    let without = |facts, before: &AtlasInterfaceEndpointStatus| {
        status(before, &scene().desired, &Plan { facts, ..scene().plan() }, second(NOW)).project_id
    };
    assert_eq!(without(Facts::Unchanged, &AtlasInterfaceEndpointStatus::default()), None);
    assert_eq!(show(&seen(), Facts::Nothing).project_id, Some(project().to_string()));
}

/// A backup tool puts it on another object, with all that it claims.
#[test]
fn a_status_that_was_written_for_another_object_has_created_nothing() {
    let copied = AtlasInterfaceEndpointStatus { observed_uid: Some("another".into()), ..seen() };
    let retiring = Retiring { origin: Origin::Created, ..copied.retiring[0].clone() };
    let copied = AtlasInterfaceEndpointStatus { retiring: vec![retiring], ..copied };
    let own = copied.of_object("uid");
    assert_eq!((own.origin, own.retiring[0].origin), (Some(Origin::Adopted), Origin::Adopted));
    assert_eq!(own.observed_uid.as_deref(), Some("uid"));
    assert_eq!(copied.claimed("uid", Origin::Created), Origin::Adopted);
    assert_eq!(own.claimed("uid", Origin::Created), Origin::Created);
    assert_eq!(copied.of_object("another"), copied);
}

#[test]
fn an_heir_takes_what_it_records_already_or_what_it_has_room_for() {
    let theirs = held(1, Origin::Created);
    let before = |scene: Scene| scene.before();
    let id = |status: &AtlasInterfaceEndpointStatus| status.interface_endpoint_id.clone();
    let first = Some("vpce-00000001".to_owned());
    // Nothing recorded, or just this.
    for heir in [scene(), scene().holding(held(1, Origin::Adopted))] {
        let status = inherited(&before(heir), &subject(), &theirs, Some(project())).unwrap();
        assert_eq!((id(&status), status.origin), (first.clone(), Some(Origin::Created)));
        assert_eq!(status.project_id, Some(project().to_string()));
    }
    // Something else is its own.
    assert_eq!(inherited(&before(scene().holding(held(2, Origin::Adopted))), &subject(), &theirs, None), None);
    // What nobody can read is nothing.
    let junk = AtlasInterfaceEndpointStatus { interface_endpoint_id: Some("by hand".into()), ..before(scene()) };
    assert_eq!(inherited(&junk, &subject(), &theirs, None).and_then(|status| id(&status)), first);
    // What is to be detached once the new one is there is still what it has; this may be it.
    let waiting = scene().retiring(held(1, Origin::Adopted)).retiring(held(2, Origin::Adopted));
    let status = inherited(&before(waiting), &subject(), &theirs, None).unwrap();
    assert_eq!((id(&status), status.origin), (None, None));
    let origins: Vec<_> = status.retiring.iter().map(|old| old.origin).collect();
    assert_eq!(origins, [Origin::Created, Origin::Adopted]);
}
