//! A link that is being deleted: safety rules 1, 3, 4 and 7 of design.md.

use super::says;
use crate::{
    api::{AdoptionPolicy, Origin, Reason, Standing},
    atlas::model::ServiceState,
    reconcile::{
        Farewell, Look,
        attempt::{AttemptedWrite, SendingOutcome},
        fixture::{self, NOW, claim, elsewhere, here, refusal, seconds, sending, sequence, service_id},
        link::{
            Dependent, Facts, Sharer, Step,
            fixture::{Scene, claiming, creation, id, scene, service, sharer},
        },
        ownership::{Claim, Heard, ObjectName},
        policy::Disposal,
    },
};

fn leaving(state: ServiceState, origin: Origin, disposal: Disposal) -> Scene {
    scene().listing([service(id(), state)]).recording(id(), origin).deleting().with(|it| it.desired.disposal = disposal)
}

fn ours() -> Scene {
    leaving(ServiceState::Available, Origin::Created, Disposal::DeleteCreated)
}

fn dependent(live: bool, has_ours: bool) -> Dependent {
    Dependent { object: ObjectName { namespace: "payments".into(), name: "vpc-a".into() }, live, has_ours }
}

const GONE: Option<Step> = Some(Step::LetGo(Farewell::Deleted));
const KEPT: Option<Step> = Some(Step::LetGo(Farewell::Kept));
const HANDED_OVER: Option<Step> = Some(Step::LetGo(Farewell::HandedOver));
const NOTHING: Option<Step> = Some(Step::LetGo(Farewell::NothingWasThere));

#[test]
fn rule_3_only_ours_is_deleted_unless_delete_says_otherwise() {
    use Disposal::{DeleteAll, DeleteCreated, KeepAll};
    for (origin, disposal, step) in [
        (Origin::Created, DeleteCreated, Some(Step::Delete(id()))),
        (Origin::Created, DeleteAll, Some(Step::Delete(id()))),
        (Origin::Created, KeepAll, KEPT),
        (Origin::Adopted, DeleteCreated, KEPT),
        (Origin::Adopted, DeleteAll, Some(Step::Delete(id()))),
        (Origin::Adopted, KeepAll, KEPT),
    ] {
        assert_eq!(leaving(ServiceState::Available, origin, disposal).plan().step, step, "{origin:?} {disposal:?}");
    }
}

#[test]
fn rule_3_attached_endpoints_hold_the_deletion_back_by_name_but_not_retain() {
    let attached = ours().with(|it| it.observed.services.value[0].endpoints.push("vpce-11111111".into()));
    let plan = attached.plan();
    assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Reconciling, Reason::DeletionBlocked)));
    assert!(plan.verdict.message.contains("vpce-11111111"));
    assert_eq!(attached.with(|it| it.desired.disposal = Disposal::KeepAll).plan().step, KEPT);
}

