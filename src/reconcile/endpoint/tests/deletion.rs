//! An endpoint that is being deleted: safety rules 1, 3, 4 and 7 of design.md.

use crate::{
    api::{Origin, Reason},
    atlas::model::ConnectionStatus,
    reconcile::{
        Farewell, Look,
        attempt::SendingOutcome,
        endpoint::{
            Facts, Parting, Step, delete,
            fixture::{Scene, addition, attachment, held, removal, scene},
        },
        fixture::{claim, elsewhere, has_replaced, here, refusal, seconds, sending, sequence},
        ownership::{Claim, Heard},
        policy::Disposal,
    },
};

fn leaving(origin: Origin, disposal: Disposal) -> Scene {
    scene()
        .holding(held(1, origin))
        .listing(&attachment(1), ConnectionStatus::Available)
        .deleting()
        .with(|it| it.desired.disposal = disposal)
}

fn ours() -> Scene {
    leaving(Origin::Created, Disposal::DeleteCreated)
}

fn let_go(partings: &[(u8, Farewell)]) -> Option<Step> {
    let parting = |&(n, farewell)| Parting { attachment: attachment(n), farewell };
    Some(Step::LetGo(partings.iter().map(parting).collect()))
}

#[test]
fn rule_3_only_ours_is_detached_unless_delete_says_otherwise() {
    use Disposal::{DeleteAll, DeleteCreated, KeepAll};
    for (origin, disposal, step) in [
        (Origin::Created, DeleteCreated, Some(Step::Remove(attachment(1)))),
        (Origin::Created, DeleteAll, Some(Step::Remove(attachment(1)))),
        (Origin::Created, KeepAll, let_go(&[(1, Farewell::Kept)])),
        (Origin::Adopted, DeleteCreated, let_go(&[(1, Farewell::Kept)])),
        (Origin::Adopted, DeleteAll, Some(Step::Remove(attachment(1)))),
        (Origin::Adopted, KeepAll, let_go(&[(1, Farewell::Kept)])),
    ] {
        assert_eq!(leaving(origin, disposal).plan().step, step, "{origin:?} {disposal:?}");
    }
}

#[test]
fn rule_4_the_finalizer_goes_last_once_everything_is_seen_gone() {
    let removed = ours().with(|it| {
        let ours = attachment(1);
        it.moment.removed.insert((ours.service, ours.endpoint));
    });
    assert_eq!((removed.plan().step, removed.plan().look), (None, Look::Poll));
    assert_eq!(scene().holding(held(1, Origin::Created)).deleting().plan().step, let_go(&[(1, Farewell::Deleted)]));
    assert_eq!(scene().deleting().plan().step, let_go(&[]));
    let bare = scene().deleting().with(|it| it.desired.subject.protected = false).plan();
    assert_eq!((bare.step, bare.look), (None, Look::Never));
}

#[test]
fn rule_4_what_is_retiring_goes_too() {
    let both = ours().retiring(held(2, Origin::Created)).listing(&attachment(2), ConnectionStatus::Available);
    assert_eq!(both.plan().step, Some(Step::Remove(attachment(1))));
    let one = both.with(|it| {
        it.observed.services.value[0].endpoints.remove(0);
    });
    assert_eq!(one.plan().step, Some(Step::Remove(attachment(2))));
    let adopted = ours().retiring(held(2, Origin::Adopted)).listing(&attachment(2), ConnectionStatus::Available);
    let left = adopted.with(|it| {
        it.observed.services.value[0].endpoints.remove(0);
    });
    assert_eq!(left.plan().step, let_go(&[(1, Farewell::Deleted), (2, Farewell::Kept)]));
}

