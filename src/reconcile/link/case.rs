//! What a plan for a link may look at, and what it can read from it. Pure.

use super::{Desired, Facts, Observed, Plan, Sharer, Step};
use crate::{
    api::{AdoptionPolicy, Origin, Reason, Verdict},
    atlas::{
        ids::ServiceId,
        model::{Service, ServiceState},
        region::{Provider, Region},
    },
    reconcile::{
        Look, Moment,
        attempt::{Attempt, AttemptedWrite, Progress, hold_until, may_have_effect, progress},
        ownership::{self, Claim, Heard},
    },
};

/// Everything that a plan may look at.
pub(super) struct Case<'a> {
    pub desired: &'a Desired,
    pub observed: &'a Observed,
    pub moment: &'a Moment,
}

impl<'a> Case<'a> {
    /// The recorded service, if Atlas still has it.
    pub(super) fn recorded_service(&self) -> Option<&'a Service> {
        let id = self.desired.recorded.service?;
        self.observed.services.value.iter().find(|service| service.id == id)
    }

    /// The service that stands for this key in Atlas, one that is not going away before one that is.
    pub(super) fn candidate(&self) -> Option<&'a Service> {
        let all = self.observed.services.value.iter();
        all.filter(|service| stands_for(service, &self.desired.region) || self.is_told_by(service, Heard::Listed))
            .min_by_key(|service| service.state == ServiceState::Deleting)
    }

    /// v1.0: a service without a name that another link of this region records, which may be believed once its own
    /// credentials have listed the project.
    pub(super) fn told_by_unheard(&self) -> Option<&'a Service> {
        self.observed.services.value.iter().find(|service| self.is_told_by(service, Heard::Nothing))
    }

    /// v1.0: whether a service without a name is recorded by another link of this region of which so much is heard.
    fn is_told_by(&self, service: &Service, heard: Heard) -> bool {
        let records = |other: &Sharer| other.service == Some(service.id) && other.claim.heard == heard;
        service.provider == self.desired.region.provider()
            && service.region.is_none()
            && self.observed.others.iter().any(records)
    }

    /// The attempt to create a service, unless it is known what came of it.
    pub(super) fn unsettled_attempt(&self) -> Option<&'a Attempt> {
        self.desired.recorded.unsettled_creation(self.moment)
    }

    /// Rule 2: whether a service that status doesn't record is the work of this object's attempt.
    pub(super) fn origin_of(&self, service: &Service) -> Origin {
        let claimed = || self.others_of(service.id).iter().any(|other| other.origin == Some(Origin::Created));
        let ours = self.perhaps_made(service) && !claimed();
        if ours { Origin::Created } else { Origin::Adopted }
    }

    pub(super) fn progress(&self) -> Progress {
        let (holder, memory) = (&self.moment.holder, &self.moment.attempt);
        self.unsettled_attempt().map_or(Progress::Settled, |attempt| {
            progress(attempt, holder, memory, self.observed.services.read, self.moment.now)
        })
    }

    /// The other links of the key, with what they record of this very service; without those that have nothing to do with
    /// it, whom nobody waits for.
    pub(super) fn others_of(&self, id: ServiceId) -> Vec<Claim> {
        let all = self.observed.others.iter().filter(|other| !other.stays_with_another(id));
        all.map(|other| Claim {
            origin: other.claim.origin.filter(|_| other.service == Some(id)),
            blank: other.claim.suspended && other.service.is_none() && !other.may_have_made(id),
            ..other.claim.clone()
        })
        .collect()
    }

    /// The other link that owns this service, if it isn't this one.
    pub(super) fn owner_of(&self, service: &Service, origin: Origin) -> Option<String> {
        let mut others = self.others_of(service.id);
        // What it has not made, CreateOnly never takes over.
        others.retain(|other| other.adoption != AdoptionPolicy::CreateOnly || other.origin == Some(Origin::Created));
        self.name_owner(Some(origin), &others)
    }

    /// The other link whose service this key's is to be, if it isn't this one.
    pub(super) fn owner_to_be(&self) -> Option<String> {
        let others: Vec<_> = self.observed.others.iter().map(|other| other.claim.clone()).collect();
        self.name_owner(self.desired.recorded.origin, &others)
    }

    pub(super) fn name_owner(&self, origin: Option<Origin>, others: &[Claim]) -> Option<String> {
        let subject = &self.desired.subject;
        let own = Claim::of(subject, Heard::Listed, self.desired.adoption, origin);
        ownership::owner(&own, others).map(|owner| owner.seen_from(&subject.object.namespace))
    }

    pub(super) fn saying(&self, verdict: Verdict, facts: Facts, look: Look) -> Plan {
        Plan { step: None, facts, verdict, look, tries: self.desired.recorded.tries }
    }

    /// The finalizer is there before status records an origin, and is restored where one is recorded or an attempt is
    /// unsettled.
    pub(super) fn protected_first(&self, plan: Plan) -> Plan {
        let claims = matches!(plan.facts, Facts::Seen(..))
            || self.desired.recorded.origin.is_some()
            || self.progress() != Progress::Settled;
        let step = if claims && !self.desired.subject.protected { Some(Step::Protect) } else { plan.step };
        Plan { step, ..plan }
    }

    /// Rule 1: while another holder's attempt may still have its effect, this one only reads Atlas.
    pub(super) fn reading_while_another_writes(&self, plan: Plan) -> Plan {
        let writes = match &plan.step {
            Some(Step::Create(_) | Step::DeleteFailed(..) | Step::Delete(_)) => true,
            Some(
                Step::Protect | Step::RecordRefusal(_) | Step::RecordService | Step::HandOver(..) | Step::LetGo(_),
            )
            | None => false,
        };
        if writes && self.is_written_elsewhere() { Plan { step: None, look: Look::Poll, ..plan } } else { plan }
    }

    /// Whether another holder's attempt, whose effect the list doesn't show, is still left to itself.
    fn is_written_elsewhere(&self) -> bool {
        let theirs = |attempt: &&Attempt| attempt.holder != self.moment.holder;
        let Some(attempt) = self.desired.recorded.attempt.as_ref().filter(theirs) else { return false };
        let settled = match &attempt.write {
            AttemptedWrite::CreateService => {
                let found = self.candidate().is_some_and(|service| self.origin_of(service) == Origin::Created);
                found || self.unsettled_attempt().is_none()
            }
            AttemptedWrite::DeleteService { service: id } => {
                let service = self.observed.services.value.iter().find(|service| service.id == *id);
                service.is_none_or(|service| service.state == ServiceState::Deleting)
            }
            AttemptedWrite::AddEndpoint { .. } | AttemptedWrite::RemoveEndpoint { .. } => true,
        };
        !settled && hold_until(attempt, &self.moment.holder, &self.moment.attempt, self.moment.now).is_some()
    }

    pub(super) fn creating(&self) -> Reason {
        if self.desired.recorded.tries > 0 { Reason::Retrying } else { Reason::Creating }
    }

    pub(super) fn vanished(&self) -> Facts {
        if self.desired.recorded.service.is_some() { Facts::Vanished } else { Facts::Unchanged }
    }

    /// Those of them that an unanswered attempt may have made.
    pub(super) fn unnamed_and_perhaps_made(&self) -> Vec<&'a Service> {
        self.unnamed_services().filter(|service| self.perhaps_made(service)).collect()
    }

    /// Whether this link's unanswered attempt may have made it.
    pub(super) fn perhaps_made(&self, service: &Service) -> bool {
        self.unsettled_attempt().is_some_and(|attempt| {
            may_have_effect(attempt, &self.moment.holder, &self.moment.attempt) && attempt.may_have_made(service.id)
        })
    }

    /// The same of the other links of this region. What failed is never named: it stands in the way only where the other
    /// link's credentials have listed the project, or anybody's record could keep this link waiting for ever.
    pub(super) fn perhaps_made_for_another(&self, service: &Service) -> bool {
        let counts = |other: &&Sharer| match other.claim.heard {
            Heard::Listed => true,
            Heard::Nothing => service.state != ServiceState::Failed,
            Heard::Lacking => false,
        };
        self.observed.others.iter().filter(counts).any(|other| other.may_have_made(service.id))
    }

    pub(super) fn unnamed_services(&self) -> impl Iterator<Item = &'a Service> {
        self.observed.services.value.iter().filter(|service| self.is_unnamed(service))
    }

    pub(super) fn is_unnamed(&self, service: &Service) -> bool {
        service.provider == self.desired.region.provider()
            && service.region.is_none()
            && service.state != ServiceState::Deleting
            && Some(service.id) != self.desired.recorded.service
            && !self.observed.recorded_elsewhere.contains(&service.id)
    }

    pub(super) fn attempt(&self, write: AttemptedWrite) -> Attempt {
        Attempt::new(&self.desired.subject.uid, &self.moment.holder, write, self.moment.atlas_time)
    }
}

/// Whether `service` is the one service of `region`; of GCP's two kinds only the port-mapped one counts.
fn stands_for(service: &Service, region: &Region) -> bool {
    service.region.as_ref() == Some(region) && (region.provider() != Provider::Gcp || service.port_mapping)
}