#[test]
fn rule_3_adopt_only_links_that_share_it_hold_the_deletion_back_by_name_but_not_retain() {
    let holder = Claim { adoption: AdoptionPolicy::AdoptOnly, ..claim("reader", Some(Origin::Adopted)) };
    let shared = ours().sharing([sharer(holder.clone(), id())]);
    let plan = shared.plan();
    assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Reconciling, Reason::DeletionBlocked)));
    assert!(plan.verdict.message.contains(r#""reader""#));
    assert_eq!(shared.with(|it| it.desired.disposal = Disposal::KeepAll).plan().step, KEPT);
    // One that is going, or uses another service, holds nothing back.
    let going = Claim { live: false, ..holder.clone() };
    assert_eq!(ours().sharing([sharer(going, id())]).plan().step, Some(Step::Delete(id())));
    assert_eq!(ours().sharing([sharer(holder, service_id(1, 1))]).plan().step, Some(Step::Delete(id())));
}

#[test]
fn rule_4_endpoints_go_first_whatever_the_policy() {
    for disposal in [Disposal::KeepAll, Disposal::DeleteCreated, Disposal::DeleteAll] {
        let with = |dependent| {
            leaving(ServiceState::Available, Origin::Created, disposal)
                .with(|it| it.observed.dependents.push(dependent))
                .plan()
        };
        let live = with(dependent(true, true));
        assert_eq!((live.step.clone(), says(&live)), (None, (Standing::Reconciling, Reason::DeletionBlocked)));
        assert!(live.verdict.message.contains("vpc-a"));
        let going = with(dependent(false, true));
        assert_eq!((going.step.clone(), says(&going)), (None, (Standing::Reconciling, Reason::Deleting)));
        assert!(with(dependent(true, false)).step.is_some());
    }
}

#[test]
fn rule_4_the_finalizer_goes_last_once_the_service_is_seen_gone() {
    let deleting = leaving(ServiceState::Deleting, Origin::Created, Disposal::DeleteCreated).plan();
    assert_eq!((deleting.step.clone(), deleting.look), (None, Look::Poll));
    assert_eq!(scene().recording(id(), Origin::Created).deleting().plan().step, GONE);
    let bare = scene().deleting().with(|it| it.desired.subject.protected = false).plan();
    assert_eq!((bare.step, bare.look), (None, Look::Never));
}

#[test]
fn rule_4_retain_needs_no_atlas() {
    use crate::reconcile::link::delete::without_atlas;
    let alone = |scene: Scene| without_atlas(&scene.desired, &[], &scene.moment).map(|plan| plan.step);
    let leaving = |disposal| leaving(ServiceState::Available, Origin::Created, disposal);
    assert_eq!(alone(leaving(Disposal::KeepAll)), Some(KEPT));
    assert_eq!(alone(leaving(Disposal::DeleteCreated)), None);
    assert_eq!(alone(leaving(Disposal::DeleteAll)), None);
    assert_eq!(alone(scene().deleting()), Some(NOTHING));
}

#[test]
fn rule_1_no_finalizer_is_removed_while_an_attempt_is_unsettled() {
    let attempt = creation(&here());
    for disposal in [Disposal::KeepAll, Disposal::DeleteCreated, Disposal::DeleteAll] {
        let lost = |age| {
            scene().deleting().attempting(attempt.clone()).with(|it| {
                it.desired.disposal = disposal;
                let outcome = SendingOutcome::Unanswered { ended: sequence(5) };
                it.moment.attempt = sending(&attempt, it.moment.now - seconds(age), outcome);
            })
        };
        // Who keeps everything looks at Atlas no more.
        let look = match disposal {
            Disposal::KeepAll => Look::At(lost(10).moment.now + seconds(80)),
            Disposal::DeleteCreated | Disposal::DeleteAll => Look::Poll,
        };
        let plan = lost(10).plan();
        assert_eq!((plan.step, plan.look), (None, look), "{disposal:?}");
        assert!(matches!(lost(95).plan().step, Some(Step::LetGo(_))), "{disposal:?}");
        let theirs = scene().deleting().attempting(creation(&elsewhere())).with(|it| it.desired.disposal = disposal);
        assert_eq!(theirs.plan().step, None, "{disposal:?}");
    }
}

#[test]
fn rule_1_what_another_holder_may_still_delete_is_left_to_it_for_ninety_seconds() {
    let write = AttemptedWrite::DeleteService { service: id() };
    let scene = leaving(ServiceState::Failed, Origin::Created, Disposal::DeleteCreated).attempting(fixture::attempt(
        &elsewhere(),
        write,
        5,
    ));
    let plan = scene.plan();
    assert_eq!((plan.step, plan.look), (None, Look::Poll));
}

#[test]
fn rule_2_what_an_unanswered_attempt_made_is_deleted_and_what_a_refused_one_found_is_not() {
    let found =
        |attempt| scene().listing([service(id(), ServiceState::Initiating)]).attempting(attempt).deleting().plan().step;
    assert_eq!(found(creation(&elsewhere())), Some(Step::RecordService), "and then deleted");
    assert_eq!(found(creation(&elsewhere()).refused(refusal(false))), NOTHING);
    assert_eq!(found(creation(&elsewhere()).showing([id()])), None, "what was shown is not touched");
    let own = creation(&here());
    let refused = scene()
        .listing([service(id(), ServiceState::Initiating)])
        .attempting(own.clone())
        .deleting()
        .with(|it| it.moment.attempt = sending(&own, it.moment.now, SendingOutcome::Refused(refusal(false))));
    assert_eq!(refused.plan().step, NOTHING);
}

#[test]
fn rule_2_what_an_unanswered_attempt_made_is_recorded_as_it_goes_and_waited_for_while_a_request_may_arrive() {
    let attempting = |scene: Scene| scene.attempting(creation(&elsewhere())).deleting();
    let going = attempting(scene().listing([service(id(), ServiceState::Deleting)])).plan();
    assert!(matches!(&going.facts, Facts::Seen(service, Origin::Created) if service.id == id()), "{:?}", going.facts);
    let gone = || attempting(scene()).recording(id(), Origin::Created);
    assert_eq!(gone().plan().step, None, "it may be another's, and its own arrive yet");
    let later = gone().with(|it| it.moment.atlas_time += seconds(151));
    assert_eq!(later.plan().step, GONE);
    let answered = gone().with(|it| {
        let own = creation(&here());
        it.moment.attempt = sending(&own, it.moment.now, SendingOutcome::Answered);
        it.desired.recorded.attempt = Some(own);
    });
    assert_eq!(answered.plan().step, GONE);
}

#[test]
fn rule_7_every_other_live_object_of_the_key_is_heard_first() {
    let unheard = Claim { heard: Heard::Nothing, ..claim("unheard", None) };
    let unrecorded = claim("unrecorded", None);
    for other in [unheard, unrecorded] {
        let plan = ours().sharing([claiming(other.clone())]).plan();
        assert_eq!((plan.step.clone(), plan.look), (None, Look::Shortly), "{}", other.uid);
        assert!(plan.verdict.message.contains(&other.uid), "it tells whom it waits for: {}", plan.verdict.message);
        let lacking = Claim { heard: Heard::Lacking, ..other };
        let plan = ours().sharing([claiming(lacking)]).plan();
        assert_eq!(plan.step, Some(Step::Delete(id())));
    }
    // One that records another service has not recorded this one yet.
    let stale = ours().sharing([sharer(claim("stale", Some(Origin::Created)), service_id(1, 1))]).plan();
    assert_eq!((stale.step, stale.look), (None, Look::Shortly));
    // One that is suspended never will, so nobody waits for it, unless it has asked for what this may be.
    let suspended = || sharer(Claim { suspended: true, ..claim("suspended", Some(Origin::Created)) }, service_id(1, 1));
    assert_eq!(ours().sharing([suspended()]).plan().step, Some(Step::Delete(id())));
    let attempt = Some(creation(&elsewhere()).showing([service_id(1, 1)]));
    assert_eq!(ours().sharing([Sharer { attempt, ..suspended() }]).plan().step, None);
    // One that records nothing takes over, though it has asked in vain for a service once.
    let refused = Some(creation(&elsewhere()).refused(refusal(false)));
    let empty = Sharer { attempt: refused, ..claiming(Claim { suspended: true, ..claim("empty", None) }) };
    assert!(matches!(ours().sharing([empty]).plan().step, Some(Step::HandOver(..))));
}

#[test]
fn rule_7_what_is_shared_is_handed_over_before_the_finalizer_goes() {
    let heir = |origin| sharer(claim("heir", Some(origin)), id());
    let handing = ours().sharing([heir(Origin::Adopted)]).plan().step;
    assert_eq!(handing, Some(Step::HandOver(heir(Origin::Adopted).claim.heir(), id(), Origin::Created)));
    assert_eq!(ours().sharing([heir(Origin::Created)]).plan().step, HANDED_OVER);
    // What was adopted is shared just so, and an explicit Delete takes it from nobody.
    let adopted = leaving(ServiceState::Available, Origin::Adopted, Disposal::DeleteAll);
    assert_eq!(adopted.clone().sharing([heir(Origin::Adopted)]).plan().step, HANDED_OVER);
    // One that is suspended and records nothing would never know what it has.
    let blank = claiming(Claim { suspended: true, ..claim("blank", None) });
    let told = Step::HandOver(blank.claim.heir(), id(), Origin::Adopted);
    assert_eq!(adopted.clone().sharing([blank]).plan().step, Some(told));
    let mut create_only = heir(Origin::Created);
    create_only.claim.adoption = AdoptionPolicy::CreateOnly;
    assert_eq!(adopted.sharing([create_only]).plan().step, HANDED_OVER, "the owner need not be one that inherits");
}

#[test]
fn rule_7_a_create_only_link_never_inherits() {
    let create_only = Claim { adoption: AdoptionPolicy::CreateOnly, ..claim("new", None) };
    let plan = ours().sharing([claiming(create_only)]).plan();
    assert_eq!(plan.step, Some(Step::Delete(id())));
}

#[test]
fn a_service_of_the_same_region_that_it_never_had_is_left_alone() {
    let scene = scene().listing([service(service_id(NOW - 5000, 3), ServiceState::Available)]);
    let plan = scene.recording(id(), Origin::Created).deleting().plan();
    assert_eq!(plan.step, GONE);
}
