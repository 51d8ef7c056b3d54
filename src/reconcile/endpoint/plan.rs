//! What to do next for an endpoint. Pure.

use super::{Attachment, Desired, Facts, Held, Observed, Plan, Step, delete};
use crate::{
    api::{AdoptionPolicy, Origin, Reason, Verdict},
    atlas::{
        ids::ServiceId,
        model::{ConnectionStatus, Endpoint, Service, ServiceState},
    },
    reconcile::{
        Look, Moment,
        attempt::{Attempt, AttemptedWrite, Progress, hold_until, may_have_effect, progress},
        ownership::{self, Claim, Heard},
        retry::{self, Retry},
    },
};
use tokio::time::Instant;

/// Decides the next step of an endpoint.
pub fn plan(desired: &Desired, observed: &Observed, moment: &Moment) -> Plan {
    let case = Case { desired, observed, moment };
    if desired.subject.deleting {
        case.reading_while_another_writes(delete::plan(&case))
    } else {
        case.protected_first(case.reading_while_another_writes(case.live()))
    }
}

/// Everything that a plan may look at.
pub(super) struct Case<'a> {
    pub desired: &'a Desired,
    pub observed: &'a Observed,
    pub moment: &'a Moment,
}

impl<'a> Case<'a> {
    fn live(&self) -> Plan {
        match self.desired.target.as_ref() {
            Some(target) => self.towards(target),
            None => self.saying(
                Verdict::reconciling(Reason::WaitingForEndpointId, "waiting for the id of the endpoint"),
                Look::Resync,
            ),
        }
    }

    fn towards(&self, target: &Attachment) -> Plan {
        if let Some(plan) = self.settles_an_abandoned_attempt(target) {
            return plan;
        }
        let recorded = &self.desired.recorded;
        match &recorded.held {
            Some(held) if held.attachment.endpoint != target.endpoint => self.retires(Some(held.clone()), target),
            None if recorded.retiring.iter().any(|old| old.attachment == *target) => self.retires(None, target),
            Some(held) if held.attachment.service != target.service => {
                self.no_longer_showing(held, self.service_replaced(target))
            }
            Some(held) => self.holds(held),
            None => self.attaches(target),
        }
    }

