//! Whatever is recorded, observed and remembered: what never happens to an endpoint.

use crate::{
    api::{Origin, Reason, Standing, Verdict},
    atlas::model::{ConnectionStatus, ServiceState},
    reconcile::{
        Farewell, Look,
        attempt::{Attempt, AttemptMemory, AttemptedWrite, HOLD, Sending, SendingOutcome},
        endpoint::{
            Attachment, Held, Parting, Step,
            case::Case,
            fixture::{Scene, addition, attachment, other_service, removal, scene},
        },
        fixture::{NOW, STAKES, claim, elsewhere, here, now, refusal, second, seconds, sequence},
        ownership::{Claim, Heard, Stake},
        policy::Disposal,
    },
};
use proptest::{collection::vec, option, prelude::*, sample::select};

fn attachments() -> impl Strategy<Value = Attachment> + Clone {
    let moved = Attachment { service: other_service(), ..attachment(1) };
    select(vec![attachment(1), attachment(2), attachment(3), moved])
}

fn origins() -> impl Strategy<Value = Origin> {
    select(vec![Origin::Created, Origin::Adopted])
}

fn helds() -> impl Strategy<Value = Held> {
    (attachments(), origins()).prop_map(|(attachment, origin)| Held { attachment, origin })
}

fn attempts() -> impl Strategy<Value = Attempt> {
    let holder = select(vec![here(), elsewhere()]);
    (holder, attachments(), prop::bool::weighted(0.7), option::weighted(0.2, any::<bool>()), any::<bool>()).prop_map(
        |(holder, attachment, adds, refused, repeated)| {
            let attempt = if adds { addition(&holder, &attachment) } else { removal(&holder, &attachment) };
            let attempt = if repeated { attempt.repeated(&holder, second(NOW)) } else { attempt };
            match refused {
                Some(for_good) => attempt.refused(refusal(for_good)),
                None => attempt,
            }
        },
    )
}

fn outcomes() -> impl Strategy<Value = SendingOutcome> {
    prop_oneof![
        Just(SendingOutcome::InFlight),
        Just(SendingOutcome::Answered),
        any::<bool>().prop_map(|good| SendingOutcome::Refused(refusal(good))),
        (90..110u64).prop_map(|ended| SendingOutcome::Unanswered { ended: sequence(ended) }),
    ]
}

fn memory(attempt: Option<&Attempt>, sent: Option<(u64, SendingOutcome)>, noticed: u64) -> AttemptMemory {
    let mut memory = AttemptMemory::default();
    let Some(attempt) = attempt else { return memory };
    memory.notice(attempt, &here(), now() - seconds(noticed));
    memory.sending = sent.map(|(age, outcome)| Sending {
        first: attempt.first,
        write: attempt.write.clone(),
        is_repeat: attempt.is_repeat(),
        at: now() - seconds(age),
        outcome,
    });
    memory
}

fn others() -> impl Strategy<Value = Vec<(Attachment, Claim)>> {
    let heard = select(vec![Heard::Nothing, Heard::Listed, Heard::Lacking]);
    let one = (attachments(), option::of(origins()), any::<bool>(), heard, 0..2000i64, select(STAKES));
    vec(one, 0..3).prop_map(|all| {
        let claims = all.into_iter().enumerate().map(|(n, (attachment, origin, live, heard, age, stake))| {
            let claim = claim(&format!("other-{n}"), origin);
            let stake = if origin.is_some() { stake } else { Stake::Keeps };
            (attachment, Claim { live, heard, stake, created: second(NOW - age), ..claim })
        });
        claims.collect()
    })
}

fn connections() -> impl Strategy<Value = ConnectionStatus> {
    use ConnectionStatus as Is;
    select(vec![
        Is::None,
        Is::PendingAcceptance,
        Is::Pending,
        Is::Available,
        Is::Available,
        Is::Rejected,
        Is::Failed,
        Is::Deleting,
        Is::Unknown("PAUSED".into()),
    ])
}

fn states() -> impl Strategy<Value = ServiceState> {
    use ServiceState as Is;
    select(vec![Is::Available, Is::Available, Is::WaitingForUser, Is::Initiating, Is::Failed, Is::Deleting])
}

