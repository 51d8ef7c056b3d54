//! A live endpoint: every state, and safety rules 1, 2, 4, 5 and 7 of design.md.

use super::says;
use crate::{
    api::{Origin, Reason, Standing},
    atlas::model::{ConnectionStatus, ServiceState},
    reconcile::{
        Look,
        attempt::{Attempt, AttemptedWrite, HOLD, SendingOutcome},
        endpoint::{
            Facts, Step,
            fixture::{Scene, addition, attachment, held, other_service, removal, scene},
        },
        fixture::{NOW, claim, elsewhere, has_replaced, here, refusal, second, seconds, sending, sequence},
        ownership::{Claim, Heard},
    },
};

fn added(scene: &Scene) -> Attempt {
    match scene.plan().step {
        Some(Step::Add(to, attempt)) => {
            assert_eq!(to, attachment(1));
            let write = AttemptedWrite::AddEndpoint { service: to.service, endpoint: to.endpoint };
            assert_eq!(attempt.write, write, "the record is of what is added");
            attempt
        }
        other => panic!("it should add, and takes {other:?}: {}", scene.plan().verdict.message),
    }
}

fn origin(scene: &Scene) -> Option<Origin> {
    match scene.plan().facts {
        Facts::Seen(held, _) => Some(held.origin),
        Facts::Unchanged | Facts::Vanished | Facts::Restored(_) | Facts::Nothing => None,
    }
}

fn connected(connection: ConnectionStatus, origin: Origin) -> Scene {
    scene().holding(held(1, origin)).listing(&attachment(1), connection)
}

fn rejected(origin: Origin) -> Scene {
    connected(ConnectionStatus::Rejected, origin).with(|it| it.moment.failed_since = Some(it.moment.now - seconds(10)))
}

#[test]
fn every_connection_has_its_verdict_and_its_next_look() {
    use ConnectionStatus as Is;
    for (connection, standing, reason, look) in [
        (Is::Available, Standing::Ready, Reason::Available, Look::Resync),
        (Is::None, Standing::Reconciling, Reason::PendingAcceptance, Look::Poll),
        (Is::PendingAcceptance, Standing::Reconciling, Reason::PendingAcceptance, Look::Poll),
        (Is::Pending, Standing::Reconciling, Reason::PendingAcceptance, Look::Poll),
        (Is::Deleting, Standing::Reconciling, Reason::Attaching, Look::Poll),
        (Is::Unknown("PAUSED".into()), Standing::Reconciling, Reason::PendingAcceptance, Look::Poll),
    ] {
        for origin in [Origin::Created, Origin::Adopted] {
            let plan = connected(connection.clone(), origin).plan();
            assert_eq!((says(&plan), plan.look, plan.step), ((standing, reason), look, None), "{connection}");
        }
    }
    let going = connected(ConnectionStatus::Available, Origin::Created)
        .with(|it| it.observed.endpoint.as_mut().unwrap().value.delete_requested = true);
    assert_eq!(says(&going.plan()), (Standing::Reconciling, Reason::Attaching));
}

#[test]
fn it_is_added_only_when_the_link_can_take_it() {
    added(&scene());
    for state in
        [ServiceState::Initiating, ServiceState::Failed, ServiceState::Deleting, ServiceState::Unknown("PAUSED".into())]
    {
        let plan = scene().with(|it| it.observed.services.value[0].state = state.clone()).plan();
        assert_eq!(
            (plan.step.clone(), says(&plan)),
            (None, (Standing::Reconciling, Reason::WaitingForLink)),
            "{state}"
        );
    }
    let leaving = scene().with(|it| it.desired.link_leaving = true).plan();
    assert_eq!((leaving.step.clone(), says(&leaving)), (None, (Standing::Reconciling, Reason::WaitingForLink)));
    assert!(leaving.verdict.message.contains("being deleted"), "{leaving:?}");
    let gone = scene().with(|it| it.observed.services.value.clear()).plan();
    assert_eq!((gone.step.clone(), says(&gone)), (None, (Standing::Reconciling, Reason::WaitingForLink)));
}

#[test]
fn removed_behind_our_back_it_is_added_again() {
    let gone = scene().holding(held(1, Origin::Created));
    added(&gone);
    assert_eq!(gone.plan().facts, Facts::Vanished);
}

#[test]
fn listed_and_not_found_it_is_waited_for() {
    let plan = connected(ConnectionStatus::Available, Origin::Created).with(|it| it.observed.endpoint = None).plan();
    assert_eq!((plan.step.clone(), plan.facts.clone(), plan.look), (None, Facts::Unchanged, Look::Poll));
}

