//! What to do for a link whose service is not there. Pure.

use super::{Facts, Plan, Step, case::Case};
use crate::{
    api::{AdoptionPolicy, Reason, Verdict},
    atlas::{
        ids::ServiceId,
        model::{Service, ServiceState},
    },
    reconcile::{
        Look,
        attempt::{Attempt, AttemptedWrite, Progress},
    },
};
use std::time::Duration;

/// How long after a service vanished it is created again: whoever removed it may have more to do.
const PAUSE_AFTER_VANISHING: Duration = Duration::from_secs(10);

impl<'a> Case<'a> {
    pub(super) fn finds_nothing(&self) -> Plan {
        let wait =
            |reason, message: String, look| self.saying(Verdict::reconciling(reason, message), self.vanished(), look);
        match (self.desired.adoption, self.owner_to_be()) {
            (AdoptionPolicy::AdoptOnly, _) => {
                let message = "the project has no endpoint service in this region, and adoptionPolicy AdoptOnly never creates one: create it elsewhere, or change the policy";
                return wait(Reason::WaitingForService, message.to_owned(), Look::Resync);
            }
            (AdoptionPolicy::CreateOnly, Some(owner)) => {
                return self.already_exists(&format!("{owner} owns the endpoint service of this region"));
            }
            (AdoptionPolicy::AdoptOrCreate, Some(owner)) => {
                return wait(
                    Reason::WaitingForService,
                    format!("waiting for {owner}, which owns it, to create the endpoint service"),
                    Look::Resync,
                );
            }
            (AdoptionPolicy::AdoptOrCreate | AdoptionPolicy::CreateOnly, None) => {}
        }
        if let Some(plan) = self.unnamed() {
            return plan;
        }
        match self.progress() {
            Progress::Settled => self.refused_for_good().unwrap_or_else(|| self.creates()),
            Progress::Open { may_repeat: true, .. } => self.repeats(),
            Progress::Open { may_repeat: false, .. } => {
                let message = "a request to create the endpoint service was not answered; looking for what came of it";
                wait(Reason::Creating, message.to_owned(), Look::Poll)
            }
            // Handled before anything was looked for.
            Progress::RefusalUnrecorded(_) => {
                wait(Reason::Creating, "Atlas refused the creation".to_owned(), Look::Poll)
            }
        }
    }

    /// v1.0: services without a name don't tell their region. One of them may be this region's: another link of it records
    /// it, for which this process has not heard from Atlas yet; or Atlas answered 409 to the making of another, or an
    /// unanswered attempt, of this link or another one of the region, may have made it. Nothing is taken for ours, and
    /// nothing is created, until that is known.
    pub(super) fn unnamed(&self) -> Option<Plan> {
        if let Some(service) = self.told_by_unheard() {
            return Some(self.region_unknown(&service.id.to_string()));
        }
        let suspects = self.unnamed_suspects();
        let first = suspects.first()?;
        let ids = suspects.iter().map(|service| service.id.to_string()).collect::<Vec<_>>().join(", ");
        if suspects.iter().all(|service| service.state == ServiceState::Failed) {
            let message = format!(
                "the endpoint service {} failed before Atlas named its region, and stands in the way: delete it in Atlas",
                first.id
            );
            return Some(self.saying(Verdict::stalled(Reason::Failed, message), self.vanished(), Look::Resync));
        }
        Some(self.region_unknown(&ids))
    }

    fn unnamed_suspects(&self) -> Vec<&'a Service> {
        let refusal = self.unsettled_attempt().and_then(|attempt| attempt.refusal.as_ref());
        if refusal.is_some_and(|refusal| refusal.conflict) {
            return self.unnamed_services().collect();
        }
        let all = self.unnamed_services();
        all.filter(|service| self.perhaps_made(service) || self.perhaps_made_for_another(service)).collect()
    }

    fn region_unknown(&self, ids: &str) -> Plan {
        let message =
            format!("Atlas does not tell the region of {ids} until it is named; it may be the one of this region");
        self.saying(Verdict::reconciling(Reason::RegionUnknown, message), self.vanished(), Look::Poll)
    }

    pub(super) fn refused_for_good(&self) -> Option<Plan> {
        let detail = self.unsettled_attempt()?.refused_for_good(&self.desired.subject)?;
        let message = format!("Atlas refuses to create the endpoint service: {detail}");
        Some(self.saying(Verdict::stalled(Reason::InvalidRequest, message), self.vanished(), Look::Resync))
    }

    pub(super) fn creates(&self) -> Plan {
        let recorded = &self.desired.recorded;
        let retrying = recorded
            .attempt
            .as_ref()
            .is_some_and(|attempt| matches!(attempt.write, AttemptedWrite::DeleteService { .. }));
        let due = self.moment.failed_since.unwrap_or(self.moment.now) + PAUSE_AFTER_VANISHING;
        if recorded.service.is_some() && !retrying && self.moment.now < due {
            let message = "the endpoint service is gone from Atlas; it is created again";
            return self.saying(Verdict::reconciling(Reason::Creating, message), Facts::Vanished, Look::At(due));
        }
        // The record of the creation takes the place of that of the deletion, which tells how often it was tried.
        if retrying && recorded.stands {
            let message = "the failed endpoint service is gone; it is created again";
            let plan = self.saying(Verdict::reconciling(self.creating(), message), Facts::Vanished, Look::Poll);
            return Plan { step: Some(Step::RecordService), ..plan };
        }
        let shown: Vec<ServiceId> =
            self.observed.services.value.iter().map(|service| service.id).chain(recorded.service).collect();
        let replaced = recorded
            .service_name
            .clone()
            .or_else(|| recorded.attempt.as_ref().and_then(|attempt| attempt.replaces.clone()));
        let attempt =
            self.attempt(AttemptedWrite::CreateService).showing(shown).with_tries(recorded.tries).replacing(replaced);
        self.sends(attempt)
    }

    pub(super) fn repeats(&self) -> Plan {
        match self.unsettled_attempt() {
            Some(attempt) => self.sends(attempt.repeated(&self.moment.holder, self.moment.atlas_time)),
            None => self.creates(),
        }
    }

    pub(super) fn sends(&self, attempt: Attempt) -> Plan {
        let plan = self.saying(
            Verdict::reconciling(self.creating(), "asking Atlas to create the endpoint service"),
            self.vanished(),
            Look::Poll,
        );
        Plan { step: Some(Step::Create(attempt)), ..plan }
    }
}
