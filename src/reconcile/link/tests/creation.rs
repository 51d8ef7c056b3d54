//! Getting a service: safety rules 1, 2 and 7 of design.md for a live link.

use super::{created, says};
use crate::{
    api::{AdoptionPolicy, Origin, Reason, Standing},
    atlas::model::ServiceState,
    reconcile::{
        Look,
        attempt::{Attempt, AttemptedWrite, HOLD, SendingOutcome},
        fixture::{NOW, claim, elsewhere, here, refusal, second, seconds, sending, sent, sequence, service_id},
        link::{
            Facts, Sharer, Step,
            fixture::{Scene, claiming, creation, id, region, scene, service, sharer, unnamed},
        },
        ownership::{Claim, Heard},
    },
};

/// What the plan says of the origin of the service that it shows.
fn origin(scene: &Scene) -> Option<Origin> {
    match scene.plan().facts {
        Facts::Seen(_, origin) => Some(origin),
        Facts::Unchanged | Facts::Vanished => None,
    }
}

#[test]
fn rule_1_a_creation_is_recorded_with_what_the_list_before_showed() {
    let other = unnamed(service_id(NOW, 7), ServiceState::Initiating);
    let scene = scene().listing([other.clone()]).with(|it| it.desired.subject.protected = false);
    let plan = scene.plan();
    let attempt = created(&plan);
    assert_eq!((attempt.holder.clone(), attempt.first, attempt.last), (here(), second(NOW), second(NOW)));
    assert_eq!((attempt.shown.as_slice(), &attempt.write), ([other.id].as_slice(), &AttemptedWrite::CreateService));
    assert_eq!(plan.facts, Facts::Unchanged);
}

#[test]
fn rule_1_another_holder_only_reads_for_ninety_seconds() {
    let waiting = scene().attempting(creation(&elsewhere()));
    let until = waiting.moment.now + HOLD;
    let plan = waiting.plan();
    assert_eq!((plan.step, plan.look), (None, Look::Poll));
    let later = |list_age| {
        waiting.clone().with(|it| {
            it.moment.now = until + seconds(5);
            it.observed.services.read.at = waiting.moment.now + seconds(list_age);
        })
    };
    assert_eq!(later(89).plan().step, None, "the list was sent too early");
    let anew = later(90).plan();
    assert_eq!(created(&anew).first, second(NOW), "a settled attempt is replaced, not repeated");
}

#[test]
fn rule_1_a_repeat_needs_a_list_sent_after_the_lost_answer_and_keeps_time_and_ids() {
    let attempt = creation(&here()).showing([service_id(1, 1)]);
    let unanswered = |ended| {
        scene().attempting(attempt.clone()).with(|it| {
            let outcome = SendingOutcome::Unanswered { ended: sequence(ended) };
            it.moment.attempt = sending(&attempt, it.moment.now - seconds(20), outcome);
        })
    };
    assert_eq!(unanswered(100).plan().step, None);
    let plan = unanswered(99).plan();
    let repeat = created(&plan);
    assert_eq!((repeat.first, repeat.last, &repeat.shown), (attempt.first, second(NOW), &attempt.shown));
}

#[test]
fn rule_1_what_was_recorded_and_never_sent_is_replaced_at_once() {
    let plan = scene().attempting(creation(&here())).plan();
    assert_eq!(created(&plan).first, second(NOW));
}

#[test]
fn rule_1_a_failed_service_is_not_deleted_twice_by_two_holders() {
    let attempt =
        |holder| Attempt::new("uid-of-it", &holder, AttemptedWrite::DeleteService { service: id() }, second(NOW));
    let failed = |holder| {
        scene()
            .listing([service(id(), ServiceState::Failed)])
            .recording(id(), Origin::Created)
            .attempting(attempt(holder))
            .with(|it| it.moment.failed_since = Some(it.moment.now - seconds(1000)))
    };
    let theirs = failed(elsewhere()).plan();
    assert_eq!((theirs.step, theirs.look), (None, Look::Poll).clone());
    assert!(matches!(failed(here()).plan().step, Some(Step::DeleteFailed(..))));
}

#[test]
fn rule_2_a_definite_refusal_is_recorded_before_anything_is_said_of_what_is_there() {
    let attempt = creation(&here());
    let scene = scene().listing([service(id(), ServiceState::Available)]).attempting(attempt.clone()).with(|it| {
        it.moment.attempt = sending(&attempt, it.moment.now, SendingOutcome::Refused(refusal(false)));
    });
    let plan = scene.plan();
    assert_eq!(plan.step, Some(Step::RecordRefusal(attempt.refused(refusal(false)))));
    assert_eq!(plan.facts, Facts::Unchanged);
}