#[test]
fn rule_1_an_addition_is_recorded_and_repeated_like_every_write() {
    let attempt = added(&scene());
    assert_eq!((attempt.holder.clone(), attempt.first, attempt.last), (here(), second(NOW), second(NOW)));
    let own = addition(&here(), &attachment(1));
    let unanswered = |ended| {
        scene().attempting(own.clone()).with(|it| {
            let outcome = SendingOutcome::Unanswered { ended: sequence(ended) };
            it.moment.attempt = sending(&own, it.moment.now - seconds(20), outcome);
        })
    };
    assert_eq!(unanswered(100).plan().step, None);
    let repeat = added(&unanswered(99));
    assert_eq!((repeat.first, repeat.last), (own.first, second(NOW)));
    let theirs = scene().attempting(addition(&elsewhere(), &attachment(1)));
    assert_eq!((theirs.plan().step, theirs.plan().look), (None, Look::Poll));
}

#[test]
fn rule_1_what_another_holder_removes_is_not_added_under_its_hands() {
    let theirs = scene().holding(held(1, Origin::Created)).attempting(removal(&elsewhere(), &attachment(1)));
    assert_eq!((theirs.plan().step, theirs.plan().look), (None, Look::At(theirs.moment.now + HOLD)));
    added(&scene().holding(held(1, Origin::Created)).attempting(removal(&here(), &attachment(1))));
    let still_there = rejected(Origin::Created).attempting(removal(&elsewhere(), &attachment(1)));
    assert_eq!((still_there.plan().step, still_there.plan().look), (None, Look::Poll));
}

#[test]
fn rule_2_an_unanswered_attempt_for_this_very_id_makes_it_ours() {
    let found = |attempt: Option<Attempt>| {
        let scene = scene().listing(&attachment(1), ConnectionStatus::Pending);
        match attempt {
            Some(attempt) => scene.attempting(attempt),
            None => scene,
        }
    };
    assert_eq!(origin(&found(Some(addition(&elsewhere(), &attachment(1))))), Some(Origin::Created));
    assert_eq!(origin(&found(None)), Some(Origin::Adopted));
    assert_eq!(
        origin(&found(Some(addition(&elsewhere(), &attachment(1)).refused(refusal(false))))),
        Some(Origin::Adopted)
    );
    assert_eq!(origin(&found(Some(addition(&here(), &attachment(1))))), Some(Origin::Adopted), "never sent");
    let claimed = |of| {
        let other = Claim { heard: Heard::Lacking, ..claim("other", Some(Origin::Created)) };
        found(Some(addition(&elsewhere(), &attachment(1)))).sharing(&of, other)
    };
    assert_eq!(origin(&claimed(attachment(1))), Some(Origin::Adopted));
    assert_eq!(origin(&claimed(attachment(2))), Some(Origin::Created));
}

#[test]
fn rule_2_what_was_adopted_and_had_to_be_attached_again_is_ours() {
    let again =
        connected(ConnectionStatus::Pending, Origin::Adopted).attempting(addition(&elsewhere(), &attachment(1)));
    assert_eq!(origin(&again), Some(Origin::Created));
    assert_eq!(origin(&connected(ConnectionStatus::Pending, Origin::Adopted)), Some(Origin::Adopted));
}

#[test]
fn rule_2_a_definite_refusal_is_recorded_before_anything_is_said() {
    let own = addition(&here(), &attachment(1));
    let refused = scene().attempting(own.clone()).with(|it| {
        it.moment.attempt = sending(&own, it.moment.now, SendingOutcome::Refused(refusal(false)));
    });
    assert_eq!(refused.plan().step, Some(Step::RecordRefusal(own.refused(refusal(false)))));
}

#[test]
fn what_atlas_refused_for_good_is_not_asked_again_until_something_changes() {
    let refused = scene().attempting(addition(&here(), &attachment(1)).refused(refusal(true)));
    let plan = refused.plan();
    assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Stalled, Reason::InvalidRequest)));
    added(&refused.clone().with(|it| it.desired.subject.generation = Some(2)));
    added(&refused.with(|it| it.desired.subject.request = Some("now".into())));
    added(&scene().attempting(addition(&here(), &attachment(2)).refused(refusal(true))));
}

#[test]
fn rule_4_the_finalizer_is_set_before_status_records_an_origin_and_restored() {
    let unprotected = |scene: Scene| scene.with(|it| it.desired.subject.protected = false).plan().step;
    assert_eq!(unprotected(scene().listing(&attachment(1), ConnectionStatus::Available)), Some(Step::Protect));
    assert_eq!(unprotected(connected(ConnectionStatus::Available, Origin::Created)), Some(Step::Protect));
    assert_eq!(unprotected(rejected(Origin::Created)), Some(Step::Protect));
    assert_eq!(unprotected(scene().retiring(held(2, Origin::Created))), Some(Step::Protect));
    assert_eq!(unprotected(scene().retiring(held(1, Origin::Created))), Some(Step::Protect), "an edit back");
    assert_eq!(unprotected(scene().attempting(addition(&elsewhere(), &attachment(1)))), Some(Step::Protect));
    assert!(matches!(unprotected(scene()), Some(Step::Add(..))), "the record of an attempt brings it along");
    assert_eq!(unprotected(scene().with(|it| it.desired.link_leaving = true)), None);
}

