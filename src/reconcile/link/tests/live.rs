//! A live link that has a service: what is said of every state, and safety rules 3, 4, 5 and 7 of design.md.

use super::says;
use crate::{
    api::{AdoptionPolicy, Origin, Reason, Standing},
    atlas::model::ServiceState,
    reconcile::{
        Look,
        attempt::{AttemptedWrite, HOLD, SendingOutcome},
        fixture::{NOW, claim, elsewhere, here, refusal, second, seconds, sending, service_id},
        link::{
            Facts, Step,
            fixture::{Scene, claiming, creation, id, scene, service, sharer},
        },
        ownership::{Claim, ObjectName},
    },
};

fn having(state: ServiceState, origin: Origin) -> Scene {
    scene().listing([service(id(), state)]).recording(id(), origin)
}

fn failed(origin: Origin) -> Scene {
    having(ServiceState::Failed, origin).with(|it| it.moment.failed_since = Some(it.moment.now - seconds(10)))
}

#[test]
fn every_state_has_its_verdict_and_its_next_look() {
    for (state, standing, reason, look) in [
        (ServiceState::WaitingForUser, Standing::Ready, Reason::Available, Look::Resync),
        (ServiceState::Available, Standing::Ready, Reason::Available, Look::Resync),
        (ServiceState::Initiating, Standing::Reconciling, Reason::Creating, Look::Poll),
        (ServiceState::Deleting, Standing::Reconciling, Reason::Creating, Look::Poll),
        (ServiceState::Unknown("PAUSED".into()), Standing::Reconciling, Reason::Creating, Look::Poll),
    ] {
        for origin in [Origin::Created, Origin::Adopted] {
            let plan = having(state.clone(), origin).plan();
            assert_eq!((says(&plan), plan.look, plan.step), ((standing, reason), look, None), "{state} {origin:?}");
            assert!(matches!(plan.facts, Facts::Seen(_, shown) if shown == origin));
        }
    }
}

#[test]
fn ready_takes_attempts_back_to_nothing_and_nothing_else_does() {
    let tries = |state| having(state, Origin::Created).with(|it| it.desired.recorded.tries = 2).plan().tries;
    assert_eq!(tries(ServiceState::Available), 0);
    assert_eq!(tries(ServiceState::Initiating), 2);
    assert_eq!(tries(ServiceState::Failed), 2);
}

#[test]
fn while_it_is_tried_again_it_says_so() {
    let plan = having(ServiceState::Initiating, Origin::Created).with(|it| it.desired.recorded.tries = 1).plan();
    assert_eq!(says(&plan), (Standing::Reconciling, Reason::Retrying));
}

#[test]
fn rule_4_the_finalizer_is_set_before_status_records_an_origin_and_restored() {
    let unprotected = |scene: Scene| scene.with(|it| it.desired.subject.protected = false).plan().step;
    let listed = || scene().listing([service(id(), ServiceState::Available)]);
    assert_eq!(unprotected(listed()), Some(Step::Protect), "adoption");
    assert_eq!(unprotected(having(ServiceState::Available, Origin::Created)), Some(Step::Protect), "restored");
    assert_eq!(unprotected(scene().recording(id(), Origin::Created)), Some(Step::Protect), "vanished");
    assert_eq!(unprotected(failed(Origin::Created)), Some(Step::Protect), "failed");
    assert_eq!(unprotected(scene().attempting(creation(&elsewhere()))), Some(Step::Protect), "unsettled");
    // Others have none.
    let waiting = scene().with(|it| it.desired.adoption = AdoptionPolicy::AdoptOnly);
    assert_eq!(unprotected(waiting), None);
    let refused = scene().attempting(creation(&elsewhere()).refused(refusal(true)));
    assert_eq!(unprotected(refused), None);
}

#[test]
fn rule_5_a_failed_service_of_ours_is_deleted_after_growing_pauses_a_bounded_number_of_times() {
    for (tries, pause) in [(0, 10), (1, 60), (2, 300)] {
        let failed = |since| {
            having(ServiceState::Failed, Origin::Created).with(|it| {
                it.desired.recorded.tries = tries;
                it.moment.failed_since = Some(it.moment.now - seconds(since));
            })
        };
        let early = failed(pause - 1);
        let plan = early.plan();
        assert_eq!((plan.step.clone(), plan.look), (None, Look::At(early.moment.now + seconds(1))), "{tries}");
        assert_eq!((says(&plan), plan.tries), ((Standing::Reconciling, Reason::Retrying), tries));
        let Some(Step::DeleteFailed(deleted, attempt)) = failed(pause).plan().step else { panic!("{tries}") };
        assert_eq!((deleted, attempt.tries), (id(), tries + 1));
        assert_eq!(attempt.write, AttemptedWrite::DeleteService { service: id() });
    }
    let exhausted = failed(Origin::Created).with(|it| it.desired.recorded.tries = 3).plan();
    assert_eq!((exhausted.step.clone(), says(&exhausted)), (None, (Standing::Stalled, Reason::Failed)));
}

