//! What to do next for an endpoint. Pure.

use super::{Attachment, Desired, Facts, Held, MOST_RETIRING, Observed, Plan, Step, case::Case, delete};
use crate::{
    api::{Origin, Reason, Verdict},
    atlas::model::{Service, ServiceState},
    reconcile::{
        Look, Moment,
        attempt::{AttemptedWrite, Progress, hold_until},
    },
};

/// Decides the next step of an endpoint.
pub fn plan(desired: &Desired, observed: &Observed, moment: &Moment) -> Plan {
    let case = Case { desired, observed, moment };
    if desired.subject.deleting {
        case.reading_while_another_writes(delete::plan(&case))
    } else {
        case.protected_first(case.forgetting_what_lapsed(case.reading_while_another_writes(case.live())))
    }
}

impl<'a> Case<'a> {
    pub(super) fn live(&self) -> Plan {
        match self.desired.target.as_ref() {
            Some(target) => self.towards(target),
            None => self.saying(
                Verdict::reconciling(Reason::WaitingForEndpointId, "waiting for the id of the endpoint"),
                Look::Resync,
            ),
        }
    }

    pub(super) fn towards(&self, target: &Attachment) -> Plan {
        if let Some(plan) = self.settles_an_abandoned_attempt(target) {
            return plan;
        }
        let recorded = &self.desired.recorded;
        match &recorded.held {
            Some(held) if held.attachment.endpoint != target.endpoint => self.retires(Some(held.clone()), target),
            Some(held) if held.attachment.service != target.service => {
                self.no_longer_showing(held, self.service_replaced(target))
            }
            Some(_) | None if recorded.retiring.iter().any(|old| old.attachment == *target) => {
                self.retires(None, target)
            }
            Some(held) => self.holds(held),
            None => self.attaches(target),
        }
    }

    /// The id was changed while a request to attach the old one was unanswered: what came of that is known first; and nothing
    /// else is attached while it may come of it yet, though status has it already, or its record would be lost.
    pub(super) fn settles_an_abandoned_attempt(&self, target: &Attachment) -> Option<Plan> {
        let recorded = &self.desired.recorded;
        let (_, attempted) = self.unsettled_attempt().filter(|(_, attempted)| attempted != target)?;
        let made = Held { attachment: attempted, origin: Origin::Created };
        let attempted = &made.attachment;
        let known = recorded.all().any(|held| *held == made);
        if !known && self.is_listed(attempted) && self.origin_of(attempted) == Origin::Created {
            let mut plan =
                self.reconciling(Reason::Replacing, "the endpoint attached before is to be detached", Look::Poll);
            plan.retiring.retain(|old| old.attachment != *attempted);
            // What it had adopted was gone, and is its own now.
            match recorded.held.as_ref().filter(|held| held.attachment == *attempted) {
                Some(_) => plan.facts = Facts::Restored(made),
                None => plan.retiring.push(made),
            }
            return Some(Plan { step: Some(Step::Retire), ..plan });
        }
        self.progress().is_open().then(|| {
            let message =
                format!("a request to attach {} was not answered; looking for what came of it", attempted.endpoint);
            self.reconciling(Reason::Replacing, message, Look::Poll)
        })
    }

    /// Rule 6: the old endpoint goes to `retiring` before the new one is added; an edit back takes it out again.
    pub(super) fn retires(&self, held: Option<Held>, target: &Attachment) -> Plan {
        let mut plan = self.reconciling(
            Reason::Replacing,
            "the new endpoint is attached before the old one is detached",
            Look::Poll,
        );
        let all = self.desired.recorded.held.iter().chain(&plan.retiring).filter(|held| held.attachment == *target);
        let wanted_again = all.max_by_key(|held| held.origin == Origin::Created).cloned();
        plan.retiring.retain(|old| old.attachment != *target);
        if let Some(held) = held.as_ref().filter(|_| plan.retiring.len() >= MOST_RETIRING) {
            return self.too_many_retiring(held, target);
        }
        plan.retiring.extend(held);
        plan.facts = match wanted_again {
            Some(held) => Facts::Restored(held),
            None => Facts::Nothing,
        };
        Plan { step: Some(Step::Retire), tries: 0, ..plan }
    }

