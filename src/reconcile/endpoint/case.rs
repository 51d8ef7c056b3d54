//! What a plan for an endpoint may look at, and what it can read from it. Pure.

use super::{Attachment, Desired, Facts, Observed, Plan, Step, lists};
use crate::{
    api::{AdoptionPolicy, Origin, Reason, Verdict},
    atlas::{ids::ServiceId, model::Service},
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
    pub(super) fn service(&self, id: ServiceId) -> Option<&'a Service> {
        self.observed.services.value.iter().find(|service| service.id == id)
    }

    pub(super) fn is_listed(&self, attachment: &Attachment) -> bool {
        lists(&self.observed.services, attachment)
    }

    /// The attempt to attach, unless it is known what came of it: status records what it was to attach, and none of its
    /// requests can arrive any more.
    pub(super) fn unsettled_attempt(&self) -> Option<(&'a Attempt, Attachment)> {
        let attempt = self.desired.recorded.attempt.as_ref()?;
        let AttemptedWrite::AddEndpoint { service, endpoint } = &attempt.write else { return None };
        let attachment = Attachment { service: *service, endpoint: endpoint.clone() };
        let held = self.desired.recorded.held.iter().chain(&self.desired.recorded.retiring);
        let mut answered = held.filter(|held| held.origin == Origin::Created).map(|held| &held.attachment);
        let settled = answered.any(|answered| *answered == attachment) && attempt.is_over(self.moment);
        (!settled).then_some((attempt, attachment))
    }

    /// Where the attempt stands, given that what it was to attach is not listed.
    pub(super) fn progress(&self) -> Progress {
        self.unsettled_attempt().map_or(Progress::Settled, |(attempt, _)| self.progress_of(attempt))
    }

    /// Where the attempt stands, if it was to attach this.
    pub(super) fn progress_towards(&self, target: &Attachment) -> Progress {
        self.attempt_for(target).map_or(Progress::Settled, |attempt| self.progress_of(attempt))
    }

    pub(super) fn attempt_for(&self, target: &Attachment) -> Option<&'a Attempt> {
        self.unsettled_attempt().filter(|(_, attempted)| attempted == target).map(|(attempt, _)| attempt)
    }

    pub(super) fn progress_of(&self, attempt: &Attempt) -> Progress {
        let (holder, memory) = (&self.moment.holder, &self.moment.attempt);
        progress(attempt, holder, memory, self.observed.services.read, self.moment.now)
    }

    /// Rule 2: whether a listed endpoint that status doesn't record is the work of this object's attempt, before which
    /// a LIST did not show it.
    pub(super) fn origin_of(&self, attachment: &Attachment) -> Origin {
        let ours = self
            .attempt_for(attachment)
            .is_some_and(|attempt| may_have_effect(attempt, &self.moment.holder, &self.moment.attempt));
        // Who has replaced it and has not heard yet that it is gone has not made it anew.
        let claims = |other: &Claim| other.origin == Some(Origin::Created) && other.stake.cares();
        let claimed = self.others_of(attachment).iter().any(claims);
        if ours && !claimed { Origin::Created } else { Origin::Adopted }
    }

    pub(super) fn others_of(&self, attachment: &Attachment) -> Vec<Claim> {
        let all = self.observed.others.iter();
        all.filter(|(other, _)| other == attachment).map(|(_, claim)| claim.clone()).collect()
    }

    /// The other object that owns it, given how this one came by it.
    pub(super) fn owner_of(&self, attachment: &Attachment, origin: Option<Origin>) -> Option<String> {
        let subject = &self.desired.subject;
        let own = Claim::of(subject, Heard::Listed, AdoptionPolicy::AdoptOrCreate, origin);
        let others = self.others_of(attachment);
        ownership::owner(&own, &others).map(|owner| owner.seen_from(&subject.object.namespace))
    }

    /// The names of others, as this object may show them.
    pub(super) fn names<'c>(&self, others: impl IntoIterator<Item = &'c Claim>) -> String {
        ownership::names(others, &self.desired.subject.object.namespace)
    }

    pub(super) fn saying(&self, verdict: Verdict, look: Look) -> Plan {
        let recorded = &self.desired.recorded;
        Plan {
            step: None,
            facts: Facts::Unchanged,
            retiring: recorded.retiring.clone(),
            verdict,
            look,
            tries: recorded.tries,
        }
    }

    pub(super) fn reconciling(&self, reason: Reason, message: impl Into<String>, look: Look) -> Plan {
        // While an old endpoint still serves, what is under way is its replacement.
        let reason = if self.desired.recorded.retiring.is_empty() { reason } else { Reason::Replacing };
        self.saying(Verdict::reconciling(reason, message), look)
    }

    /// The finalizer is there before status records an origin, and is restored where one is recorded or an attempt is
    /// unsettled.
    pub(super) fn protected_first(&self, plan: Plan) -> Plan {
        let recorded = &self.desired.recorded;
        let claims = matches!(plan.facts, Facts::Seen(..) | Facts::Restored(_))
            || recorded.held.is_some()
            || !recorded.retiring.is_empty()
            || !plan.retiring.is_empty()
            || self.progress() != Progress::Settled;
        let step = if claims && !self.desired.subject.protected { Some(Step::Protect) } else { plan.step };
        Plan { step, ..plan }
    }

    /// An attempt that made nothing in its time has made nothing for good: what is attached under that id some day is not
    /// its work. Endpoints don't tell when they were made, so it is recorded, unless another record takes its place now.
    pub(super) fn forgetting_what_lapsed(&self, plan: Plan) -> Plan {
        let lapsed = self.unsettled_attempt().filter(|(attempt, attempted)| {
            let open = attempt.refusal.is_none() && !self.is_listed(attempted);
            open && self.progress() == Progress::Settled && attempt.was_over(self.observed.services.read, self.moment)
        });
        match (&plan.step, lapsed) {
            (None, Some((attempt, _))) => Plan { step: Some(Step::RecordRefusal(attempt.lapsed())), ..plan },
            (Some(_), _) | (None, None) => plan,
        }
    }

    /// Rule 1: while another holder's attempt may still have its effect, this one only reads Atlas.
    pub(super) fn reading_while_another_writes(&self, plan: Plan) -> Plan {
        let writes = plan.step.as_ref().is_some_and(Step::writes_to_atlas);
        if writes && self.is_written_elsewhere() { Plan { step: None, look: Look::Poll, ..plan } } else { plan }
    }

    /// Whether another holder's attempt, whose effect the list doesn't show, is still left to itself.
    fn is_written_elsewhere(&self) -> bool {
        let theirs = |attempt: &&Attempt| attempt.holder != self.moment.holder;
        let Some(attempt) = self.desired.recorded.attempt.as_ref().filter(theirs) else { return false };
        let settled = match &attempt.write {
            AttemptedWrite::AddEndpoint { .. } => self.unsettled_attempt().is_none_or(|(_, attempted)| {
                self.is_listed(&attempted) && self.origin_of(&attempted) == Origin::Created
            }),
            AttemptedWrite::RemoveEndpoint { service, endpoint } => {
                !self.is_listed(&Attachment { service: *service, endpoint: endpoint.clone() })
            }
            AttemptedWrite::CreateService | AttemptedWrite::DeleteService { .. } => true,
        };
        !settled && hold_until(attempt, &self.moment.holder, &self.moment.attempt, self.moment.now).is_some()
    }

    pub(super) fn attempt(&self, write: AttemptedWrite) -> Attempt {
        Attempt::new(&self.desired.subject.uid, &self.moment.holder, write, self.moment.atlas_time)
    }

    /// Whether this process' request to remove it was answered: what is listed then is on its way out.
    pub(super) fn is_being_removed(&self, attachment: &Attachment) -> bool {
        self.moment.removed.contains(&(attachment.service, attachment.endpoint.clone()))
    }
}