/// What it had adopted was gone, and its own request, which was not answered, has attached it anew.
#[test]
fn rule_4_what_it_attached_anew_is_one_thing_and_its_own() {
    let attempt = addition(&here(), &attachment(1));
    let unanswered = |scene: Scene| {
        scene.attempting(attempt.clone()).with(|it| {
            let outcome = SendingOutcome::Unanswered { ended: sequence(90) };
            it.moment.attempt = sending(&attempt, it.moment.now - seconds(40), outcome);
        })
    };
    let known = unanswered(ours()).plan();
    assert_eq!((known.step, known.facts), (Some(Step::Remove(attachment(1))), Facts::Unchanged));
    let anew = unanswered(leaving(Origin::Adopted, Disposal::DeleteCreated));
    let plan = anew.plan();
    assert_eq!(plan.step, Some(Step::Remove(attachment(1))));
    assert_eq!(plan.facts, Facts::Restored(held(1, Origin::Created)));
    let other = |stake| Claim { stake, ..claim("other", Some(Origin::Created)) };
    let plan = anew.clone().sharing(&attachment(1), other(has_replaced(false, false))).plan();
    assert_eq!(plan.step, Some(Step::Remove(attachment(1))));
    let plan = anew.sharing(&attachment(1), other(has_replaced(true, false))).plan();
    assert_eq!((plan.step, plan.verdict.reason), (None, Reason::DeletionBlocked));
    assert!(plan.verdict.message.contains(r#"stays attached for "other", where"#), "{}", plan.verdict.message);
}

#[test]
fn rule_7_what_others_live_on_keeps_nothing_else_from_being_detached() {
    let both = leaving(Origin::Created, Disposal::DeleteCreated)
        .retiring(held(2, Origin::Created))
        .listing(&attachment(2), ConnectionStatus::Available);
    let other = Claim { stake: has_replaced(true, false), ..claim("other", Some(Origin::Adopted)) };
    let plan = both.sharing(&attachment(1), other).plan();
    assert_eq!((plan.step, plan.verdict.reason), (Some(Step::Remove(attachment(2))), Reason::Deleting));
}

/// Nothing may be asked of Atlas while it is suspended, or waits after a refusal; a hand-over asks nothing.
#[test]
fn rule_7_what_is_handed_over_waits_for_nothing_that_is_to_be_detached() {
    let both = leaving(Origin::Created, Disposal::DeleteCreated)
        .retiring(held(2, Origin::Created))
        .listing(&attachment(2), ConnectionStatus::Available);
    let plan = both.sharing(&attachment(2), claim("heir", Some(Origin::Adopted))).plan();
    assert!(
        matches!(&plan.step, Some(Step::HandOver(heir, what)) if heir.object.name == "heir" && *what == held(2, Origin::Created)),
        "{plan:?}"
    );
}

#[test]
fn rule_4_retain_needs_no_atlas() {
    let alone = |scene: Scene| delete::without_atlas(&scene.desired, &scene.moment).map(|plan| plan.step);
    assert_eq!(alone(leaving(Origin::Created, Disposal::KeepAll)), Some(let_go(&[(1, Farewell::Kept)])));
    assert_eq!(alone(leaving(Origin::Created, Disposal::DeleteCreated)), None);
    assert_eq!(alone(scene().deleting()), Some(let_go(&[])));
}

#[test]
fn rule_1_no_finalizer_is_removed_while_an_attempt_is_unsettled() {
    let own = addition(&here(), &attachment(1));
    for disposal in [Disposal::KeepAll, Disposal::DeleteCreated, Disposal::DeleteAll] {
        let lost = |age| {
            scene().deleting().attempting(own.clone()).with(|it| {
                it.desired.disposal = disposal;
                let outcome = SendingOutcome::Unanswered { ended: sequence(5) };
                it.moment.attempt = sending(&own, it.moment.now - seconds(age), outcome);
            })
        };
        // Who keeps everything looks at Atlas no more.
        let look = match disposal {
            Disposal::KeepAll => Look::At(lost(10).moment.now + seconds(80)),
            Disposal::DeleteCreated | Disposal::DeleteAll => Look::Poll,
        };
        assert_eq!((lost(10).plan().step, lost(10).plan().look), (None, look));
        assert!(matches!(lost(95).plan().step, Some(Step::LetGo(_))), "{disposal:?}");
        let theirs = addition(&elsewhere(), &attachment(1));
        let theirs = scene().deleting().attempting(theirs).with(|it| it.desired.disposal = disposal);
        assert_eq!(theirs.plan().step, None, "{disposal:?}");
    }
}

#[test]
fn rule_1_what_another_holder_may_still_detach_is_left_to_it_for_ninety_seconds() {
    let scene = ours().attempting(removal(&elsewhere(), &attachment(1)));
    assert_eq!((scene.plan().step, scene.plan().look), (None, Look::Poll));
}

#[test]
fn rule_2_what_an_unanswered_attempt_made_is_detached_and_what_a_refused_one_found_is_not() {
    let found =
        |attempt| scene().listing(&attachment(1), ConnectionStatus::Pending).attempting(attempt).deleting().plan().step;
    assert_eq!(found(addition(&elsewhere(), &attachment(1))), Some(Step::Remove(attachment(1))));
    let refused = addition(&elsewhere(), &attachment(1)).refused(refusal(false));
    assert_eq!(found(refused.clone()), let_go(&[]));
    // Whoever is to delete everything needs no Atlas to know that either.
    let told = scene().attempting(refused).deleting().with(|it| it.desired.disposal = Disposal::DeleteAll);
    let plan = delete::without_atlas(&told.desired, &told.moment).unwrap();
    assert_eq!(plan.step, let_go(&[]));
}

#[test]
fn rule_2_what_an_unanswered_attempt_made_is_recorded_as_it_goes_and_waited_for_while_a_request_may_arrive() {
    let attempting = |scene: Scene| scene.attempting(addition(&elsewhere(), &attachment(1))).deleting();
    let going = attempting(scene().listing(&attachment(1), ConnectionStatus::Deleting)).plan();
    assert_eq!(going.facts, Facts::Restored(held(1, Origin::Created)));
    let gone = |it: &mut Scene| it.desired.recorded.held = Some(held(1, Origin::Created));
    assert_eq!(attempting(scene()).with(gone).plan().step, None, "it may be another's, and its own arrive yet");
    let later = attempting(scene()).with(gone).with(|it| it.moment.atlas_time += seconds(151));
    assert_eq!(later.plan().step, let_go(&[(1, Farewell::Deleted)]));
    let answered = |it: &mut Scene| {
        let own = addition(&here(), &attachment(1));
        it.moment.attempt = sending(&own, it.moment.now, SendingOutcome::Answered);
        it.desired.recorded.attempt = Some(own);
    };
    assert_eq!(attempting(scene()).with(gone).with(answered).plan().step, let_go(&[(1, Farewell::Deleted)]));
}

#[test]
fn rule_7_every_other_live_object_is_heard_first_and_named() {
    let unheard = Claim { heard: Heard::Nothing, ..claim("other", None) };
    for scene in [
        ours().sharing(&attachment(1), unheard.clone()),
        ours().sharing(&attachment(1), claim("other", None)),
        ours().with(|it| it.observed.unheard.push(unheard)),
    ] {
        let plan = scene.plan();
        assert_eq!((plan.step, plan.look), (None, Look::Shortly));
        assert!(plan.verdict.message.contains(r#""other""#), "{}", plan.verdict.message);
    }
    let lacking = Claim { heard: Heard::Lacking, ..claim("other", Some(Origin::Created)) };
    assert_eq!(ours().sharing(&attachment(1), lacking).plan().step, Some(Step::Remove(attachment(1))));
    assert_eq!(ours().sharing(&attachment(2), claim("other", None)).plan().step, Some(Step::Remove(attachment(1))));
}

#[test]
fn rule_7_what_is_shared_is_handed_over_before_the_finalizer_goes() {
    let heir = |origin| claim("heir", Some(origin));
    let handing = ours().sharing(&attachment(1), heir(Origin::Adopted)).plan().step;
    assert_eq!(handing, Some(Step::HandOver(heir(Origin::Adopted).heir(), held(1, Origin::Created))));
    let handed = ours().sharing(&attachment(1), heir(Origin::Created)).plan().step;
    assert_eq!(handed, let_go(&[(1, Farewell::HandedOver)]));
    let adopted = leaving(Origin::Adopted, Disposal::DeleteAll).sharing(&attachment(1), heir(Origin::Adopted));
    assert_eq!(adopted.plan().step, let_go(&[(1, Farewell::HandedOver)]));
    // One that is suspended and records nothing would never know what it has.
    let blank = Claim { suspended: true, blank: true, ..claim("blank", None) };
    let told = Step::HandOver(blank.heir(), held(1, Origin::Adopted));
    let adopted = leaving(Origin::Adopted, Disposal::DeleteAll).sharing(&attachment(1), blank);
    assert_eq!(adopted.plan().step, Some(told));
}

#[test]
fn rule_3_what_was_adopted_is_kept_unless_an_attempt_may_have_made_it_again_or_another() {
    let adopted = || leaving(Origin::Adopted, Disposal::DeleteCreated);
    let alone = |scene: &Scene| delete::without_atlas(&scene.desired, &scene.moment).map(|plan| plan.step);
    assert_eq!(alone(&adopted()), Some(let_go(&[(1, Farewell::Kept)])));
    let attempted = |n| adopted().attempting(addition(&elsewhere(), &attachment(n)));
    assert_eq!((alone(&attempted(1)), alone(&attempted(2))), (None, None), "that must be looked for");
    assert_eq!(attempted(1).plan().step, Some(Step::Remove(attachment(1))));
}