#[test]
fn rule_2_what_stands_there_after_a_refusal_is_anothers() {
    let refused = scene()
        .listing([service(id(), ServiceState::Available)])
        .attempting(creation(&elsewhere()).refused(refusal(false)));
    assert_eq!(origin(&refused), Some(Origin::Adopted));
    let create_only = refused.with(|it| it.desired.adoption = AdoptionPolicy::CreateOnly).plan();
    assert_eq!(says(&create_only), (Standing::Stalled, Reason::AlreadyExists));
}

#[test]
fn rule_2_without_an_answer_ours_is_new_in_its_time_and_nobody_elses() {
    let found = |id| scene().listing([service(id, ServiceState::Initiating)]).attempting(creation(&elsewhere()));
    assert_eq!(origin(&found(id())), Some(Origin::Created));
    // Made before its time, or after.
    assert_eq!(origin(&found(service_id(NOW - 101, 1))), Some(Origin::Adopted));
    assert_eq!(origin(&found(service_id(NOW + 51, 1))), Some(Origin::Adopted));
    assert_eq!(origin(&found(service_id(NOW + 50, 1))), Some(Origin::Created));
    // Shown by the list before.
    let shown =
        scene().listing([service(id(), ServiceState::Initiating)]).attempting(creation(&elsewhere()).showing([id()]));
    assert_eq!(origin(&shown), Some(Origin::Adopted));
    // Recorded as Created by another resource, whether it counts or not.
    for heard in [Heard::Nothing, Heard::Listed, Heard::Lacking] {
        let other = crate::reconcile::ownership::Claim { heard, ..claim("other", Some(Origin::Created)) };
        assert_eq!(origin(&found(id()).sharing([sharer(other.clone(), id())])), Some(Origin::Adopted), "{heard:?}");
        // What it records of another service is no claim to this one.
        assert_eq!(origin(&found(id()).sharing([sharer(other, service_id(1, 1))])), Some(Origin::Created), "{heard:?}");
    }
    // Without an attempt at all.
    assert_eq!(origin(&scene().listing([service(id(), ServiceState::Initiating)])), Some(Origin::Adopted));
    // This process knows that it never sent it.
    let unsent = scene().listing([service(id(), ServiceState::Initiating)]).attempting(creation(&here()));
    assert_eq!(origin(&unsent), Some(Origin::Adopted));
}

#[test]
fn rule_2_the_age_of_the_attempt_when_it_is_read_plays_no_part() {
    let scene = scene()
        .listing([service(id(), ServiceState::Available)])
        .attempting(creation(&elsewhere()))
        .with(|it| it.moment.atlas_time = second(NOW + 1_000_000));
    assert_eq!(origin(&scene), Some(Origin::Created));
}

/// The one that status records is gone, and another one of the attempt's time is there.
#[test]
fn rule_2_one_request_makes_one_service_and_what_is_adopted_is_the_work_of_none() {
    let (first, second_one) = (service_id(NOW - 60, 1), service_id(NOW - 20, 2));
    let own = creation(&elsewhere());
    let found = |attempt: &Attempt, origin| {
        scene()
            .recording(first, origin)
            .listing([service(second_one, ServiceState::Available)])
            .attempting(attempt.clone())
            .with(|it| it.moment.atlas_time = second(NOW + 1_000_000))
    };
    assert_eq!(origin(&found(&own, Origin::Created)), Some(Origin::Adopted), "its one request has made the first");
    let repeated = own.repeated(&elsewhere(), second(NOW - 30));
    assert_eq!(origin(&found(&repeated, Origin::Created)), Some(Origin::Created), "the next one arrived, too");
    assert_eq!(origin(&found(&own, Origin::Adopted)), Some(Origin::Created), "the first was another's");
}

#[test]
fn rule_2_create_only_keeps_what_it_made_itself() {
    let scene = scene()
        .listing([service(id(), ServiceState::Available)])
        .attempting(creation(&elsewhere()))
        .with(|it| it.desired.adoption = AdoptionPolicy::CreateOnly);
    assert_eq!(origin(&scene), Some(Origin::Created));
}

