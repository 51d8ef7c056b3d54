//! What to do next for a link that is being deleted (design.md, safety rules 3, 4 and 7). Pure.

use super::{Dependent, Desired, Facts, Plan, Step, case::Case};
use crate::{
    api::{Origin, Reason, Verdict},
    atlas::{
        ids::ServiceId,
        model::{Service, ServiceState},
    },
    reconcile::{
        Farewell, Look, Moment, RELEASED, STAYS,
        attempt::{Progress, hold_until},
        ownership::{self, Succession},
        policy::Disposal,
    },
};

const GOING_ALONE: &str = "it goes as soon as its endpoints have; what it has stays in Atlas";
const GOING: &str =
    "it is being deleted in Atlas: first its endpoints, whose own conditions tell what they wait for, then the service";

/// What can be decided about a deletion without looking at Atlas; `None` if that must be looked at.
pub fn without_atlas(desired: &Desired, dependents: &[Dependent], moment: &Moment) -> Option<Plan> {
    let plan =
        |step, verdict, look| Plan { step, facts: Facts::Unchanged, verdict, look, tries: desired.recorded.tries };
    if !desired.subject.protected {
        return Some(plan(None, Verdict::reconciling(Reason::Deleting, RELEASED), Look::Never));
    }
    // Through this link its endpoints reach Atlas; whatever its own policy, it stays until they are done.
    if let Some(verdict) = held_by_dependents(dependents, desired.disposal) {
        return Some(plan(None, verdict, Look::Poll));
    }
    let recorded = &desired.recorded;
    // What Atlas refused has made nothing.
    if recorded.service.is_none() && recorded.attempt.as_ref().is_none_or(|attempt| attempt.refusal.is_some()) {
        return Some(plan(
            Some(Step::LetGo(Farewell::NothingWasThere)),
            Verdict::reconciling(Reason::Deleting, GOING),
            Look::Shortly,
        ));
    }
    let unsettled = recorded.unsettled_creation(moment).filter(|attempt| attempt.refusal.is_none());
    let keeps = match desired.disposal {
        Disposal::KeepAll => true,
        // What it has was there before it, and nothing else can be its work.
        Disposal::DeleteCreated => recorded.origin == Some(Origin::Adopted) && unsettled.is_none(),
        Disposal::DeleteAll => false,
    };
    if !keeps {
        return None;
    }
    let held = unsettled.and_then(|attempt| hold_until(attempt, &moment.holder, &moment.attempt, moment.now));
    let going = Verdict::reconciling(Reason::Deleting, GOING);
    Some(match held {
        Some(until) => plan(None, Verdict::reconciling(Reason::Deleting, STAYS), Look::At(until)),
        None => plan(Some(Step::LetGo(Farewell::Kept)), going, Look::Shortly),
    })
}

fn held_by_dependents(dependents: &[Dependent], disposal: Disposal) -> Option<Verdict> {
    let names = |live| {
        let names: Vec<_> = dependents
            .iter()
            .filter(|d| d.has_ours && d.live == live)
            .map(|d| format!("{:?}", d.object.name))
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(live) = names(true) {
        let message = format!("the AtlasInterfaceEndpoints {live} still use it: delete them first");
        return Some(Verdict::reconciling(Reason::DeletionBlocked, message));
    }
    let going = match disposal {
        Disposal::KeepAll => GOING_ALONE,
        Disposal::DeleteCreated | Disposal::DeleteAll => GOING,
    };
    names(false).map(|_| Verdict::reconciling(Reason::Deleting, going))
}

/// Decides the next step of a deletion.
pub(super) fn plan(case: &Case<'_>) -> Plan {
    let desired = case.desired;
    let going = || Verdict::reconciling(Reason::Deleting, GOING);
    let (service, origin) = match target(case) {
        Target::Settle(plan) => return *plan,
        Target::Nothing => return let_go(case, Farewell::NothingWasThere),
        Target::Gone => return let_go(case, Farewell::Deleted),
        Target::Service(service, origin) => (service, origin),
    };
    if !desired.disposal.deletes(origin) {
        return let_go(case, Farewell::Kept);
    }
    let seen = || Facts::Seen(Box::new(service.clone()), origin);
    // Status records what it did not yet, though it is going: once it is gone, it is known what the attempt had made, and
    // what then stands there is another's.
    if case.recorded_service().is_none() {
        return Plan { step: Some(Step::RecordService), ..case.saying(going(), seen(), Look::Poll) };
    }
    if let Some(plan) = succession(case, service.id, origin) {
        return plan;
    }
    if service.state == ServiceState::Deleting {
        return case.saying(going(), Facts::Unchanged, Look::Poll);
    }
    if !service.endpoints.is_empty() {
        let message = format!(
            "endpoints are attached to the service that none of this link's resources owns: {}. Delete the AtlasInterfaceEndpoint that has one, through another link say; what no resource has is for its owner to detach in Atlas. Or set deletionPolicy to Retain",
            service.endpoints.join(", ")
        );
        return case.saying(Verdict::reconciling(Reason::DeletionBlocked, message), Facts::Unchanged, Look::Poll);
    }
    Plan { step: Some(Step::Delete(service.id)), ..case.saying(going(), seen(), Look::Poll) }
}

enum Target<'a> {
    /// First it must be known what an unanswered attempt has made.
    Settle(Box<Plan>),
    /// Nothing was ever made or adopted.
    Nothing,
    /// What was recorded is gone from Atlas.
    Gone,
    Service(&'a Service, Origin),
}

fn target<'a>(case: &Case<'a>) -> Target<'a> {
    if let Some(service) = case.recorded_service() {
        return Target::Service(service, case.desired.recorded.origin.unwrap_or_else(|| case.origin_of(service)));
    }
    if let Some(service) = case.candidate().filter(|service| case.origin_of(service) == Origin::Created) {
        return Target::Service(service, Origin::Created);
    }
    if let Some(plan) = unnamed(case) {
        return Target::Settle(Box::new(plan));
    }
    if case.desired.recorded.service.is_some() { Target::Gone } else { Target::Nothing }
}