#[test]
fn rule_5_only_a_failed_service_that_we_created_and_nobody_uses_is_deleted() {
    let stalled = |scene: Scene| {
        let plan = scene.plan();
        assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Stalled, Reason::Failed)));
    };
    stalled(failed(Origin::Adopted));
    stalled(failed(Origin::Created).with(|it| it.observed.services.value[0].endpoints.push("vpce-11111111".into())));
    stalled(failed(Origin::Created).with(|it| it.desired.adoption = AdoptionPolicy::AdoptOnly));
    assert!(matches!(failed(Origin::Created).plan().step, Some(Step::DeleteFailed(..))));
}

#[test]
fn rule_7_a_sharer_neither_repairs_nor_owns_and_names_the_owner() {
    let owner = || sharer(claim("owner", Some(Origin::Created)), id());
    let shared = having(ServiceState::Available, Origin::Adopted).sharing([owner()]).plan();
    assert!(shared.verdict.message.contains(r#"owned by "owner""#), "{}", shared.verdict.message);
    let failed = failed(Origin::Adopted).sharing([owner()]).plan();
    assert_eq!((failed.step.clone(), says(&failed)), (None, (Standing::Reconciling, Reason::WaitingForService)));
    let mut foreign = owner();
    foreign.claim.object = ObjectName { namespace: "other-team".into(), name: "secret-name".into() };
    let told = having(ServiceState::Available, Origin::Adopted).sharing([foreign]).plan().verdict.message;
    assert!(told.contains("other-team") && !told.contains("secret-name"), "{told}");
}

#[test]
fn rule_7_the_owner_is_the_oldest_where_nobody_created_it() {
    let other = |age| {
        let mut other = claim("other", Some(Origin::Adopted));
        other.created = second(NOW - age);
        having(ServiceState::Available, Origin::Adopted).sharing([sharer(other, id())]).plan().verdict.message
    };
    assert!(other(2000).contains("owned by"));
    assert!(!other(500).contains("owned by"));
}

#[test]
fn who_only_creates_owns_nothing_that_it_has_not_made() {
    let create_only = Claim { adoption: AdoptionPolicy::CreateOnly, created: second(NOW - 2000), ..claim("new", None) };
    let failed_and_adopted = || failed(Origin::Adopted);
    let failed = failed_and_adopted().sharing([claiming(create_only.clone())]).plan();
    assert_eq!(says(&failed), (Standing::Stalled, Reason::Failed), "{}", failed.verdict.message);
    let edited = Claim { origin: Some(Origin::Adopted), ..create_only.clone() };
    let failed = failed_and_adopted().sharing([sharer(edited, id())]).plan();
    assert_eq!(says(&failed), (Standing::Stalled, Reason::Failed), "what it has adopted before it was told so");
    // Where nothing is there yet, it creates, unless a person has to resume it first: that is told.
    let suspended = Claim { suspended: true, ..create_only };
    let waiting = scene().sharing([claiming(suspended)]).plan();
    assert_eq!((waiting.step.clone(), says(&waiting)), (None, (Standing::Reconciling, Reason::WaitingForService)));
    assert!(waiting.verdict.message.contains(r#""new" (suspended)"#), "{}", waiting.verdict.message);
}

#[test]
fn what_a_sharer_records_of_an_older_service_makes_it_no_owner_of_this_one() {
    let stale = sharer(claim("stale", Some(Origin::Created)), service_id(1, 1));
    let plan = failed(Origin::Created).sharing([stale]).plan();
    assert!(matches!(plan.step, Some(Step::DeleteFailed(..))), "{}", plan.verdict.message);
}

#[test]
fn what_status_shows_is_not_changed_by_a_step_that_is_not_taken() {
    let plan = scene().recording(id(), Origin::Created).plan();
    assert_eq!(plan.facts, Facts::Vanished);
}

/// The record of a deletion takes the place of that of the creation, by which alone it is known as ours.
#[test]
fn rule_2_what_an_attempt_has_made_and_failed_is_told_by_status_before_it_is_deleted() {
    let made = scene()
        .listing([service(id(), ServiceState::Failed)])
        .attempting(creation(&elsewhere()))
        .with(|it| it.moment.failed_since = Some(it.moment.now - seconds(10)));
    let plan = made.plan();
    assert_eq!((plan.step.clone(), &plan.look), (None, &Look::At(made.moment.now)));
    assert!(matches!(plan.facts, Facts::Seen(_, Origin::Created)), "{:?}", plan.facts);
}

/// Of two requests the first may still arrive when what the second has made is taken away.
#[test]
fn rule_2_the_record_of_a_creation_is_kept_while_anything_may_come_of_it() {
    let attempt = creation(&here()).repeated(&here(), second(NOW - 20));
    let failed = |ago, read_ago| {
        failed(Origin::Created).attempting(attempt.clone()).with(|it| {
            it.moment.attempt = sending(&attempt, it.moment.now - ago, SendingOutcome::Answered);
            it.observed.services.read.at = it.moment.now - seconds(read_ago);
        })
    };
    for waiting in [failed(HOLD - seconds(1), 0), failed(HOLD, 1)] {
        let plan = waiting.plan();
        assert_eq!((plan.step.clone(), &plan.look), (None, &Look::Poll), "{}", plan.verdict.message);
        assert_eq!(says(&plan), (Standing::Reconciling, Reason::Retrying));
    }
    assert!(matches!(failed(HOLD, 0).plan().step, Some(Step::DeleteFailed(..))));
}