    fn too_many_retiring(&self, held: &Held, target: &Attachment) -> Plan {
        let message = format!(
            "{} is not attached: {MOST_RETIRING} endpoints of earlier ids are still attached, and detached only once a successor has connected. Put {} back, and see why it does not connect",
            target.endpoint, held.attachment.endpoint
        );
        self.saying(Verdict::stalled(Reason::InvalidRequest, message), Look::Resync)
    }

    /// A VPC endpoint is made for one service name, so attaching it to another service can only be rejected.
    pub(super) fn service_replaced(&self, target: &Attachment) -> Plan {
        let name = self.service(target.service).and_then(|service| service.endpoint_service_name.clone());
        let Some(name) = name else { return self.waits_for_link() };
        let message = format!(
            "the VPC endpoint {} was made for a service that is gone: create one for {name}, and put its id here",
            target.endpoint
        );
        self.saying(Verdict::stalled(Reason::ServiceReplaced, message), Look::Resync)
    }

    /// What the connection was is not told any more once the endpoint is gone with its service.
    pub(super) fn no_longer_showing(&self, held: &Held, plan: Plan) -> Plan {
        let facts = if self.is_listed(&held.attachment) { plan.facts } else { Facts::Vanished };
        Plan { facts, ..plan }
    }

    pub(super) fn holds(&self, held: &Held) -> Plan {
        let Some(service) = self.service(held.attachment.service) else {
            return self.no_longer_showing(held, self.waits_for_link());
        };
        if service.has_endpoint(&held.attachment.endpoint) {
            // What was adopted, was gone and was attached again by this resource is now its own.
            let ours = held.origin == Origin::Created || self.origin_of(&held.attachment) == Origin::Created;
            let origin = if ours { Origin::Created } else { Origin::Adopted };
            return self.connection(&Held { origin, ..held.clone() });
        }
        // Status first: the record of the next write takes the place of the one that tells how often it was tried.
        if self.desired.recorded.connected {
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

    pub(super) fn attaches(&self, target: &Attachment) -> Plan {
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

    pub(super) fn waits_for_link(&self) -> Plan {
        let message = if self.desired.link_leaving {
            "the link is being deleted: nothing new is attached to its endpoint service"
        } else {
            "waiting for the link's endpoint service"
        };
        self.reconciling(Reason::WaitingForLink, message, Look::Resync)
    }

    pub(super) fn adds(&self, target: &Attachment, service: &Service) -> Plan {
        // As the others see it: what it has created and what is gone is still its own to attach again.
        let own = self.desired.recorded.held.iter().find(|held| held.attachment == *target);
        if let Some(owner) = self.owner_of(target, own.map(|held| held.origin)) {
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
            Progress::Open { may_repeat: false, .. } => {
                let message = "a request to attach the endpoint was not answered; looking for what came of it";
                self.reconciling(Reason::Attaching, message, Look::Poll)
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
    pub(super) fn being_removed_elsewhere(&self, target: &Attachment) -> Option<Plan> {
        let attempt = self.desired.recorded.attempt.as_ref()?;
        if !attempt.may_remove(target) || attempt.holder == self.moment.holder {
            return None;
        }
        let until = hold_until(attempt, &self.moment.holder, &self.moment.attempt, self.moment.now)?;
        Some(self.reconciling(
            Reason::Retrying,
            "the endpoint was removed, and is added again shortly",
            Look::At(until),
        ))
    }

    pub(super) fn refused_for_good(&self, target: &Attachment) -> Option<Plan> {
        let detail = self.attempt_for(target)?.refused_for_good(&self.desired.subject)?;
        let ways = if self.desired.recorded.retiring.is_empty() {
            ""
        } else {
            ". The endpoint attached before is kept. Where Atlas takes only one endpoint, delete this resource and create it again: that interrupts traffic"
        };
        let message = format!("Atlas refuses to attach {}: {detail}{ways}", target.endpoint);
        Some(self.saying(Verdict::stalled(Reason::InvalidRequest, message), Look::Resync))
    }

    pub(super) fn sends(&self, target: &Attachment, repeat: bool) -> Plan {
        let attempt = match self.attempt_for(target) {
            Some(attempt) if repeat => attempt.repeated(&self.moment.holder, self.moment.atlas_time),
            Some(_) | None => self.attempt(AttemptedWrite::add(target)).with_tries(self.desired.recorded.tries),
        };
        let plan = self.reconciling(Reason::Attaching, "asking Atlas to attach the endpoint", Look::Poll);
        Plan { step: Some(Step::Add(target.clone(), attempt)), ..plan }
    }
}