#[test]
fn rule_5_a_rejected_endpoint_of_ours_is_removed_after_growing_pauses_a_bounded_number_of_times() {
    for connection in [ConnectionStatus::Rejected, ConnectionStatus::Failed] {
        for (tries, pause) in [(0, 10), (1, 60), (2, 300)] {
            let rejected = |since| {
                connected(connection.clone(), Origin::Created).with(|it| {
                    it.desired.recorded.tries = tries;
                    it.moment.failed_since = Some(it.moment.now - seconds(since));
                })
            };
            let early = rejected(pause - 1);
            assert_eq!((early.plan().step, early.plan().look), (None, Look::At(early.moment.now + seconds(1))));
            assert_eq!(says(&early.plan()), (Standing::Reconciling, Reason::Retrying));
            let Some(Step::RemoveFailed(removed, attempt)) = rejected(pause).plan().step else { panic!("{tries}") };
            assert_eq!((removed, attempt.tries), (attachment(1), tries + 1));
        }
        let exhausted = connected(connection, Origin::Created).with(|it| it.desired.recorded.tries = 3).plan();
        assert_eq!((exhausted.step.clone(), says(&exhausted)), (None, (Standing::Stalled, Reason::Rejected)));
    }
}

/// Of two requests the first may still arrive when what the second has attached is taken away.
#[test]
fn rule_2_the_record_of_an_addition_is_kept_while_anything_may_come_of_it() {
    let attempt = addition(&here(), &attachment(1)).repeated(&here(), second(NOW - 20));
    let rejected = |ago, read_ago| {
        rejected(Origin::Created).attempting(attempt.clone()).with(|it| {
            it.moment.attempt = sending(&attempt, it.moment.now - ago, SendingOutcome::Answered);
            it.observed.services.read.at = it.moment.now - seconds(read_ago);
        })
    };
    for waiting in [rejected(HOLD - seconds(1), 0), rejected(HOLD, 1)] {
        let plan = waiting.plan();
        assert_eq!((plan.step.clone(), &plan.look), (None, &Look::Poll), "{}", plan.verdict.message);
        assert_eq!(says(&plan), (Standing::Reconciling, Reason::Retrying));
    }
    assert!(matches!(rejected(HOLD, 0).plan().step, Some(Step::RemoveFailed(..))));
}

#[test]
fn rule_5_one_that_was_removed_is_added_again_with_its_count() {
    let again = scene()
        .holding(held(1, Origin::Created))
        .attempting(removal(&here(), &attachment(1)).with_tries(2))
        .with(|it| it.desired.recorded.tries = 2);
    assert_eq!(added(&again).tries, 2);
}

#[test]
fn rule_5_an_adopted_one_is_stalled_and_untouched() {
    let plan = rejected(Origin::Adopted).plan();
    assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Stalled, Reason::Rejected)));
}

#[test]
fn rule_5_after_the_service_was_replaced_it_is_not_added_again() {
    let moved = held(1, Origin::Created);
    let replaced = scene().with(|it| {
        it.desired.recorded.held = Some(crate::reconcile::endpoint::Held {
            attachment: crate::reconcile::endpoint::Attachment { service: other_service(), ..moved.attachment.clone() },
            ..moved.clone()
        });
    });
    let plan = replaced.plan();
    assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Stalled, Reason::ServiceReplaced)));
    assert!(plan.verdict.message.contains("vpce-svc-"), "it names the new service: {}", plan.verdict.message);
    let unnamed = replaced.with(|it| it.observed.services.value[0].endpoint_service_name = None);
    assert_eq!(says(&unnamed.plan()), (Standing::Reconciling, Reason::WaitingForLink));
    let leaving = unnamed.with(|it| it.desired.link_leaving = true).plan();
    assert!(leaving.verdict.message.contains("link is being deleted"), "{}", leaving.verdict.message);
}

