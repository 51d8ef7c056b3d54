//! Safety rule 6 of design.md: changing an id.

use super::says;
use crate::{
    api::{Origin, Reason, Standing},
    atlas::model::ConnectionStatus,
    reconcile::{
        Look,
        attempt::{HOLD, SendingOutcome},
        endpoint::{
            Facts, Step,
            fixture::{Scene, addition, attachment, held, scene},
        },
        fixture::{NOW, claim, elsewhere, has_replaced, here, refusal, second, seconds, sending, sequence},
        ownership::{Claim, Heard},
    },
};

/// Number 1 is available, number 2 was replaced by it.
fn replaced(origin: Origin) -> Scene {
    scene()
        .holding(held(1, Origin::Created))
        .retiring(held(2, origin))
        .listing(&attachment(1), ConnectionStatus::Available)
        .listing(&attachment(2), ConnectionStatus::Available)
}

#[test]
fn rule_6_the_old_one_retires_before_the_new_one_is_added() {
    let edited = scene().holding(held(2, Origin::Created)).listing(&attachment(2), ConnectionStatus::Available);
    let plan = edited.plan();
    assert_eq!((plan.step.clone(), plan.facts.clone()), (Some(Step::Retire), Facts::Nothing));
    assert_eq!(plan.retiring, [held(2, Origin::Created)]);
    let next = edited.after(&edited.status());
    assert!(matches!(next.plan().step, Some(Step::Add(to, _)) if to == attachment(1)));
    assert_eq!(says(&next.plan()), (Standing::Reconciling, Reason::Replacing));
}

#[test]
fn rule_6_an_edit_back_takes_it_out_of_the_list() {
    let back = scene().retiring(held(1, Origin::Created)).listing(&attachment(1), ConnectionStatus::Available);
    let plan = back.plan();
    assert_eq!((plan.step.clone(), plan.retiring.len()), (Some(Step::Retire), 0));
    assert_eq!(plan.facts, Facts::Restored(held(1, Origin::Created)));
    assert_eq!(back.after(&back.status()).plan().verdict.standing, Standing::Ready);
    // With the other one attached meanwhile, they change places.
    let swapped = scene().holding(held(2, Origin::Created)).retiring(held(1, Origin::Adopted)).plan();
    assert_eq!(
        (swapped.facts, swapped.retiring),
        (Facts::Restored(held(1, Origin::Adopted)), vec![held(2, Origin::Created)])
    );
}

#[test]
fn rule_6_the_old_one_is_detached_only_once_the_new_one_is_available() {
    for connection in [ConnectionStatus::Pending, ConnectionStatus::Rejected, ConnectionStatus::None] {
        let plan = replaced(Origin::Created)
            .with(|it| it.observed.endpoint.as_mut().unwrap().value.status = connection.clone())
            .plan();
        assert!(!matches!(plan.step, Some(Step::RemoveRetired(..))), "{connection}");
        assert_eq!(plan.retiring.len(), 1, "{connection}");
    }
    let Some(Step::RemoveRetired(old, _)) = replaced(Origin::Created).plan().step else { panic!() };
    assert_eq!(old, attachment(2));
}

#[test]
fn rule_6_the_old_one_stays_while_anything_may_come_of_the_request_for_the_new_one() {
    let attempt = addition(&here(), &attachment(1)).repeated(&here(), second(NOW - 20));
    let sent = |ago| {
        replaced(Origin::Created).attempting(attempt.clone()).with(|it| {
            it.moment.attempt = sending(&attempt, it.moment.now - ago, SendingOutcome::Answered);
        })
    };
    let waiting = sent(HOLD - seconds(1)).plan();
    assert_eq!((waiting.step, waiting.look, waiting.retiring.len()), (None, Look::Poll, 1));
    assert!(matches!(sent(HOLD).plan().step, Some(Step::RemoveRetired(old, _)) if old == attachment(2)));
}

#[test]
fn rule_6_the_new_one_is_not_attached_while_anything_may_come_of_the_request_for_the_old_one() {
    let attempt = addition(&here(), &attachment(2)).repeated(&here(), second(NOW - 20));
    let sent = |ago| {
        let edited = scene().retiring(held(2, Origin::Created)).listing(&attachment(2), ConnectionStatus::Available);
        edited.attempting(attempt.clone()).with(|it| {
            it.moment.attempt = sending(&attempt, it.moment.now - ago, SendingOutcome::Answered);
        })
    };
    let waiting = sent(HOLD - seconds(1)).plan();
    assert_eq!((waiting.step.clone(), waiting.look), (None, Look::Poll), "{}", waiting.verdict.message);
    assert!(matches!(sent(HOLD).plan().step, Some(Step::Add(to, _)) if to == attachment(1)));
}

