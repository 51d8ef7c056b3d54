//! The new status of an endpoint. Pure.

use super::{Desired, Facts, Held, Plan, resolve::attached};
use crate::{
    api::{AtlasInterfaceEndpointStatus, CommonStatus, Retiring},
    atlas::{ids::ProjectId, model::Endpoint},
    reconcile::{Subject, report},
};
use jiff::Timestamp;

/// The status that tells `plan`, given the one before.
pub fn status(
    before: &AtlasInterfaceEndpointStatus,
    desired: &Desired,
    plan: &Plan,
    now: Timestamp,
) -> AtlasInterfaceEndpointStatus {
    let mut status = before.of_object(&desired.subject.uid);
    match &plan.facts {
        Facts::Unchanged => {}
        Facts::Seen(held, endpoint) => {
            hold(&mut status, held);
            show(&mut status, endpoint);
        }
        Facts::Restored(held) => {
            clear(&mut status);
            hold(&mut status, held);
        }
        Facts::Vanished => {
            status.connection_status = None;
            status.delete_requested = None;
            status.error_message = None;
        }
        Facts::Nothing => clear(&mut status),
    }
    status.retiring = plan.retiring.iter().map(retiring).collect();
    let has_something = status.origin.is_some() || !status.retiring.is_empty();
    let project = desired.project.map(|project| project.to_string());
    status.project_id = project.or(status.project_id).filter(|_| has_something);
    report::tell(&mut status, &desired.subject, &plan.verdict, plan.tries, now);
    status
}

/// The status of the heir, `subject`, with what it inherits; `None` for one that records something else. What nobody can
/// read, written by hand, records nothing.
pub fn inherited(
    before: &AtlasInterfaceEndpointStatus,
    subject: &Subject,
    held: &Held,
    project: Option<ProjectId>,
) -> Option<AtlasInterfaceEndpointStatus> {
    let (mut status, (recorded, old)) = (before.clone(), attached(before, subject));
    let records_nothing = recorded.is_none() && old.is_empty();
    let mut fits = records_nothing || recorded.is_some_and(|recorded| recorded.attachment == held.attachment);
    if fits {
        hold(&mut status, held);
    }
    let theirs = retiring(held);
    for old in &mut status.retiring {
        if (&old.private_link_id, &old.interface_endpoint_id)
            == (&theirs.private_link_id, &theirs.interface_endpoint_id)
        {
            old.origin = held.origin;
            fits = true;
        }
    }
    status.project_id = project.map(|project| project.to_string()).or(status.project_id);
    fits.then_some(status)
}

fn hold(status: &mut AtlasInterfaceEndpointStatus, held: &Held) {
    status.private_link_id = Some(held.attachment.service.to_string());
    status.interface_endpoint_id = Some(held.attachment.endpoint.to_string());
    status.origin = Some(held.origin);
}

fn show(status: &mut AtlasInterfaceEndpointStatus, endpoint: &Endpoint) {
    let Endpoint { id: _, status: connection, delete_requested, error_message } = endpoint;
    status.connection_status = Some(connection.to_string());
    status.delete_requested = delete_requested.then_some(true);
    status.error_message = error_message.clone();
}

fn clear(status: &mut AtlasInterfaceEndpointStatus) {
    status.private_link_id = None;
    status.interface_endpoint_id = None;
    status.origin = None;
    status.connection_status = None;
    status.delete_requested = None;
    status.error_message = None;
}

/// An attachment as status records it.
pub fn retiring(held: &Held) -> Retiring {
    Retiring {
        interface_endpoint_id: held.attachment.endpoint.to_string(),
        private_link_id: held.attachment.service.to_string(),
        origin: held.origin,
    }
}