#[test]
fn rule_7_who_is_younger_waits_for_the_owner_to_create() {
    let mut older = claim("older", None);
    older.created = second(NOW - 5000);
    for (adoption, standing, reason) in [
        (AdoptionPolicy::AdoptOrCreate, Standing::Reconciling, Reason::WaitingForService),
        (AdoptionPolicy::CreateOnly, Standing::Stalled, Reason::AlreadyExists),
        (AdoptionPolicy::AdoptOnly, Standing::Reconciling, Reason::WaitingForService),
    ] {
        let plan = scene().sharing([claiming(older.clone())]).with(|it| it.desired.adoption = adoption).plan();
        assert_eq!((plan.step.clone(), says(&plan)), (None, (standing, reason)), "{adoption:?}");
    }
    // One that has not listed the project doesn't count.
    let unheard = crate::reconcile::ownership::Claim { heard: Heard::Lacking, ..older };
    let plan = scene().sharing([claiming(unheard)]).plan();
    created(&plan);
}

#[test]
fn adopt_only_never_creates() {
    let plan = scene().with(|it| it.desired.adoption = AdoptionPolicy::AdoptOnly).plan();
    assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Reconciling, Reason::WaitingForService)));
}

#[test]
fn a_service_that_vanished_is_created_again_after_a_pause() {
    let gone = scene().recording(id(), Origin::Created);
    let plan = gone.plan();
    assert_eq!((plan.step.clone(), plan.facts.clone()), (None, Facts::Vanished));
    assert_eq!(plan.look, Look::At(gone.moment.now + seconds(10)));
    let later = gone.with(|it| it.moment.failed_since = Some(it.moment.now - seconds(10)));
    let plan = later.plan();
    assert_eq!(created(&plan).shown, [id()], "the old service can never be taken for the new one");
}

#[test]
fn a_failed_service_that_was_deleted_is_created_again_at_once_and_remembers_its_name() {
    let attempt = Attempt::new("uid-of-it", &here(), AttemptedWrite::DeleteService { service: id() }, second(NOW))
        .with_tries(2)
        .replacing(Some("old-name".into()));
    let scene = scene().recording(id(), Origin::Created).attempting(attempt).with(|it| it.desired.recorded.tries = 2);
    let plan = scene.plan();
    let attempt = created(&plan);
    assert_eq!((attempt.tries, attempt.replaces.as_deref()), (2, Some("old-name")));
    assert_eq!(says(&plan), (Standing::Reconciling, Reason::Retrying));
}

#[test]
fn what_atlas_refused_for_good_is_not_asked_again_until_something_changes() {
    let refused = scene().attempting(creation(&elsewhere()).refused(refusal(true)));
    let plan = refused.plan();
    assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Stalled, Reason::InvalidRequest)));
    created(&refused.clone().with(|it| it.desired.subject.generation = Some(2)).plan());
    created(&refused.with(|it| it.desired.subject.request = Some("now".into())).plan());
    created(&scene().attempting(creation(&elsewhere()).refused(refusal(false))).plan());
}

#[test]
fn v1_an_unnamed_service_of_somebody_else_does_not_hinder_a_creation() {
    let other = unnamed(id(), ServiceState::Initiating);
    created(&scene().listing([other.clone()]).plan());
    // Refused for another cause than a conflict, it tells nothing of the unnamed one.
    let denied = creation(&elsewhere()).showing([id()]).refused(refusal(false));
    created(&scene().listing([other]).attempting(denied).plan());
}

#[test]
fn v1_after_a_conflict_or_a_lost_answer_an_unnamed_service_is_waited_for() {
    let conflict = creation(&elsewhere()).showing([id()]).refused({
        let mut conflict = refusal(false);
        conflict.conflict = true;
        conflict
    });
    for attempt in [conflict, creation(&elsewhere())] {
        let unnamed = |state| scene().listing([unnamed(id(), state)]).attempting(attempt.clone());
        let plan = unnamed(ServiceState::Initiating).plan();
        assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Reconciling, Reason::RegionUnknown)));
        assert!(plan.verdict.message.contains(&id().to_string()) && plan.look == Look::Poll);
        let failed = unnamed(ServiceState::Failed).plan();
        assert_eq!((failed.step.clone(), says(&failed)), (None, (Standing::Stalled, Reason::Failed)));
        assert!(failed.verdict.message.contains(&id().to_string()));
        // One that another resource records is none of it.
        let recorded = unnamed(ServiceState::Initiating).with(|it| {
            it.observed.recorded_elsewhere.insert(id());
        });
        assert_ne!(says(&recorded.plan()).1, Reason::RegionUnknown);
    }
}