/// What was gone and is being attached again, when the id is changed.
#[test]
fn rule_6_the_new_one_is_not_attached_before_it_is_known_what_came_of_the_request_for_one_that_was_gone() {
    let attempt = addition(&here(), &attachment(2));
    let sent = |ago| {
        scene().holding(held(2, Origin::Created)).attempting(attempt.clone()).with(|it| {
            let outcome = SendingOutcome::Unanswered { ended: sequence(5) };
            it.moment.attempt = sending(&attempt, it.moment.now - ago, outcome);
        })
    };
    let waiting = sent(HOLD - seconds(1)).plan();
    assert_eq!((waiting.step.clone(), waiting.look), (None, Look::Poll), "{}", waiting.verdict.message);
    assert!(matches!(sent(HOLD).plan().step, Some(Step::Retire)));
}

#[test]
fn rule_6_whose_the_new_one_is_is_recorded_before_the_next_attempt_is() {
    let found = scene()
        .retiring(held(2, Origin::Created))
        .listing(&attachment(1), ConnectionStatus::Available)
        .listing(&attachment(2), ConnectionStatus::Available)
        .attempting(addition(&elsewhere(), &attachment(1)));
    let plan = found.plan();
    assert_eq!((plan.step.clone(), plan.retiring.len()), (Some(Step::Retire), 1));
    assert!(matches!(plan.facts, Facts::Seen(new, _) if new == held(1, Origin::Created)));
}

#[test]
fn rule_6_what_is_held_and_retiring_at_once_is_kept() {
    let both = scene()
        .holding(held(1, Origin::Adopted))
        .retiring(held(1, Origin::Created))
        .listing(&attachment(1), ConnectionStatus::Available);
    let plan = both.plan();
    assert_eq!((plan.step, plan.retiring.len()), (Some(Step::Retire), 0));
    assert_eq!(plan.facts, Facts::Restored(held(1, Origin::Created)));
}

#[test]
fn rule_6_the_old_one_leaves_the_list_when_it_is_gone_or_was_adopted() {
    let dropped = |scene: Scene| {
        let plan = scene.plan();
        assert_eq!((plan.step, plan.retiring.len()), (Some(Step::Retire), 0));
    };
    dropped(replaced(Origin::Adopted));
    dropped(replaced(Origin::Created).with(|it| it.observed.services.value[0].endpoints.truncate(1)));
}

#[test]
fn rule_6_an_old_one_that_another_shares_is_handed_over() {
    let heir = |origin| claim("heir", Some(origin));
    let plan = replaced(Origin::Created).sharing(&attachment(2), heir(Origin::Adopted)).plan();
    assert_eq!(plan.step, Some(Step::HandOver(heir(Origin::Adopted).heir(), held(2, Origin::Created))));
    let owner = heir(Origin::Created);
    let owned = replaced(Origin::Created).sharing(&attachment(2), owner.clone()).plan();
    assert_eq!((owned.step, owned.retiring.len()), (Some(Step::Leave(owner.object)), 0));
}

#[test]
fn rule_7_nothing_is_detached_before_the_others_are_heard() {
    let unheard = Claim { heard: Heard::Nothing, ..claim("other", None) };
    let plan = replaced(Origin::Created).sharing(&attachment(2), unheard.clone()).plan();
    assert_eq!((plan.step, plan.look), (None, Look::Shortly));
    let plan = replaced(Origin::Created).with(|it| it.observed.unheard.push(unheard)).plan();
    assert_eq!((plan.step, plan.look), (None, Look::Shortly));
}

#[test]
fn a_removal_that_was_answered_is_not_asked_for_again() {
    let removed = replaced(Origin::Created).with(|it| {
        let old = attachment(2);
        it.moment.removed.insert((old.service, old.endpoint));
    });
    assert_eq!((removed.plan().step, removed.plan().look), (None, Look::Poll));
}

#[test]
fn rule_6_if_atlas_refuses_a_second_endpoint_nothing_is_detached() {
    let refused = scene()
        .retiring(held(2, Origin::Created))
        .listing(&attachment(2), ConnectionStatus::Available)
        .attempting(addition(&here(), &attachment(1)).refused(refusal(true)));
    let plan = refused.plan();
    assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Stalled, Reason::InvalidRequest)));
    assert!(plan.verdict.message.contains("interrupts traffic"), "{}", plan.verdict.message);
    assert_eq!(plan.retiring.len(), 1);
}

#[test]
fn rule_1_an_id_changed_during_an_unanswered_request_is_settled_first() {
    let abandoned = scene().attempting(addition(&elsewhere(), &attachment(2)));
    assert_eq!((abandoned.plan().step, abandoned.plan().look), (None, Look::Poll));
    let found = abandoned.listing(&attachment(2), ConnectionStatus::Pending);
    let plan = found.plan();
    assert_eq!((plan.step, plan.retiring), (Some(Step::Retire), vec![held(2, Origin::Created)]));
}

