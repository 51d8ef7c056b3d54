//! What to do next for a link. Pure.

use super::{Desired, Facts, Observed, Plan, Step, case::Case, delete};
use crate::{
    api::{AdoptionPolicy, Origin, Reason, Verdict},
    atlas::{
        model::{Service, ServiceState},
        region::{Provider, Region},
    },
    reconcile::{
        Look, Moment,
        attempt::{AttemptedWrite, Progress},
        retry::{self, Retry},
    },
};

/// Decides the next step of a link.
pub fn plan(desired: &Desired, observed: &Observed, moment: &Moment) -> Plan {
    let case = Case { desired, observed, moment };
    if desired.subject.deleting {
        case.reading_while_another_writes(delete::plan(&case))
    } else {
        case.protected_first(case.reading_while_another_writes(case.live()))
    }
}

impl<'a> Case<'a> {
    pub(super) fn live(&self) -> Plan {
        match self.recorded_service() {
            Some(service) => self.has(service, self.desired.recorded.origin.unwrap_or_else(|| self.origin_of(service))),
            None => self.without_record(),
        }
    }

    /// The object has this service.
    pub(super) fn has(&self, service: &Service, origin: Origin) -> Plan {
        let facts = Facts::Seen(Box::new(service.clone()), origin);
        if (self.desired.adoption, origin) == (AdoptionPolicy::CreateOnly, Origin::Adopted) {
            return Plan { facts, ..self.exists_already(service) };
        }
        match &service.state {
            ServiceState::WaitingForUser | ServiceState::Available => Plan {
                tries: 0,
                ..self.saying(Verdict::ready(self.ready_message(service, origin)), facts, Look::Resync)
            },
            ServiceState::Initiating => {
                let message = "Atlas is creating the endpoint service; this takes a few minutes";
                self.saying(Verdict::reconciling(self.creating(), message), facts, Look::Poll)
            }
            ServiceState::Deleting => {
                let message = "Atlas is deleting the endpoint service; it is created again when it is gone";
                self.saying(Verdict::reconciling(self.creating(), message), facts, Look::Poll)
            }
            ServiceState::Failed => self.failed(service, origin, facts),
            ServiceState::Unknown(word) => {
                let message = format!(
                    "Atlas says {word}, which this version of the operator does not know; waiting for a state that it knows"
                );
                self.saying(Verdict::reconciling(Reason::Creating, message), facts, Look::Poll)
            }
        }
    }

    pub(super) fn ready_message(&self, service: &Service, origin: Origin) -> String {
        let usable = match service.region.as_ref().map_or(service.provider, Region::provider) {
            Provider::Aws => "the endpoint service accepts VPC endpoints",
            Provider::Azure => "the private link service accepts private endpoints",
            Provider::Gcp => "the service attachments accept forwarding rules",
        };
        match self.owner_of(service, origin) {
            Some(owner) => format!("{usable}; it is shared, and owned by {owner}"),
            None => usable.to_owned(),
        }
    }