prop_compose! {
    fn scenes()(
        (held, retiring) in (option::of(helds()), vec(helds(), 0..2)),
        listed in vec(attachments(), 0..4),
        (connection, state, found) in (connections(), states(), prop::bool::weighted(0.9)),
        attempt in option::weighted(0.7, attempts()),
        sent in option::of((0..120u64, outcomes())),
        (noticed, failed, list_age) in (0..200u64, option::of(0..600u64), 0..200u64),
        (others, unheard) in (others(), prop::bool::weighted(0.1)),
        disposal in select(vec![Disposal::KeepAll, Disposal::DeleteCreated, Disposal::DeleteAll]),
        (deleting, protected, link_leaving, tries) in (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2), 0..5u32),
        removed in option::weighted(0.2, attachments()),
    ) -> Scene {
        let mut scene = scene().with(|it| {
            it.desired.disposal = disposal;
            (it.desired.subject.protected, it.desired.link_leaving) = (protected, link_leaving);
            it.desired.recorded.tries = tries;
            let holds = |old: &Held| held.as_ref().is_some_and(|held| held.attachment == old.attachment);
            it.desired.recorded.retiring = retiring.into_iter().filter(|old| !holds(old)).collect();
            it.desired.recorded.held = held;
            it.moment.attempt = memory(attempt.as_ref(), sent, noticed);
            it.desired.recorded.attempt = attempt;
            it.moment.failed_since = failed.map(|age| now() - seconds(age));
            it.moment.removed.extend(removed.map(|attachment| (attachment.service, attachment.endpoint)));
            it.observed.services.value[0].state = state;
            it.observed.others = others;
            it.observed.unheard.extend(unheard.then(|| Claim { heard: Heard::Nothing, ..claim("unheard", None) }));
        });
        for attachment in listed {
            if !scene.is_listed(&attachment) {
                scene = scene.listing(&attachment, connection.clone());
            }
        }
        scene.observed.services.read.at = now() - seconds(list_age);
        if !found {
            scene.observed.endpoint = None;
        }
        if deleting { scene.deleting() } else { scene }
    }
}

impl Scene {
    fn attempted(&self) -> Option<(&Attempt, Attachment, bool)> {
        let attempt = self.desired.recorded.attempt.as_ref()?;
        match &attempt.write {
            AttemptedWrite::AddEndpoint { service, endpoint } => {
                Some((attempt, Attachment { service: *service, endpoint: endpoint.clone() }, true))
            }
            AttemptedWrite::RemoveEndpoint { service, endpoint } => {
                Some((attempt, Attachment { service: *service, endpoint: endpoint.clone() }, false))
            }
            AttemptedWrite::CreateService | AttemptedWrite::DeleteService { .. } => None,
        }
    }

    /// The others that record it as their work.
    fn makers(&self, attachment: &Attachment) -> impl Iterator<Item = &Claim> {
        let of_it = self.observed.others.iter().filter(move |(of, _)| of == attachment).map(|(_, claim)| claim);
        of_it.filter(|claim| claim.origin == Some(Origin::Created))
    }

    /// By one that still cares for it.
    fn is_made_by_another(&self, attachment: &Attachment) -> bool {
        self.makers(attachment).any(|claim| claim.stake.cares())
    }

    /// Rule 2, told anew: whether an unanswered attempt may have attached it.
    fn may_be_added_by_the_attempt(&self, attachment: &Attachment) -> bool {
        let attempted = self
            .attempted()
            .is_some_and(|(attempt, attempted, adds)| adds && attempted == *attachment && attempt.refusal.is_none());
        attempted && !self.is_made_by_another(attachment)
    }

    fn records(&self, attachment: &Attachment) -> Vec<Origin> {
        let recorded = &self.desired.recorded;
        let all = recorded.held.iter().chain(&recorded.retiring);
        all.filter(|held| held.attachment == *attachment).map(|held| held.origin).collect()
    }

    /// Rule 1, told anew: whether another holder's attempt may still have its effect.
    fn is_written_elsewhere(&self) -> bool {
        let Some((attempt, attempted, adds)) = self.attempted() else { return false };
        let young = self.moment.attempt.foreign.as_ref().is_none_or(|(_, _, since)| now() < *since + HOLD);
        let seen = if adds {
            let found = self.is_listed(&attempted) && !self.is_made_by_another(&attempted);
            found || self.records(&attempted).contains(&Origin::Created)
        } else {
            !self.is_listed(&attempted)
        };
        attempt.holder != here() && attempt.refusal.is_none() && young && !seen
    }
}