#[test]
fn what_was_adopted_and_attached_again_by_an_unanswered_attempt_is_known_to_be_ours_before_it_retires() {
    let listed = || {
        scene().listing(&attachment(2), ConnectionStatus::Pending).attempting(addition(&elsewhere(), &attachment(2)))
    };
    let plan = listed().holding(held(2, Origin::Adopted)).plan();
    assert_eq!((plan.step, plan.facts), (Some(Step::Retire), Facts::Restored(held(2, Origin::Created))));
    let plan = listed().retiring(held(2, Origin::Adopted)).plan();
    assert_eq!((plan.step, plan.retiring), (Some(Step::Retire), vec![held(2, Origin::Created)]));
}

#[test]
fn rule_6_no_more_retire_than_status_has_room_for() {
    let many = |count: u8| {
        let old = (3..3 + count).map(|n| held(n, Origin::Created));
        old.fold(scene().holding(held(2, Origin::Created)), |scene, old| scene.retiring(old))
    };
    assert_eq!(many(14).plan().step, Some(Step::Retire));
    let plan = many(15).plan();
    assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Stalled, Reason::InvalidRequest)));
    assert_eq!(plan.retiring.len(), 15);
    let crds = include_str!("../../../../crds/atlasinterfaceendpoints.atlas.privatelink.dev.yaml");
    let (_, retiring) = crds.split_once("retiring:").unwrap();
    assert!(retiring.contains(&format!("maxItems: {}", crate::reconcile::endpoint::MOST_RETIRING + 1)));
}

#[test]
fn the_record_of_another_endpoint_is_never_repeated_for_this_one() {
    let own = addition(&here(), &attachment(2));
    let scene = scene()
        .retiring(held(2, Origin::Created))
        .listing(&attachment(2), ConnectionStatus::Available)
        .attempting(own.clone());
    let sent = |ago| {
        scene.clone().with(|it| {
            let outcome = SendingOutcome::Unanswered { ended: sequence(5) };
            it.moment.attempt = sending(&own, it.moment.now - ago, outcome);
        })
    };
    assert_eq!(sent(HOLD - seconds(1)).plan().step, None, "its record would be lost");
    let Some(Step::Add(to, attempt)) = sent(HOLD).plan().step else { panic!("{:?}", sent(HOLD).plan()) };
    assert_eq!((to, attempt.write), (attachment(1), addition(&here(), &attachment(1)).write));
}

#[test]
fn rule_6_the_new_one_has_had_no_tries_yet() {
    let edited = scene().holding(held(2, Origin::Created)).with(|it| it.desired.recorded.tries = 3).plan();
    assert_eq!((edited.step, edited.tries), (Some(Step::Retire), 0));
}

#[test]
fn rule_7_what_another_has_replaced_too_stays_until_it_is_connected_there() {
    let scene = replaced(Origin::Created)
        .retiring(held(3, Origin::Created))
        .listing(&attachment(3), ConnectionStatus::Available);
    let other = |needs| Claim { stake: has_replaced(needs, false), ..claim("other", Some(Origin::Created)) };
    let needed = scene.clone().sharing(&attachment(2), other(true));
    match needed.plan().step {
        Some(Step::RemoveRetired(old, _)) => assert_eq!(old, attachment(3), "the other one goes meanwhile"),
        step => panic!("{step:?}"),
    }
    let plan = needed.clone().sharing(&attachment(3), claim("heir", Some(Origin::Adopted))).plan();
    assert!(matches!(&plan.step, Some(Step::HandOver(_, what)) if *what == held(3, Origin::Created)), "{plan:?}");
    let first = scene.clone().sharing(&attachment(3), claim("heir", Some(Origin::Adopted))).plan();
    assert!(matches!(&first.step, Some(Step::HandOver(..))), "before the one that is detached: {first:?}");
    let plan = needed.clone().with(|it| it.desired.recorded.retiring.truncate(1)).plan();
    assert_eq!((&plan.step, plan.look, says(&plan)), (&None, Look::Resync, (Standing::Ready, Reason::Available)));
    assert!(plan.verdict.message.contains(r#"stays attached for "other""#), "{}", plan.verdict.message);
    let plan = scene.sharing(&attachment(2), other(false)).plan();
    assert!(matches!(plan.step, Some(Step::RemoveRetired(old, _)) if old == attachment(2)), "never left to it");
}

#[test]
fn rule_7_whoever_waits_for_what_its_owner_has_replaced_is_told_so() {
    let maker = Claim { stake: has_replaced(true, false), ..claim("maker", Some(Origin::Created)) };
    let scene = scene().holding(held(1, Origin::Adopted)).listing(&attachment(1), ConnectionStatus::Rejected);
    let plan = scene.clone().sharing(&attachment(1), maker).plan();
    assert_eq!((plan.step, plan.verdict.reason), (None, Reason::Rejected));
    assert!(plan.verdict.message.contains(r#"attached by "maker", which has replaced it"#), "{}", plan.verdict.message);
    let plan = scene.sharing(&attachment(1), claim("other", Some(Origin::Adopted))).plan();
    assert!(plan.verdict.message.contains("not attached by this resource"), "{}", plan.verdict.message);
}