    /// Rule 5, for services.
    pub(super) fn failed(&self, service: &Service, origin: Origin, facts: Facts) -> Plan {
        let said = service.error_message.as_deref().unwrap_or("Atlas gives no cause").trim_end_matches('.');
        if let Some(owner) = self.owner_of(service, origin) {
            let message = format!("the endpoint service failed ({said}); its owner, {owner}, has to mend it");
            return self.saying(Verdict::reconciling(Reason::WaitingForService, message), facts, Look::Resync);
        }
        let stalled = |hint: &str| {
            let message = format!("the endpoint service {} failed: {said}. {hint}", service.id);
            self.saying(Verdict::stalled(Reason::Failed, message), facts.clone(), Look::Resync)
        };
        if origin == Origin::Adopted {
            return stalled(
                "It was not created by this resource, so it is left alone: delete it in Atlas to have it created again",
            );
        }
        if self.desired.adoption == AdoptionPolicy::AdoptOnly {
            return stalled("adoptionPolicy AdoptOnly never deletes, so it is left alone: change the policy");
        }
        if !service.endpoints.is_empty() {
            return stalled("Endpoints are attached to it, so it is left alone");
        }
        let tries = self.desired.recorded.tries;
        let next = retry::next(tries, self.moment.failed_since, self.moment.now);
        // The record of the deletion takes the place of the one that proves whose the service is: status tells it first.
        let told = self.desired.recorded.service == Some(service.id) && self.desired.recorded.origin == Some(origin);
        match next.at_once_only_if(told, self.moment.now) {
            Retry::Exhausted => stalled(
                "It was created again as often as is sensible; see Atlas' status page, then set the annotation atlas.privatelink.dev/reconcile-requested-at to try anew",
            ),
            Retry::At(due) => {
                let message = format!(
                    "the endpoint service failed: {said}. It is deleted and created again (try {} of {})",
                    tries + 1,
                    retry::LIMIT
                );
                self.saying(Verdict::reconciling(Reason::Retrying, message), facts, Look::At(due))
            }
            Retry::Now if self.progress().is_open() => {
                let message = format!(
                    "the endpoint service failed: {said}. It is deleted and created again once no request to create it can arrive any more"
                );
                self.saying(Verdict::reconciling(Reason::Retrying, message), facts, Look::Poll)
            }
            Retry::Now => {
                let write = AttemptedWrite::DeleteService { service: service.id };
                let attempt =
                    self.attempt(write).with_tries(tries + 1).replacing(self.desired.recorded.service_name.clone());
                let message = format!(
                    "the failed endpoint service is being deleted, to be created again (try {} of {})",
                    tries + 1,
                    retry::LIMIT
                );
                let plan = self.saying(Verdict::reconciling(Reason::Retrying, message), facts, Look::Poll);
                Plan { step: Some(Step::DeleteFailed(service.id, attempt)), ..plan }
            }
        }
    }

    /// Status records no service, or one that is gone.
    pub(super) fn without_record(&self) -> Plan {
        if let (Progress::RefusalUnrecorded(refusal), Some(attempt)) = (self.progress(), self.unsettled_attempt()) {
            let plan = self.saying(
                Verdict::reconciling(Reason::Creating, "Atlas refused the creation; looking at what is there"),
                Facts::Unchanged,
                Look::Poll,
            );
            return Plan { step: Some(Step::RecordRefusal(attempt.refused(refusal))), ..plan };
        }
        match self.candidate() {
            Some(service) => self.finds(service),
            None => self.finds_nothing(),
        }
    }

    pub(super) fn finds(&self, service: &Service) -> Plan {
        let origin = self.origin_of(service);
        if origin == Origin::Created {
            return self.has(service, origin);
        }
        if service.state == ServiceState::Deleting {
            let message =
                format!("an earlier endpoint service of this region, {}, is still being deleted in Atlas", service.id);
            return self.saying(Verdict::reconciling(self.waiting(), message), self.vanished(), Look::Poll);
        }
        match self.desired.adoption {
            AdoptionPolicy::AdoptOrCreate | AdoptionPolicy::AdoptOnly => self.has(service, Origin::Adopted),
            AdoptionPolicy::CreateOnly => self.exists_already(service),
        }
    }

    fn exists_already(&self, service: &Service) -> Plan {
        let owner = self.owner_of(service, Origin::Adopted);
        let whose = owner.map(|owner| format!(", owned by {owner}")).unwrap_or_default();
        let id = service.id;
        self.already_exists(&format!("the project has an endpoint service in this region already ({id}{whose})"))
    }

    pub(super) fn already_exists(&self, what: &str) -> Plan {
        let message = format!(
            "{what}, and adoptionPolicy CreateOnly forbids to use it: change the policy to AdoptOrCreate, or delete the service"
        );
        self.saying(Verdict::stalled(Reason::AlreadyExists, message), self.vanished(), Look::Resync)
    }

    pub(super) fn waiting(&self) -> Reason {
        match self.desired.adoption {
            AdoptionPolicy::AdoptOnly => Reason::WaitingForService,
            AdoptionPolicy::AdoptOrCreate | AdoptionPolicy::CreateOnly => Reason::Creating,
        }
    }
}
