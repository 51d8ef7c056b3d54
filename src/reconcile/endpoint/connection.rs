//! What to do about an endpoint that is listed: its connection decides (design.md, safety rules 5 and 6). Pure.

use super::{Facts, Held, Plan, Step, Turn, case::Case};
use crate::{
    api::{Origin, Reason, Verdict},
    atlas::model::{ConnectionStatus, Endpoint},
    reconcile::{
        Look,
        attempt::AttemptedWrite,
        ownership::{self, Claim, Succession},
        retry::{self, Retry},
    },
};

impl<'a> Case<'a> {
    /// The endpoint is listed; its connection decides.
    pub(super) fn connection(&self, held: &Held) -> Plan {
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

    pub(super) fn leaving(&self) -> Plan {
        let reason = if self.desired.recorded.tries > 0 { Reason::Retrying } else { Reason::Attaching };
        self.reconciling(reason, "Atlas is removing the endpoint; it is added again when it is gone", Look::Poll)
    }

    pub(super) fn pending(&self, message: &str) -> Plan {
        self.reconciling(Reason::PendingAcceptance, message, Look::Poll)
    }

    pub(super) fn available(&self, held: &Held) -> Plan {
        let message = match self.owner_of(&held.attachment, Some(held.origin)) {
            Some(owner) => format!("connected; it is shared, and owned by {owner}"),
            None => "connected".to_owned(),
        };
        let plan = Plan { tries: 0, ..self.saying(Verdict::ready(message), Look::Resync) };
        let recorded = &self.desired.recorded;
        // The record of the next write takes the place of the one that proves whose the new endpoint is.
        if !recorded.retiring.is_empty() && recorded.held.as_ref() != Some(held) {
            return Plan { step: Some(Step::Retire), ..plan };
        }
        Plan::foremost(recorded.retiring.iter().map(|old| self.retired(old, plan.clone()))).unwrap_or(plan)
    }

    /// Rule 6, after the new endpoint is available: the old one is detached, handed over, or kept.
    fn retired(&self, old: &Held, plan: Plan) -> (Turn, Plan) {
        let mut dropped = plan.clone();
        dropped.retiring.retain(|other| other != old);
        dropped.step = Some(Step::Retire);
        let gone = !self.is_listed(&old.attachment);
        if gone || old.origin == Origin::Adopted {
            return dropped.in_turn();
        }
        let others = self.others_of(&old.attachment);
        let plan = match ownership::succession(&others) {
            _ if !self.observed.unheard.is_empty() => Plan { look: Look::Shortly, ..plan },
            Succession::WaitFor(_) => Plan { look: Look::Shortly, ..plan },
            Succession::Owned(owner) => Plan { step: Some(Step::Leave(owner.object.clone())), ..dropped },
            Succession::HandOver(heir) => Plan { step: Some(Step::HandOver(heir.heir(), old.clone())), ..plan },
            Succession::HeldBy(_) => dropped,
            Succession::NeededBy(needing) => {
                let message = format!("{}; {}", plan.verdict.message, old.stays_for(&self.names(needing)));
                return (Turn::HeldBack, Plan { verdict: Verdict::ready(message), ..plan });
            }
            Succession::Free if self.is_being_removed(&old.attachment) || self.progress().is_open() => {
                Plan { look: Look::Poll, ..plan }
            }
            Succession::Free => {
                let attempt = self.attempt(AttemptedWrite::remove(&old.attachment));
                Plan { step: Some(Step::RemoveRetired(old.attachment.clone(), attempt)), look: Look::Poll, ..plan }
            }
        };
        plan.in_turn()
    }

    /// Rule 5, for endpoints.
    pub(super) fn rejected(&self, held: &Held, endpoint: &Endpoint) -> Plan {
        let said = endpoint.error_message.as_deref().unwrap_or("Atlas gives no cause").trim_end_matches('.');
        if let Some(owner) = self.owner_of(&held.attachment, Some(held.origin)) {
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
            let maker = self.others_of(&held.attachment).into_iter().find(Claim::has_made_and_replaced_it);
            return match maker {
                None => stalled(
                    "The endpoint was not attached by this resource, so it is left alone: remove it in Atlas to have it added again",
                ),
                Some(maker) => stalled(&format!(
                    "It was attached by {}, which has replaced it, and leaves it to this resource once its new endpoint is connected: see that it gets connected, or remove this one in Atlas to have it added again before that",
                    maker.seen_from(&self.desired.subject.object.namespace)
                )),
            };
        }
        let tries = self.desired.recorded.tries;
        let next = retry::next(tries, self.moment.failed_since, self.moment.now);
        // The record of the removal takes the place of the one that proves whose the endpoint is: status tells it first.
        let told = self.desired.recorded.held.as_ref() == Some(held);
        match next.at_once_only_if(told, self.moment.now) {
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
            Retry::Now if self.progress().is_open() => {
                let message = format!(
                    "the connection was rejected: {said}. The endpoint is removed and added again once no request to attach it can arrive any more"
                );
                self.saying(Verdict::reconciling(Reason::Retrying, message), Look::Poll)
            }
            Retry::Now => {
                let attempt = self.attempt(AttemptedWrite::remove(&held.attachment)).with_tries(tries + 1);
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
