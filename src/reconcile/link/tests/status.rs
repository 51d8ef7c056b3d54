//! What a link's status shows of a plan.

use crate::{
    api::{AtlasPrivateLinkStatus, Origin},
    atlas::{
        model::ServiceState,
        region::{Provider, Region},
    },
    reconcile::{
        fixture::{NOW, second, service_id, subject},
        link::{
            Facts, Plan,
            fixture::{id, scene, service, unnamed},
            status::{inherited, status},
        },
    },
};

fn show(before: &AtlasPrivateLinkStatus, facts: Facts) -> AtlasPrivateLinkStatus {
    let plan = Plan { facts, ..scene().plan() };
    status(before, &subject(), &plan, second(NOW))
}

fn seen(service: crate::atlas::model::Service) -> Facts {
    Facts::Seen(Box::new(service), Origin::Created)
}

#[test]
fn an_heir_takes_what_it_has_room_for_and_what_is_no_id_takes_none() {
    let recording = |id: &str| AtlasPrivateLinkStatus { private_link_id: Some(id.to_owned()), ..Default::default() };
    for before in [AtlasPrivateLinkStatus::default(), recording(&id().to_string()), recording("by hand")] {
        let status = inherited(&before, id(), Origin::Created).unwrap();
        assert_eq!((status.private_link_id, status.origin), (Some(id().to_string()), Some(Origin::Created)));
    }
    assert_eq!(inherited(&recording(&service_id(NOW, 9).to_string()), id(), Origin::Created), None);
}

#[test]
fn every_fact_of_the_service_is_shown() {
    let mut all = service(id(), ServiceState::Available);
    all.private_link_service_name = Some("pls".into());
    all.private_link_service_resource_id = Some("/subscriptions/1".into());
    all.service_attachment_names = vec!["attachment".into()];
    all.endpoints = vec!["vpce-22222222".into(), "vpce-11111111".into()];
    all.error_message = Some("no".into());
    let shown = show(&AtlasPrivateLinkStatus::default(), seen(all));
    let AtlasPrivateLinkStatus {
        observed_generation,
        observed_uid,
        private_link_id,
        state,
        region_name,
        endpoint_service_name,
        private_link_service_name,
        private_link_service_resource_id,
        service_attachment_names,
        interface_endpoints,
        error_message,
        origin,
        attempts,
        last_handled_reconcile_at,
        conditions,
    } = shown;
    assert_eq!((observed_generation, attempts, last_handled_reconcile_at), (Some(1), None, None));
    assert_eq!(observed_uid, Some(subject().uid));
    assert_eq!((private_link_id, state.as_deref()), (Some(id().to_string()), Some("AVAILABLE")));
    assert_eq!((region_name.as_deref(), origin), (Some("US_EAST_1"), Some(Origin::Created)));
    assert_eq!(endpoint_service_name.as_deref(), Some("com.amazonaws.vpce.us-east-1.vpce-svc-1"));
    assert_eq!(private_link_service_name.as_deref(), Some("pls"));
    assert_eq!(private_link_service_resource_id.as_deref(), Some("/subscriptions/1"));
    assert_eq!((service_attachment_names, error_message.as_deref()), (vec!["attachment".to_owned()], Some("no")));
    assert_eq!(interface_endpoints, ["vpce-11111111", "vpce-22222222"], "Atlas' order means nothing");
    assert_eq!(conditions.len(), 2);
}

#[test]
fn the_region_of_the_same_service_is_remembered_where_atlas_does_not_tell_it() {
    let named = show(&AtlasPrivateLinkStatus::default(), seen(service(id(), ServiceState::Initiating)));
    let same = show(&named, seen(unnamed(id(), ServiceState::Initiating)));
    assert_eq!(same.region_name.as_deref(), Some("US_EAST_1"));
    let other = show(&named, seen(unnamed(service_id(1, 1), ServiceState::Initiating)));
    assert_eq!(other.region_name, None);
    let mut moved = service(id(), ServiceState::Initiating);
    moved.region = Some(Region::parse(Provider::Aws, "eu-west-1").unwrap());
    assert_eq!(show(&named, seen(moved)).region_name.as_deref(), Some("EU_WEST_1"));
}

#[test]
fn what_is_gone_keeps_its_id_and_loses_its_state() {
    let mut failed = service(id(), ServiceState::Failed);
    failed.endpoints = vec!["vpce-11111111".into()];
    failed.error_message = Some("no".into());
    let before = show(&AtlasPrivateLinkStatus::default(), seen(failed));
    let gone = show(&before, Facts::Vanished);
    assert_eq!((gone.state.clone(), gone.error_message.clone()), (None, None));
    assert_eq!((gone.interface_endpoints.len(), gone.private_link_id), (0, Some(id().to_string())));
    assert_eq!(gone.origin, Some(Origin::Created));
}

#[test]
fn unchanged_facts_stay_and_fields_without_value_are_absent() {
    let before = show(&AtlasPrivateLinkStatus::default(), seen(service(id(), ServiceState::Available)));
    let after = show(&before, Facts::Unchanged);
    assert_eq!((&after.private_link_id, &after.state), (&before.private_link_id, &before.state));
    let fresh = serde_json::to_value(show(&AtlasPrivateLinkStatus::default(), Facts::Unchanged)).unwrap();
    let keys: Vec<_> = fresh.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["conditions", "observedGeneration", "observedUid"]);
}