/// v1.0: a service that an unanswered attempt may have made doesn't tell its region until it has a name.
fn unnamed(case: &Case<'_>) -> Option<Plan> {
    let suspects = case.unnamed_and_perhaps_made();
    let first = suspects.first()?;
    let verdict = if suspects.iter().all(|service| service.state == ServiceState::Failed) {
        let message = format!(
            "the endpoint service {} failed before Atlas named its region, and this resource may have made it: delete it in Atlas, or set spec.deletionPolicy to Retain to let this resource go",
            first.id
        );
        Verdict::stalled(Reason::Failed, message)
    } else {
        let message = format!("whether {} is to be deleted is known when Atlas has named it", first.id);
        Verdict::reconciling(Reason::RegionUnknown, message)
    };
    Some(case.saying(verdict, Facts::Unchanged, Look::Poll))
}

/// It goes once it is known what came of its requests.
fn let_go(case: &Case<'_>, farewell: Farewell) -> Plan {
    if let Progress::Open { .. } = case.progress() {
        let message = "a request to create the endpoint service was not answered; what came of it must be known first";
        return case.saying(Verdict::reconciling(Reason::Deleting, message), Facts::Unchanged, Look::Poll);
    }
    let plan = case.saying(Verdict::reconciling(Reason::Deleting, GOING), Facts::Unchanged, Look::Shortly);
    Plan { step: Some(Step::LetGo(farewell)), ..plan }
}

/// Rule 7: whoever shares the service is heard, inherits it, or holds its deletion back.
fn succession(case: &Case<'_>, service: ServiceId, origin: Origin) -> Option<Plan> {
    let namespace = &case.desired.subject.object.namespace;
    match ownership::succession(&case.others_of(service)) {
        Succession::Free => None,
        Succession::Owned(_) => Some(let_go(case, Farewell::HandedOver)),
        Succession::WaitFor(others) => {
            let message =
                format!("{} may share the service: waiting until it is known", ownership::names(others, namespace));
            Some(case.saying(Verdict::reconciling(Reason::Deleting, message), Facts::Unchanged, Look::Shortly))
        }
        Succession::HandOver(heir) if !heir.needs_telling(origin) => Some(let_go(case, Farewell::HandedOver)),
        Succession::HandOver(heir) => {
            let plan = case.saying(Verdict::reconciling(Reason::Deleting, GOING), Facts::Unchanged, Look::Shortly);
            Some(Plan { step: Some(Step::HandOver(heir.heir(), service, origin)), ..plan })
        }
        // Links replace nothing, so nobody needs one any more than it keeps it.
        Succession::HeldBy(holders) | Succession::NeededBy(holders) => {
            let message = format!(
                "{} still use the service and never inherit (AdoptOnly): delete them first, or set deletionPolicy to Retain",
                ownership::names(holders, namespace)
            );
            Some(case.saying(Verdict::reconciling(Reason::DeletionBlocked, message), Facts::Unchanged, Look::Poll))
        }
    }
}
