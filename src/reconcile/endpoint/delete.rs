//! What to do next for an endpoint that is being deleted (design.md, safety rules 3, 4 and 7). Pure.

use super::{Desired, Facts, Held, Parting, Plan, Step, Turn, case::Case};
use crate::{
    api::{Origin, Reason, Verdict},
    reconcile::{
        Farewell, Look, Moment, RELEASED, STAYS,
        attempt::{AttemptedWrite, Progress, hold_until},
        ownership::{self, Claim, Succession},
        policy::Disposal,
    },
};

const GOING: &str = "it is being detached in Atlas";

fn going() -> Verdict {
    Verdict::reconciling(Reason::Deleting, GOING)
}

/// What can be decided about a deletion without looking at Atlas; `None` if that must be looked at.
pub fn without_atlas(desired: &Desired, moment: &Moment) -> Option<Plan> {
    let recorded = &desired.recorded;
    let plan = |step, look| {
        let retiring = recorded.retiring.clone();
        Plan { step, facts: Facts::Unchanged, retiring, verdict: going(), look, tries: recorded.tries }
    };
    if !desired.subject.protected {
        let released = Verdict::reconciling(Reason::Deleting, RELEASED);
        return Some(Plan { verdict: released, ..plan(None, Look::Never) });
    }
    let nothing = recorded.held.is_none() && recorded.retiring.is_empty();
    // What Atlas refused has made nothing.
    let unanswered = recorded.attempt.as_ref().filter(|attempt| attempt.refusal.is_none());
    if nothing && unanswered.is_none() {
        return Some(plan(Some(Step::LetGo(Vec::new())), Look::Shortly));
    }
    let unsettled = unanswered.filter(|attempt| match &attempt.write {
        // Even of what it has adopted: that may be gone, and what stands in its place be the work of the attempt.
        AttemptedWrite::AddEndpoint { .. } => true,
        AttemptedWrite::RemoveEndpoint { .. }
        | AttemptedWrite::CreateService
        | AttemptedWrite::DeleteService { .. } => false,
    });
    let keeps = match desired.disposal {
        Disposal::KeepAll => true,
        // What it has was there before it, and nothing else can be its work.
        Disposal::DeleteCreated => unsettled.is_none() && recorded.all().all(|held| held.origin == Origin::Adopted),
        Disposal::DeleteAll => false,
    };
    if !keeps {
        return None;
    }
    let held = unsettled.and_then(|attempt| hold_until(attempt, &moment.holder, &moment.attempt, moment.now));
    Some(match held {
        Some(until) => Plan { verdict: Verdict::reconciling(Reason::Deleting, STAYS), ..plan(None, Look::At(until)) },
        None => {
            let kept = recorded.all().map(|held| parting(held, Farewell::Kept)).collect();
            plan(Some(Step::LetGo(kept)), Look::Shortly)
        }
    })
}

/// Decides the next step of a deletion: one attachment after the other, then the finalizer.
pub(super) fn plan(case: &Case<'_>) -> Plan {
    let recorded = &case.desired.recorded;
    let mut all: Vec<Held> = recorded.held.iter().chain(&recorded.retiring).cloned().collect();
    // Status records it, though it is going: once it is gone, it is known what an unanswered attempt had made.
    let mut facts = Facts::Unchanged;
    if let Some((_, attempted)) = case.unsettled_attempt() {
        if case.is_listed(&attempted) && case.origin_of(&attempted) == Origin::Created {
            let made = Held { attachment: attempted, origin: Origin::Created };
            // What it had adopted was gone, and is its own now.
            all.retain(|held| held.attachment != made.attachment);
            match recorded.held.as_ref() {
                Some(held) if held.attachment != made.attachment => all.push(made),
                Some(held) if *held == made => all.insert(0, made),
                Some(_) | None => {
                    facts = Facts::Restored(made.clone());
                    all.insert(0, made);
                }
            }
        } else if let Progress::Open { .. } = case.progress() {
            return case.saying(going(), Look::Poll);
        }
    }
    let (mut partings, mut open) = (Vec::new(), Vec::new());
    for held in &all {
        match fate(case, held) {
            Fate::Open(turn, plan) => open.push((turn, *plan)),
            Fate::Settled(farewell) => partings.push(parting(held, farewell)),
        }
    }
    if let Some(plan) = Plan::foremost(open) {
        return Plan { facts, ..plan };
    }
    Plan { step: Some(Step::LetGo(partings)), ..case.saying(going(), Look::Shortly) }
}

fn parting(held: &Held, farewell: Farewell) -> Parting {
    Parting { attachment: held.attachment.clone(), farewell }
}

impl Case<'_> {
    /// Nothing is detached before these have told whether they share it.
    fn hears<'c>(&self, others: impl IntoIterator<Item = &'c Claim>) -> Fate {
        let names = self.names(others);
        let message = format!("{names} may share the endpoint: waiting until it is known");
        Fate::open(self.saying(Verdict::reconciling(Reason::Deleting, message), Look::Shortly))
    }

    /// It goes once these have something else.
    fn is_needed_by(&self, others: Vec<&Claim>, held: &Held) -> Fate {
        let names = self.names(others);
        let message = format!(
            "{}. See that it gets connected. To let this resource go before that, delete {names}, or set deletionPolicy to Retain",
            held.stays_for(&names)
        );
        let plan = self.saying(Verdict::reconciling(Reason::DeletionBlocked, message), Look::Poll);
        Fate::Open(Turn::HeldBack, Box::new(plan))
    }
}

/// What becomes of one attachment.
enum Fate {
    Open(Turn, Box<Plan>),
    Settled(Farewell),
}

impl Fate {
    fn open(plan: Plan) -> Self {
        let (turn, plan) = plan.in_turn();
        Self::Open(turn, Box::new(plan))
    }
}

fn fate(case: &Case<'_>, held: &Held) -> Fate {
    if !case.is_listed(&held.attachment) {
        return Fate::Settled(Farewell::Deleted);
    }
    if !case.desired.disposal.deletes(held.origin) {
        return Fate::Settled(Farewell::Kept);
    }
    if !case.observed.unheard.is_empty() {
        return case.hears(&case.observed.unheard);
    }
    match ownership::succession(&case.others_of(&held.attachment)) {
        Succession::Owned(_) => Fate::Settled(Farewell::HandedOver),
        Succession::WaitFor(others) => case.hears(others),
        Succession::HandOver(heir) if !heir.needs_telling(held.origin) => Fate::Settled(Farewell::HandedOver),
        Succession::HandOver(heir) => {
            let plan = case.saying(going(), Look::Shortly);
            Fate::open(Plan { step: Some(Step::HandOver(heir.heir(), held.clone())), ..plan })
        }
        // Endpoints have no AdoptOnly, so nobody holds one back without inheriting it.
        Succession::HeldBy(_) => Fate::Settled(Farewell::Kept),
        Succession::NeededBy(others) => case.is_needed_by(others, held),
        Succession::Free if case.is_being_removed(&held.attachment) => Fate::open(case.saying(going(), Look::Poll)),
        Succession::Free => {
            let plan = case.saying(going(), Look::Poll);
            Fate::open(Plan { step: Some(Step::Remove(held.attachment.clone())), ..plan })
        }
    }
}