/// What a step takes away in Atlas.
fn removed(step: Option<&Step>) -> Option<(&Attachment, bool)> {
    match step? {
        Step::Remove(attachment) => Some((attachment, true)),
        Step::RemoveFailed(attachment, _) | Step::RemoveRetired(attachment, _) => Some((attachment, false)),
        Step::Protect
        | Step::Retire
        | Step::Leave(_)
        | Step::Add(..)
        | Step::RecordRefusal(_)
        | Step::HandOver(..)
        | Step::LetGo(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10000))]

    #[test]
    fn rule_3_nothing_adopted_is_detached_unless_delete_says_so(scene in scenes()) {
        let step = scene.plan().step;
        let Some((attachment, by_deletion)) = removed(step.as_ref()) else { return Ok(()) };
        let ours = scene.records(attachment).contains(&Origin::Created) || scene.may_be_added_by_the_attempt(attachment);
        let told = by_deletion && scene.desired.disposal == Disposal::DeleteAll && !scene.records(attachment).is_empty();
        prop_assert!(ours || told, "{step:?}");
        prop_assert!(scene.is_listed(attachment));
    }

    #[test]
    fn rule_1_nothing_is_written_while_another_holders_attempt_is_open(scene in scenes()) {
        if scene.is_written_elsewhere() {
            let step = scene.plan().step;
            prop_assert!(removed(step.as_ref()).is_none() && !matches!(step, Some(Step::Add(..))), "{step:?}");
            let (_, attempted, adds) = scene.attempted().unwrap();
            let known = !scene.records(&attempted).is_empty();
            prop_assert!(known || !adds || !matches!(step, Some(Step::LetGo(_))), "{step:?}");
        }
    }

    #[test]
    fn rule_2_no_record_takes_the_place_of_one_of_which_something_may_come(scene in scenes()) {
        let attempt = match scene.plan().step {
            Some(Step::Add(_, attempt) | Step::RemoveFailed(_, attempt) | Step::RemoveRetired(_, attempt)) => attempt,
            _ => return Ok(()),
        };
        let case = Case { desired: &scene.desired, observed: &scene.observed, moment: &scene.moment };
        let Some((before, _)) = case.unsettled_attempt().filter(|_| case.progress().is_open()) else { return Ok(()) };
        prop_assert_eq!((&attempt.write, attempt.first), (&before.write, before.first), "only a repeat of it");
    }

    #[test]
    fn the_record_is_of_what_is_written(scene in scenes()) {
        let (attachment, attempt) = match scene.plan().step {
            Some(Step::Add(attachment, attempt)) => {
                prop_assert!(!scene.is_listed(&attachment), "nothing is attached twice");
                prop_assert_eq!(&attempt.write, &addition(&here(), &attachment).write);
                (attachment, attempt)
            }
            Some(Step::RemoveFailed(attachment, attempt) | Step::RemoveRetired(attachment, attempt)) => {
                prop_assert_eq!(&attempt.write, &removal(&here(), &attachment).write);
                (attachment, attempt)
            }
            _ => return Ok(()),
        };
        prop_assert_eq!(attempt.holder, here(), "{:?}", attachment);
        prop_assert!(!scene.desired.subject.deleting);
    }

    #[test]
    fn rule_4_the_finalizer_stays_while_something_of_ours_is_attached(scene in scenes()) {
        let Some(Step::LetGo(partings)) = scene.plan().step else { return Ok(()) };
        prop_assert!(scene.desired.subject.deleting);
        let recorded = &scene.desired.recorded;
        let left = recorded.held.iter().chain(&recorded.retiring).filter(|held| scene.is_listed(&held.attachment));
        let left: Vec<_> = left.filter(|held| scene.desired.disposal.deletes(held.origin)).collect();
        for held in &left {
            let shared = scene.observed.others.iter().any(|(of, claim)| {
                let keeps = claim.stake == Stake::Keeps && claim.origin.is_some();
                *of == held.attachment && claim.live && claim.heard == Heard::Listed && keeps
            });
            prop_assert!(shared, "{held:?} is left with nobody");
        }
        for Parting { attachment, farewell } in partings {
            let stays = matches!(farewell, Farewell::HandedOver | Farewell::Kept);
            prop_assert!(stays || !scene.is_listed(&attachment));
        }
    }

    #[test]
    fn rule_4_the_finalizer_comes_before_the_origin(scene in scenes()) {
        let subject = &scene.desired.subject;
        let status = scene.status();
        if !subject.deleting && !subject.protected && (status.origin.is_some() || !status.retiring.is_empty()) {
            prop_assert_eq!(scene.plan().step, Some(Step::Protect));
        }
    }

    #[test]
    fn rule_6_nothing_is_detached_for_a_new_one_that_is_not_available(scene in scenes()) {
        if let Some(Step::RemoveRetired(old, _)) = scene.plan().step {
            let new = scene.observed.endpoint.as_ref().map(|view| &view.value);
            prop_assert!(new.is_some_and(|new| new.status == ConnectionStatus::Available));
            let desired = &scene.desired;
            let wanted = desired.recorded.held.as_ref().map(|held| &held.attachment).or(desired.target.as_ref());
            prop_assert_ne!(wanted, Some(&old));
        }
    }

    #[test]
    fn rule_6_nothing_is_forgotten_while_it_is_attached(scene in scenes()) {
        let status = scene.status();
        let recorded = &scene.desired.recorded;
        for held in recorded.held.iter().chain(&recorded.retiring).filter(|held| held.origin == Origin::Created) {
            let (service, endpoint) = (held.attachment.service.to_string(), held.attachment.endpoint.to_string());
            let holds = status.private_link_id.as_ref() == Some(&service)
                && status.interface_endpoint_id.as_ref() == Some(&endpoint);
            let retires = status.retiring.iter().any(|old| {
                old.private_link_id == service && old.interface_endpoint_id == endpoint
            });
            let owned = scene.makers(&held.attachment).any(|claim| claim.stake == Stake::Keeps);
            prop_assert!(holds || retires || owned || !scene.is_listed(&held.attachment), "{held:?}");
        }
    }

    #[test]
    fn rule_7_nothing_is_detached_that_another_lives_on(scene in scenes()) {
        let step = scene.plan().step;
        let Some((attachment, by_deletion)) = removed(step.as_ref()) else { return Ok(()) };
        if by_deletion || matches!(step, Some(Step::RemoveRetired(..))) {
            let of_it = scene.observed.others.iter().filter(|(of, _)| of == attachment).map(|(_, claim)| claim);
            let lives = |claim: &&Claim| claim.live && claim.heard == Heard::Listed && claim.origin.is_some();
            for claim in of_it.filter(lives) {
                prop_assert!(matches!(claim.stake, Stake::Replaced { needs: false, .. }), "{step:?} {claim:?}");
            }
        }
    }

    #[test]
    fn rule_7_nobody_waits_for_one_that_only_wants_to_be_rid_of_it(scene in scenes()) {
        let mut alone = scene.clone();
        alone.observed.others.retain(|(_, claim)| claim.stake.cares());
        let (plan, alone) = (scene.plan(), alone.plan());
        let waits = plan.verdict.reason == Reason::WaitingForService && plan.look == Look::Resync;
        prop_assert!(!waits || alone.verdict.reason == Reason::WaitingForService, "{plan:?}");
    }

    #[test]
    fn rule_4_of_each_attachment_it_is_told_once(scene in scenes()) {
        let Some(Step::LetGo(partings)) = scene.plan().step else { return Ok(()) };
        let mut told: Vec<_> = partings.iter().map(|parting| &parting.attachment).collect();
        let all = told.len();
        told.sort();
        told.dedup();
        prop_assert_eq!(told.len(), all, "{:?}", partings);
    }

    #[test]
    fn a_plan_is_stable_on_its_own_status(scene in scenes()) {
        // What is due only waits for its status to be told.
        let now = scene.plan();
        if now.step.is_some() || now.look == Look::At(scene.moment.now) {
            return Ok(());
        }
        let status = scene.status();
        let after = scene.after(&status);
        let plan = after.plan();
        prop_assert_eq!(&plan.step, &None);
        let again = crate::reconcile::endpoint::status::status(&status, &after.desired, &plan, second(NOW + 60));
        prop_assert_eq!(again, status);
    }

    #[test]
    fn conditions_are_never_both_abnormal(scene in scenes()) {
        let conditions = scene.status().conditions;
        let on = |type_: &str| conditions.iter().any(|condition| condition.type_ == type_ && condition.status == "True");
        prop_assert!(!(on("Reconciling") && on("Stalled")));
        let (standing, _) = Verdict::of(&conditions).unwrap();
        prop_assert_eq!(on("Ready"), standing == Standing::Ready);
        prop_assert!(conditions.iter().all(|condition| condition.observed_generation == Some(1)));
    }
}
