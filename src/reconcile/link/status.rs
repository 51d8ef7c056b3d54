//! The new status of a link. Pure.

use super::{Facts, Plan};
use crate::{
    api::{AtlasPrivateLinkStatus, CommonStatus, Origin},
    atlas::{ids::ServiceId, model::Service},
    reconcile::{Subject, report},
};
use jiff::Timestamp;

/// The status that tells `plan`, given the one before.
pub fn status(
    before: &AtlasPrivateLinkStatus,
    subject: &Subject,
    plan: &Plan,
    now: Timestamp,
) -> AtlasPrivateLinkStatus {
    let mut status = before.of_object(&subject.uid);
    match &plan.facts {
        Facts::Unchanged => {}
        Facts::Seen(service, origin) => show(&mut status, service, *origin),
        Facts::Vanished => {
            status.state = None;
            status.error_message = None;
            status.interface_endpoints = Vec::new();
        }
    }
    report::tell(&mut status, subject, &plan.verdict, plan.tries, now);
    status
}

/// The service that a status records; `None` for what is no id, written by hand, too.
pub fn service_in(status: &AtlasPrivateLinkStatus) -> Option<ServiceId> {
    status.private_link_id.as_ref()?.parse().ok()
}

/// The heir's status with what it inherits; `None` for one that records another service. What is no id, written by hand,
/// records nothing.
pub fn inherited(
    before: &AtlasPrivateLinkStatus,
    service: ServiceId,
    origin: Origin,
) -> Option<AtlasPrivateLinkStatus> {
    let fits = service_in(before).is_none_or(|recorded| recorded == service);
    fits.then(|| AtlasPrivateLinkStatus {
        private_link_id: Some(service.to_string()),
        origin: Some(origin),
        ..before.clone()
    })
}

fn show(status: &mut AtlasPrivateLinkStatus, service: &Service, origin: Origin) {
    // Destructured without `..`: a new field of the model must be shown, or left out on purpose.
    let Service {
        id,
        provider: _,
        region,
        state,
        endpoint_service_name,
        private_link_service_name,
        private_link_service_resource_id,
        service_attachment_names,
        port_mapping: _,
        endpoints,
        error_message,
    } = service.clone();
    let same = status.private_link_id.as_deref() == Some(id.to_string().as_str());
    status.private_link_id = Some(id.to_string());
    status.state = Some(state.to_string());
    // v1.0 tells the region only by the name; what was known of the same service stays.
    let known = if same { status.region_name.take() } else { None };
    status.region_name = region.map(|region| region.atlas_name().to_owned()).or(known);
    status.endpoint_service_name = endpoint_service_name;
    status.private_link_service_name = private_link_service_name;
    status.private_link_service_resource_id = private_link_service_resource_id;
    status.service_attachment_names = service_attachment_names;
    status.interface_endpoints = endpoints;
    status.interface_endpoints.sort_unstable();
    status.error_message = error_message;
    status.origin = Some(origin);
}