#[test]
fn rule_7_a_sharer_neither_adds_nor_repairs_and_names_the_owner() {
    let owner = || claim("owner", Some(Origin::Created));
    let waiting = scene().sharing(&attachment(1), owner()).plan();
    assert_eq!((waiting.step.clone(), says(&waiting)), (None, (Standing::Reconciling, Reason::WaitingForService)));
    let failed = rejected(Origin::Adopted).sharing(&attachment(1), owner()).plan();
    assert_eq!((failed.step.clone(), says(&failed)), (None, (Standing::Reconciling, Reason::WaitingForService)));
    let ready = connected(ConnectionStatus::Available, Origin::Adopted).sharing(&attachment(1), owner()).plan();
    assert_eq!(ready.verdict.standing, Standing::Ready);
    assert!(ready.verdict.message.contains(r#"owned by "owner""#));
    // One that doesn't count owns nothing.
    added(&scene().sharing(&attachment(1), Claim { heard: Heard::Lacking, ..owner() }));
    added(&scene().sharing(&attachment(2), owner()));
    // One that wants it no more does not attach it again.
    added(&scene().sharing(&attachment(1), Claim { stake: has_replaced(true, false), ..owner() }));
}

#[test]
fn ready_takes_attempts_back_to_nothing_and_nothing_else_does() {
    let tries =
        |connection| connected(connection, Origin::Created).with(|it| it.desired.recorded.tries = 2).plan().tries;
    assert_eq!(tries(ConnectionStatus::Available), 0);
    assert_eq!(tries(ConnectionStatus::Pending), 2);
    assert_eq!(tries(ConnectionStatus::Rejected), 2);
}

#[test]
fn without_an_id_it_waits_for_one() {
    let plan = scene().with(|it| it.desired.target = None).plan();
    assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Reconciling, Reason::WaitingForEndpointId)));
}

#[test]
fn the_finalizer_comes_back_before_anything_else_where_something_is_recorded() {
    let unseen = scene().holding(held(1, Origin::Created)).with(|it| it.observed.services.value.clear());
    assert_ne!(unseen.plan().step, Some(Step::Protect));
    let bare = unseen.with(|it| it.desired.subject.protected = false);
    assert_eq!(bare.plan().step, Some(Step::Protect));
}

#[test]
fn what_was_adopted_is_its_own_only_once_it_has_attached_it_again() {
    let adopted = connected(ConnectionStatus::Available, Origin::Adopted);
    assert_eq!(origin(&adopted), Some(Origin::Adopted));
    let again = adopted.attempting(addition(&elsewhere(), &attachment(1)));
    assert_eq!(origin(&again), Some(Origin::Created));
}

#[test]
fn what_was_connected_and_is_gone_starts_anew() {
    let gone = scene().holding(held(1, Origin::Created)).with(|it| it.desired.recorded.connected = true).plan();
    assert_eq!((gone.step, gone.facts), (Some(Step::Retire), Facts::Vanished));
    let never = scene().holding(held(1, Origin::Created)).plan();
    assert!(matches!(never.step, Some(Step::Add(..))), "{never:?}");
}

#[test]
fn only_the_removal_of_this_very_endpoint_by_another_is_waited_for() {
    let theirs = scene().attempting(removal(&elsewhere(), &attachment(1)));
    assert_eq!((theirs.plan().step, theirs.plan().look), (None, Look::At(theirs.moment.now + HOLD)));
    added(&scene().attempting(removal(&elsewhere(), &attachment(2))));
    added(&scene().attempting(removal(&here(), &attachment(1))));
}

#[test]
fn after_a_refusal_that_may_pass_it_is_another_attempt() {
    let refused = addition(&here(), &attachment(1)).refused(refusal(false));
    let next = added(&scene().attempting(refused));
    assert_eq!((next.first, next.refusal), (second(NOW), None));
}

#[test]
fn an_endpoint_that_is_leaving_is_retried_only_after_a_try() {
    let leaving = connected(ConnectionStatus::Deleting, Origin::Created);
    assert_eq!(leaving.plan().verdict.reason, Reason::Attaching);
    assert_eq!(leaving.with(|it| it.desired.recorded.tries = 1).plan().verdict.reason, Reason::Retrying);
}

#[test]
fn what_it_has_created_and_is_gone_it_attaches_again_whoever_else_wants_it() {
    let elder = Claim { created: second(NOW - 2000), ..claim("elder", None) };
    let gone = |origin| scene().holding(held(1, origin)).sharing(&attachment(1), elder.clone());
    added(&gone(Origin::Created));
    assert_eq!(gone(Origin::Adopted).plan().verdict.reason, Reason::WaitingForService);
}

/// The record of a removal takes the place of that of the addition, by which alone it is known as ours.
#[test]
fn rule_2_what_an_attempt_has_attached_and_was_rejected_is_told_by_status_before_it_is_removed() {
    let made = scene()
        .listing(&attachment(1), ConnectionStatus::Rejected)
        .attempting(addition(&elsewhere(), &attachment(1)))
        .with(|it| it.moment.failed_since = Some(it.moment.now - seconds(10)));
    let plan = made.plan();
    assert_eq!((plan.step.clone(), &plan.look), (None, &Look::At(made.moment.now)));
    assert!(matches!(&plan.facts, Facts::Seen(held, _) if held.origin == Origin::Created), "{:?}", plan.facts);
}