#[test]
fn v1_an_unnamed_service_is_of_the_region_if_another_link_of_it_says_so() {
    let leaving = |heard| Claim { live: false, heard, ..claim("a", Some(Origin::Created)) };
    let rival =
        |heard| scene().listing([unnamed(id(), ServiceState::Initiating)]).sharing([sharer(leaving(heard), id())]);
    assert_eq!(origin(&rival(Heard::Listed)), Some(Origin::Adopted));
    // It is believed once its credentials have listed the project, waited for until then, and left aside if they can't.
    let plan = rival(Heard::Nothing).plan();
    assert_eq!((plan.step.clone(), says(&plan)), (None, (Standing::Reconciling, Reason::RegionUnknown)));
    created(&rival(Heard::Lacking).plan());
}

#[test]
fn v1_what_another_link_of_the_region_may_have_made_is_waited_for_until_it_is_named() {
    let rival = |heard, state| {
        let asked = Sharer {
            attempt: Some(creation(&elsewhere())),
            ..claiming(Claim { live: false, heard, ..claim("a", None) })
        };
        scene().listing([unnamed(id(), state)]).sharing([asked])
    };
    for heard in [Heard::Nothing, Heard::Listed] {
        let plan = rival(heard, ServiceState::Initiating).plan();
        assert_eq!(
            (plan.step.clone(), says(&plan)),
            (None, (Standing::Reconciling, Reason::RegionUnknown)),
            "{heard:?}"
        );
    }
    // What failed is never named: only one that has listed the project is believed then.
    assert_eq!(says(&rival(Heard::Listed, ServiceState::Failed).plan()), (Standing::Stalled, Reason::Failed));
    created(&rival(Heard::Nothing, ServiceState::Failed).plan());
    created(&rival(Heard::Lacking, ServiceState::Initiating).plan());
    // It was there before, was refused, or is known to have come to something else.
    let asking = |change: &dyn Fn(Sharer) -> Sharer| {
        let mut scene = rival(Heard::Listed, ServiceState::Initiating);
        let other = scene.observed.others.remove(0);
        created(&scene.sharing([change(other)]).plan());
    };
    let attempt = || creation(&elsewhere());
    asking(&|other| Sharer { attempt: Some(attempt().showing([id()])), ..other });
    asking(&|other| Sharer { attempt: Some(attempt().refused(refusal(false))), ..other });
    asking(&|other| Sharer { service: Some(service_id(NOW, 9)), ..other });
    asking(&|other| Sharer { attempt: None, ..other });
}

#[test]
fn of_gcps_two_kinds_only_the_port_mapped_one_counts() {
    use crate::atlas::{
        model::Service,
        region::{Provider, Region},
    };
    let region = Region::parse(Provider::Gcp, "us-central1").unwrap();
    let gcp = |port_mapping| Service {
        provider: Provider::Gcp,
        region: Some(region.clone()),
        port_mapping,
        ..service(id(), ServiceState::Available)
    };
    let with = |port_mapping| scene().listing([gcp(port_mapping)]).with(|it| it.desired.region = region.clone());
    assert_eq!(origin(&with(true)), Some(Origin::Adopted));
    created(&with(false).plan());
}

#[test]
fn an_earlier_service_that_is_being_deleted_is_waited_for() {
    let plan = scene().listing([service(id(), ServiceState::Deleting)]).plan();
    assert_eq!(
        (plan.step.clone(), says(&plan), plan.look),
        (None, (Standing::Reconciling, Reason::Creating), Look::Poll)
    );
    // One that stays is preferred to one that goes.
    let both =
        scene().listing([service(service_id(1, 1), ServiceState::Deleting), service(id(), ServiceState::Available)]);
    assert_eq!(both.status().private_link_id, Some(id().to_string()));
}

#[test]
fn another_region_is_another_key() {
    use crate::atlas::region::{Provider, Region};
    let mut other = service(id(), ServiceState::Available);
    other.region = Some(Region::parse(Provider::Aws, "eu-west-1").unwrap());
    assert_ne!(other.region, Some(region()));
    created(&scene().listing([other]).plan());
}

#[test]
fn a_read_is_only_as_good_as_the_moment_it_was_sent() {
    let attempt = creation(&here());
    let scene = scene().attempting(attempt.clone()).with(|it| {
        let at = it.moment.now - seconds(100);
        it.moment.attempt = sending(&attempt, at, SendingOutcome::InFlight);
        it.observed.services.read = sent(100, at + seconds(29));
    });
    assert_eq!(scene.plan().step, None);
}