    pub fn service(&self, id: ServiceId) -> Option<&'a Service> {
        self.observed.services.value.iter().find(|service| service.id == id)
    }

    /// Whether Atlas lists the endpoint, in whatever state.
    pub fn is_listed(&self, attachment: &Attachment) -> bool {
        self.service(attachment.service).is_some_and(|service| service.has_endpoint(&attachment.endpoint))
    }

    /// The attempt to attach, unless status shows what came of it.
    pub fn unsettled_attempt(&self) -> Option<(&'a Attempt, Attachment)> {
        let attempt = self.desired.recorded.attempt.as_ref()?;
        let AttemptedWrite::AddEndpoint { service, endpoint } = &attempt.write else { return None };
        let attachment = Attachment { service: *service, endpoint: endpoint.clone() };
        let held = self.desired.recorded.held.iter().chain(&self.desired.recorded.retiring);
        let mut answered = held.filter(|held| held.origin == Origin::Created).map(|held| &held.attachment);
        (!answered.any(|answered| *answered == attachment)).then_some((attempt, attachment))
    }

    /// Where the attempt stands, given that what it was to attach is not listed.
    pub fn progress(&self) -> Progress {
        self.unsettled_attempt().map_or(Progress::Settled, |(attempt, _)| self.progress_of(attempt))
    }

    /// The same, if it was to attach this.
    fn progress_towards(&self, target: &Attachment) -> Progress {
        self.attempt_for(target).map_or(Progress::Settled, |attempt| self.progress_of(attempt))
    }

    fn attempt_for(&self, target: &Attachment) -> Option<&'a Attempt> {
        self.unsettled_attempt().filter(|(_, attempted)| attempted == target).map(|(attempt, _)| attempt)
    }

    fn progress_of(&self, attempt: &Attempt) -> Progress {
        let (holder, memory) = (&self.moment.holder, &self.moment.attempt);
        progress(attempt, holder, memory, self.observed.services.read, self.moment.now)
    }

    /// Rule 2: whether a listed endpoint that status doesn't record is the work of this object's attempt, before which
    /// a LIST did not show it.
    pub fn origin_of(&self, attachment: &Attachment) -> Origin {
        let ours = self
            .attempt_for(attachment)
            .is_some_and(|attempt| may_have_effect(attempt, &self.moment.holder, &self.moment.attempt));
        let claimed = self.others_of(attachment).iter().any(|other| other.origin == Some(Origin::Created));
        if ours && !claimed { Origin::Created } else { Origin::Adopted }
    }

    pub fn others_of(&self, attachment: &Attachment) -> Vec<Claim> {
        let all = self.observed.others.iter();
        all.filter(|(other, _)| other == attachment).map(|(_, claim)| claim.clone()).collect()
    }

    fn owner_name(&self, attachment: &Attachment) -> Option<String> {
        let subject = &self.desired.subject;
        let held = self.desired.recorded.held.as_ref().filter(|held| held.attachment == *attachment);
        let own = Claim {
            object: subject.object.clone(),
            uid: subject.uid.clone(),
            created: subject.created,
            live: true,
            heard: Heard::Listed,
            adoption: AdoptionPolicy::AdoptOrCreate,
            origin: held.map(|held| held.origin),
        };
        ownership::owner(&own, &self.others_of(attachment))
            .map(|owner| owner.object.seen_from(&subject.object.namespace))
    }

    pub fn saying(&self, verdict: Verdict, look: Look) -> Plan {
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

    fn reconciling(&self, reason: Reason, message: impl Into<String>, look: Look) -> Plan {
        // While an old endpoint still serves, what is under way is its replacement.
        let reason = if self.desired.recorded.retiring.is_empty() { reason } else { Reason::Replacing };
        self.saying(Verdict::reconciling(reason, message), look)
    }

    /// The finalizer is there before status records an origin, and is restored where one is recorded or an attempt is
    /// unsettled.
    fn protected_first(&self, plan: Plan) -> Plan {
        let recorded = &self.desired.recorded;
        let claims = matches!(plan.facts, Facts::Seen(..) | Facts::Restored(_))
            || recorded.held.is_some()
            || !recorded.retiring.is_empty()
            || !plan.retiring.is_empty()
            || self.progress() != Progress::Settled;
        let step = if claims && !self.desired.subject.protected { Some(Step::Protect) } else { plan.step };
        Plan { step, ..plan }
    }

    /// Rule 1: while another holder's attempt may still have its effect, this one only reads Atlas.
    fn reading_while_another_writes(&self, plan: Plan) -> Plan {
        let writes = match &plan.step {
            Some(Step::Add(..) | Step::RemoveFailed(..) | Step::RemoveRetired(..) | Step::Remove(_)) => true,
            Some(Step::Protect | Step::Retire | Step::RecordRefusal(_) | Step::HandOver(..) | Step::LetGo(_))
            | None => false,
        };
        match self.written_elsewhere() {
            Some(until) if writes => Plan { step: None, look: Look::At(until), ..plan },
            Some(_) | None => plan,
        }
    }

    /// Until when another holder's attempt, whose effect the list doesn't show, is left to itself.
    fn written_elsewhere(&self) -> Option<Instant> {
        let attempt = self.desired.recorded.attempt.as_ref().filter(|attempt| attempt.holder != self.moment.holder)?;
        let settled = match &attempt.write {
            AttemptedWrite::AddEndpoint { .. } => self.unsettled_attempt().is_none_or(|(_, attempted)| {
                self.is_listed(&attempted) && self.origin_of(&attempted) == Origin::Created
            }),
            AttemptedWrite::RemoveEndpoint { service, endpoint } => {
                !self.is_listed(&Attachment { service: *service, endpoint: endpoint.clone() })
            }
            AttemptedWrite::CreateService | AttemptedWrite::DeleteService { .. } => true,
        };
        if settled { None } else { hold_until(attempt, &self.moment.holder, &self.moment.attempt, self.moment.now) }
    }

    /// The id was changed while a request to attach the old one was unanswered: what came of that is known first.
    fn settles_an_abandoned_attempt(&self, target: &Attachment) -> Option<Plan> {
        let (_, attempted) = self.unsettled_attempt().filter(|(_, attempted)| attempted != target)?;
        let held = self.desired.recorded.held.iter().chain(&self.desired.recorded.retiring);
        if held.into_iter().any(|held| held.attachment == attempted) {
            return None;
        }
        if self.is_listed(&attempted) && self.origin_of(&attempted) == Origin::Created {
            let mut plan =
                self.reconciling(Reason::Replacing, "the endpoint attached before is to be detached", Look::Poll);
            plan.retiring.push(Held { attachment: attempted, origin: Origin::Created });
            return Some(Plan { step: Some(Step::Retire), ..plan });
        }
        match self.progress() {
            Progress::Open { hold_until, .. } => {
                let message =
                    format!("a request to attach {} was not answered; looking for what came of it", attempted.endpoint);
                Some(self.reconciling(Reason::Replacing, message, Look::At(hold_until)))
            }
            Progress::Settled | Progress::RefusalUnrecorded(_) => None,
        }
    }

    /// Rule 6: the old endpoint goes to `retiring` before the new one is added; an edit back takes it out again.
    fn retires(&self, held: Option<Held>, target: &Attachment) -> Plan {
        let mut plan = self.reconciling(
            Reason::Replacing,
            "the new endpoint is attached before the old one is detached",
            Look::Poll,
        );
        let wanted_again = plan.retiring.iter().find(|old| old.attachment == *target).cloned();
        plan.retiring.retain(|old| old.attachment != *target);
        plan.retiring.extend(held);
        plan.facts = match wanted_again {
            Some(held) => Facts::Restored(held),
            None => Facts::Nothing,
        };
        Plan { step: Some(Step::Retire), tries: 0, ..plan }
    }

    /// A VPC endpoint is made for one service name, so attaching it to another service can only be rejected.
    fn service_replaced(&self, target: &Attachment) -> Plan {
        let name = self.service(target.service).and_then(|service| service.endpoint_service_name.clone());
        let Some(name) = name else {
            return self.reconciling(
                Reason::WaitingForLink,
                "the link's endpoint service is being made anew",
                Look::Resync,
            );
        };
        let message = format!(
            "the VPC endpoint {} was made for a service that is gone: create one for {name}, and put its id here",
            target.endpoint
        );
        self.saying(Verdict::stalled(Reason::ServiceReplaced, message), Look::Resync)
    }

    /// What the connection was is not told any more once the endpoint is gone with its service.
    fn no_longer_showing(&self, held: &Held, plan: Plan) -> Plan {
        let facts = if self.is_listed(&held.attachment) { plan.facts } else { Facts::Vanished };
        Plan { facts, ..plan }
    }

    fn holds(&self, held: &Held) -> Plan {
        let Some(service) = self.service(held.attachment.service) else {
            return self.no_longer_showing(held, self.waits_for_link());
        };
        if service.has_endpoint(&held.attachment.endpoint) {
            // What was adopted, was gone and was attached again by this resource is now its own.
            let ours = held.origin == Origin::Created || self.origin_of(&held.attachment) == Origin::Created;
            let origin = if ours { Origin::Created } else { Origin::Adopted };
            return self.connection(&Held { origin, ..held.clone() });
        }
        if self.desired.recorded.connected && self.desired.recorded.tries == 0 {
            let told = self.reconciling(
                Reason::Attaching,
                "the endpoint is gone from Atlas; it is attached again",
                Look::Poll,
            );
            return Plan { step: Some(Step::Retire), facts: Facts::Vanished, ..told };
        }
        let plan = self.adds(&held.attachment, service);
        Plan { facts: Facts::Vanished, ..plan }
    }

    fn attaches(&self, target: &Attachment) -> Plan {
        if let (Progress::RefusalUnrecorded(refusal), Some((attempt, _))) = (self.progress(), self.unsettled_attempt())
        {
            let plan = self.reconciling(
                Reason::Attaching,
                "Atlas refused to attach the endpoint; looking at what is there",
                Look::Poll,
            );
            return Plan { step: Some(Step::RecordRefusal(attempt.refused(refusal))), ..plan };
        }
        match self.service(target.service) {
            None => self.waits_for_link(),
            Some(service) if service.has_endpoint(&target.endpoint) => {
                self.connection(&Held { attachment: target.clone(), origin: self.origin_of(target) })
            }
            Some(service) => self.adds(target, service),
        }
    }

    fn waits_for_link(&self) -> Plan {
        self.reconciling(Reason::WaitingForLink, "waiting for the link's endpoint service", Look::Resync)
    }

    fn adds(&self, target: &Attachment, service: &Service) -> Plan {
        if let Some(owner) = self.owner_name(target) {
            return self.reconciling(
                Reason::WaitingForService,
                format!("waiting for {owner}, which owns it, to attach the endpoint"),
                Look::Resync,
            );
        }
        match service.state {
            ServiceState::WaitingForUser | ServiceState::Available if !self.desired.link_leaving => {}
            ServiceState::WaitingForUser
            | ServiceState::Available
            | ServiceState::Initiating
            | ServiceState::Failed
            | ServiceState::Deleting
            | ServiceState::Unknown(_) => return self.waits_for_link(),
        }
        match self.progress_towards(target) {
            Progress::Open { may_repeat: false, hold_until } => {
                let message = "a request to attach the endpoint was not answered; looking for what came of it";
                self.reconciling(Reason::Attaching, message, Look::At(hold_until))
            }
            Progress::Open { may_repeat: true, .. } => self.sends(target, true),
            Progress::Settled | Progress::RefusalUnrecorded(_) => self
                .refused_for_good(target)
                .or_else(|| self.being_removed_elsewhere(target))
                .unwrap_or_else(|| self.sends(target, false)),
        }
    }

    /// Another holder has recorded that it removes this endpoint: its request may still be under way, and would hit the
    /// endpoint that is added now.
    fn being_removed_elsewhere(&self, target: &Attachment) -> Option<Plan> {
        let attempt = self.desired.recorded.attempt.as_ref()?;
        let removed = AttemptedWrite::RemoveEndpoint { service: target.service, endpoint: target.endpoint.clone() };
        if attempt.write != removed || attempt.holder == self.moment.holder {
            return None;
        }
        let until = hold_until(attempt, &self.moment.holder, &self.moment.attempt, self.moment.now)?;
        Some(self.reconciling(
            Reason::Retrying,
            "the endpoint was removed, and is added again shortly",
            Look::At(until),
        ))
    }

    fn refused_for_good(&self, target: &Attachment) -> Option<Plan> {
        let detail = self.attempt_for(target)?.refused_for_good(&self.desired.subject)?;
        let ways = if self.desired.recorded.retiring.is_empty() {
            ""
        } else {
            ". The endpoint attached before is kept. Where Atlas takes only one endpoint, delete this resource and create it again: that interrupts traffic"
        };
        let message = format!("Atlas refuses to attach {}: {detail}{ways}", target.endpoint);
        Some(self.saying(Verdict::stalled(Reason::InvalidRequest, message), Look::Resync))
    }

    pub fn attempt(&self, write: AttemptedWrite) -> Attempt {
        Attempt::new(&self.desired.subject.uid, &self.moment.holder, write, self.moment.atlas_time)
    }

    fn sends(&self, target: &Attachment, repeat: bool) -> Plan {
        let attempt = match self.attempt_for(target) {
            Some(attempt) if repeat => attempt.repeated(&self.moment.holder, self.moment.atlas_time),
            Some(_) | None => {
                let write = AttemptedWrite::AddEndpoint { service: target.service, endpoint: target.endpoint.clone() };
                self.attempt(write).with_tries(self.desired.recorded.tries)
            }
        };
        let plan = self.reconciling(Reason::Attaching, "asking Atlas to attach the endpoint", Look::Poll);
        Plan { step: Some(Step::Add(target.clone(), attempt)), ..plan }
    }

    /// The endpoint is listed; its connection decides.
    fn connection(&self, held: &Held) -> Plan {
        let Some(view) = &self.observed.endpoint else {
            // Listed, and yet not found: it came or went between the two answers.
            return self.reconciling(Reason::Attaching, "waiting for Atlas to show the endpoint", Look::Poll);
        };
        let endpoint = &view.value;
        let plan = match &endpoint.status {
            _ if endpoint.delete_requested => self.leaving(),
            ConnectionStatus::Available => self.available(held),
            ConnectionStatus::None => self.pending("AWS has not created the VPC endpoint's connection yet"),
            ConnectionStatus::PendingAcceptance => {
                self.pending("AWS has received the connection request, Atlas is about to accept it")
            }
            ConnectionStatus::Pending => self.pending("AWS is establishing the connection"),
            ConnectionStatus::Rejected | ConnectionStatus::Failed => self.rejected(held, endpoint),
            ConnectionStatus::Deleting => self.leaving(),
            ConnectionStatus::Unknown(word) => {
                let message = format!(
                    "Atlas says {word}, which this version of the operator does not know; waiting for a state that it knows"
                );
                self.reconciling(Reason::PendingAcceptance, message, Look::Poll)
            }
        };
        Plan { facts: Facts::Seen(held.clone(), Box::new(endpoint.clone())), ..plan }
    }

    fn leaving(&self) -> Plan {
        let reason = if self.desired.recorded.tries > 0 { Reason::Retrying } else { Reason::Attaching };
        self.reconciling(reason, "Atlas is removing the endpoint; it is added again when it is gone", Look::Poll)
    }

    fn pending(&self, message: &str) -> Plan {
        self.reconciling(Reason::PendingAcceptance, message, Look::Poll)
    }

    fn available(&self, held: &Held) -> Plan {
        let message = match self.owner_name(&held.attachment) {
            Some(owner) => format!("connected; it is shared, and owned by {owner}"),
            None => "connected".to_owned(),
        };
        let plan = Plan { tries: 0, ..self.saying(Verdict::ready(message), Look::Resync) };
        match self.desired.recorded.retiring.first() {
            Some(old) => self.retired(old, plan),
            None => plan,
        }
    }

    /// Rule 6, after the new endpoint is available: the old one is detached, handed over, or kept.
    fn retired(&self, old: &Held, plan: Plan) -> Plan {
        let mut dropped = plan.clone();
        dropped.retiring.retain(|other| other != old);
        dropped.step = Some(Step::Retire);
        let gone = !self.is_listed(&old.attachment);
        if gone || old.origin == Origin::Adopted {
            return dropped;
        }
        match ownership::succession(&self.others_of(&old.attachment)) {
            _ if !self.observed.unheard.is_empty() => Plan { look: Look::Shortly, ..plan },
            ownership::Succession::WaitFor(_) => Plan { look: Look::Shortly, ..plan },
            ownership::Succession::Owned(_) => dropped,
            ownership::Succession::HandOver(heir) => {
                Plan { step: Some(Step::HandOver(heir.object.clone(), old.clone())), ..plan }
            }
            ownership::Succession::HeldBy(_) => dropped,
            ownership::Succession::Free if self.is_being_removed(&old.attachment) => Plan { look: Look::Poll, ..plan },
            ownership::Succession::Free => {
                let Attachment { service, endpoint } = old.attachment.clone();
                let attempt = self.attempt(AttemptedWrite::RemoveEndpoint { service, endpoint });
                Plan { step: Some(Step::RemoveRetired(old.attachment.clone(), attempt)), look: Look::Poll, ..plan }
            }
        }
    }

    /// Whether this process' request to remove it was answered: what is listed then is on its way out.
    pub fn is_being_removed(&self, attachment: &Attachment) -> bool {
        self.moment.removed.contains(&(attachment.service, attachment.endpoint.clone()))
    }

    /// Rule 5, for endpoints.
    fn rejected(&self, held: &Held, endpoint: &Endpoint) -> Plan {
        let said = endpoint.error_message.as_deref().unwrap_or("Atlas gives no cause");
        if let Some(owner) = self.owner_name(&held.attachment) {
            let message = format!("the endpoint was rejected ({said}); its owner, {owner}, has to mend it");
            return self.reconciling(Reason::WaitingForService, message, Look::Resync);
        }
        let service = self
            .service(held.attachment.service)
            .and_then(|service| service.endpoint_service_name.as_deref())
            .unwrap_or("the link's service");
        let stalled = |hint: &str| {
            let message = format!("the connection was rejected: {said}. {hint}");
            self.saying(Verdict::stalled(Reason::Rejected, message), Look::Resync)
        };
        if held.origin == Origin::Adopted {
            return stalled(
                "The endpoint was not attached by this resource, so it is left alone: remove it in Atlas to have it added again",
            );
        }
        let tries = self.desired.recorded.tries;
        match retry::next(tries, self.moment.failed_since, self.moment.now) {
            Retry::Exhausted => stalled(&format!(
                "Check that the VPC endpoint exists, is in a subnet, and was made for {service}; then put another id here, or set the annotation atlas.privatelink.dev/reconcile-requested-at to try anew"
            )),
            Retry::At(due) => {
                let message = format!(
                    "the connection was rejected: {said}. The endpoint is removed and added again (try {} of {})",
                    tries + 1,
                    retry::LIMIT
                );
                self.saying(Verdict::reconciling(Reason::Retrying, message), Look::At(due))
            }
            Retry::Now => {
                let Attachment { service, endpoint } = held.attachment.clone();
                let attempt = self.attempt(AttemptedWrite::RemoveEndpoint { service, endpoint }).with_tries(tries + 1);
                let message = format!(
                    "the rejected endpoint is being removed, to be added again (try {} of {})",
                    tries + 1,
                    retry::LIMIT
                );
                let plan = self.saying(Verdict::reconciling(Reason::Retrying, message), Look::Poll);
                Plan { step: Some(Step::RemoveFailed(held.attachment.clone(), attempt)), ..plan }
            }
        }
    }
}
