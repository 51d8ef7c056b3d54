//! Whatever is recorded, observed and remembered: what never happens to a link.

use crate::{
    api::{AdoptionPolicy, Origin, Standing, Verdict},
    atlas::model::{Service, ServiceState},
    reconcile::{
        Farewell,
        attempt::{Attempt, AttemptMemory, AttemptedWrite, HOLD, Holder, Sending, SendingOutcome},
        fixture::{NOW, UID, claim, elsewhere, here, now, refusal, second, seconds, sequence, service_id},
        link::{
            Dependent, Facts, Sharer, Step,
            case::Case,
            fixture::{Scene, region, scene, service},
        },
        ownership::{Heard, ObjectName},
        policy::Disposal,
    },
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// Ids made long before the attempts, in their time, and after it.
fn ids() -> impl Strategy<Value = crate::atlas::ids::ServiceId> + Clone {
    select(vec![service_id(NOW - 5000, 1), service_id(NOW - 30, 2), service_id(NOW - 20, 3), service_id(NOW + 5000, 4)])
}

fn origins() -> impl Strategy<Value = Origin> {
    select(vec![Origin::Created, Origin::Adopted])
}

fn policies() -> impl Strategy<Value = AdoptionPolicy> {
    select(vec![AdoptionPolicy::AdoptOrCreate, AdoptionPolicy::CreateOnly, AdoptionPolicy::AdoptOnly])
}

fn services() -> impl Strategy<Value = Vec<Service>> {
    let states = select(vec![
        ServiceState::Initiating,
        ServiceState::WaitingForUser,
        ServiceState::Available,
        ServiceState::Failed,
        ServiceState::Deleting,
        ServiceState::Unknown("PAUSED".into()),
    ]);
    let one = (ids(), states, any::<bool>(), prop::bool::weighted(0.2)).prop_map(|(id, state, named, attached)| {
        let region = named.then(region);
        let endpoints = if attached { vec!["vpce-11111111".to_owned()] } else { Vec::new() };
        Service { region, endpoints, ..service(id, state) }
    });
    vec(one, 0..4).prop_map(|mut all| {
        all.sort_by_key(|service| service.id);
        all.dedup_by_key(|service| service.id);
        all
    })
}

fn attempts() -> impl Strategy<Value = Attempt> {
    let write = prop_oneof![
        3 => Just(AttemptedWrite::CreateService),
        1 => ids().prop_map(|service| AttemptedWrite::DeleteService { service }),
    ];
    let holder = select(vec![here(), elsewhere()]);
    (holder, write, 1..200i64, vec(ids(), 0..2), option::weighted(0.2, any::<bool>()), any::<bool>(), 0..5u32).prop_map(
        |(holder, write, age, shown, refused, repeated, tries)| {
            let attempt = Attempt::new(UID, &holder, write, second(NOW - age)).showing(shown).with_tries(tries);
            let attempt = if repeated { attempt.repeated(&holder, second(NOW)) } else { attempt };
            match refused {
                Some(conflict) => {
                    let mut refusal = refusal(!conflict);
                    refusal.conflict = conflict;
                    attempt.refused(refusal)
                }
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

/// What this process may remember of `attempt`.
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

fn others() -> impl Strategy<Value = Vec<Sharer>> {
    let heard = select(vec![Heard::Nothing, Heard::Listed, Heard::Lacking]);
    let one = (
        option::of(ids()),
        (option::weighted(0.3, attempts()), any::<bool>()),
        origins(),
        policies(),
        any::<bool>(),
        heard,
        0..2000i64,
    );
    vec(one, 0..3).prop_map(|all| {
        let claims = all.into_iter().enumerate().map(
            |(n, (service, (attempt, suspended), origin, adoption, live, heard, age))| {
                let mut claim = claim(&format!("other-{n}"), service.map(|_| origin));
                (claim.adoption, claim.live, claim.heard, claim.created) = (adoption, live, heard, second(NOW - age));
                claim.suspended = suspended;
                Sharer { service, attempt, claim }
            },
        );
        claims.collect()
    })
}

fn dependents() -> impl Strategy<Value = Vec<Dependent>> {
    let object = ObjectName { namespace: "payments".into(), name: "vpc".into() };
    let one = (any::<bool>(), prop::bool::weighted(0.3));
    vec(one, 0..2).prop_map(move |all| {
        all.into_iter().map(|(live, has_ours)| Dependent { object: object.clone(), live, has_ours }).collect()
    })
}

prop_compose! {
    fn scenes()(
        services in services(),
        recorded in option::of((ids(), option::weighted(0.9, origins()))),
        attempt in option::weighted(0.7, attempts()),
        sent in option::of((0..120u64, outcomes())),
        (noticed, failed, list_age) in (0..200u64, option::of(0..600u64), 0..200u64),
        others in others(),
        dependents in dependents(),
        (adoption, disposal) in (policies(), select(vec![Disposal::KeepAll, Disposal::DeleteCreated, Disposal::DeleteAll])),
        (deleting, protected, tries, name) in (any::<bool>(), any::<bool>(), 0..5u32, option::of(Just("name".to_owned()))),
    ) -> Scene {
        scene().listing(services).sharing(others).with(|it| {
            let desired = &mut it.desired;
            (desired.adoption, desired.disposal) = (adoption, disposal);
            (desired.subject.deleting, desired.subject.protected) = (deleting, protected);
            desired.recorded.service = recorded.map(|(service, _)| service);
            desired.recorded.origin = recorded.and_then(|(_, origin)| origin);
            (desired.recorded.tries, desired.recorded.service_name) = (tries, name);
            it.moment.attempt = memory(attempt.as_ref(), sent, noticed);
            desired.recorded.attempt = attempt;
            it.moment.failed_since = failed.map(|age| now() - seconds(age));
            it.observed.services.read.at = now() - seconds(list_age);
            it.observed.dependents = dependents;
        })
    }
}

/// Scenes in which a failed service is to be deleted and made again, unless something may come of the attempt.
fn failures() -> impl Strategy<Value = Scene> {
    (scenes(), option::weighted(0.9, attempts()), option::weighted(0.8, (0..120u64, outcomes()))).prop_map(
        |(scene, attempt, sent)| {
            scene.with(|it| {
                let id = service_id(NOW - 30, 2);
                it.observed.services.value = vec![service(id, ServiceState::Failed)];
                it.observed.others.clear();
                (it.desired.adoption, it.desired.subject.deleting) = (AdoptionPolicy::AdoptOrCreate, false);
                (it.desired.subject.protected, it.desired.recorded.tries) = (true, 0);
                (it.desired.recorded.service, it.desired.recorded.origin) = (Some(id), Some(Origin::Created));
                it.moment.failed_since = Some(now() - seconds(600));
                it.moment.attempt = memory(attempt.as_ref(), sent, 200);
                it.desired.recorded.attempt = attempt;
            })
        },
    )
}

impl Scene {
    fn listed(&self, id: crate::atlas::ids::ServiceId) -> Option<&Service> {
        self.observed.services.value.iter().find(|service| service.id == id)
    }

    /// Rule 2, told anew: whether `service` can be what an unanswered attempt has made.
    fn may_be_made_by_the_attempt(&self, service: &Service) -> bool {
        let taken = |other: &Sharer| other.service == Some(service.id) && other.claim.origin == Some(Origin::Created);
        self.desired.recorded.attempt.as_ref().is_some_and(|attempt| {
            attempt.write == AttemptedWrite::CreateService
                && attempt.refusal.is_none()
                && attempt.may_have_made(service.id)
                && !self.observed.others.iter().any(taken)
        })
    }

    /// Rule 1, told anew: whether another holder's attempt may still have its effect.
    fn is_written_elsewhere(&self) -> bool {
        let Some(attempt) = &self.desired.recorded.attempt else { return false };
        let theirs = |holder: &Holder| *holder != here();
        let young = self.moment.attempt.foreign.as_ref().is_none_or(|(_, _, since)| now() < *since + HOLD);
        let seen = match &attempt.write {
            AttemptedWrite::CreateService => {
                let known = self.desired.recorded.service.is_some_and(|id| !attempt.shown.contains(&id));
                let ours = |service: &&Service| service.region.is_some() && self.may_be_made_by_the_attempt(service);
                known || self.observed.services.value.iter().any(|service| ours(&service))
            }
            AttemptedWrite::DeleteService { service } => {
                self.listed(*service).is_none_or(|service| service.state == ServiceState::Deleting)
            }
            AttemptedWrite::AddEndpoint { .. } | AttemptedWrite::RemoveEndpoint { .. } => true,
        };
        theirs(&attempt.holder) && attempt.refusal.is_none() && young && !seen
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10000))]

    #[test]
    fn rule_3_nothing_adopted_is_deleted_unless_delete_says_so(scene in scenes()) {
        let recorded = &scene.desired.recorded;
        let (service, told) = match scene.plan().step {
            Some(Step::Delete(service)) => (service, scene.desired.disposal == Disposal::DeleteAll),
            Some(Step::DeleteFailed(service, _)) => (service, false),
            _ => return Ok(()),
        };
        let listed = scene.listed(service).unwrap();
        let ours = match (recorded.service == Some(service), recorded.origin) {
            (true, Some(origin)) => origin == Origin::Created,
            (true, None) | (false, _) => scene.may_be_made_by_the_attempt(listed),
        };
        prop_assert!(ours || (told && recorded.service == Some(service)));
        prop_assert!(listed.endpoints.is_empty(), "nothing is deleted under somebody's feet");
    }

    #[test]
    fn rule_1_nothing_is_written_while_another_holders_attempt_is_open(scene in scenes()) {
        if scene.is_written_elsewhere() {
            let step = scene.plan().step;
            prop_assert!(!matches!(step, Some(Step::Create(_) | Step::Delete(_) | Step::DeleteFailed(..))), "{step:?}");
            let creating = matches!(&scene.desired.recorded.attempt, Some(attempt) if attempt.write == AttemptedWrite::CreateService);
            let gone = scene.desired.recorded.service.is_some_and(|id| scene.listed(id).is_some());
            prop_assert!(gone || !creating || !matches!(step, Some(Step::LetGo(_))), "{step:?}");
        }
    }

    #[test]
    fn rule_2_no_record_takes_the_place_of_one_of_which_something_may_come(scene in prop_oneof![scenes(), failures()]) {
        let attempt = match scene.plan().step {
            Some(Step::Create(attempt) | Step::DeleteFailed(_, attempt)) => attempt,
            _ => return Ok(()),
        };
        let case = Case { desired: &scene.desired, observed: &scene.observed, moment: &scene.moment };
        let Some(before) = case.unsettled_attempt().filter(|_| case.progress().is_open()) else { return Ok(()) };
        prop_assert_eq!((&attempt.write, attempt.first), (&before.write, before.first), "only a repeat of it");
    }

    #[test]
    fn rule_4_the_finalizer_stays_while_something_of_ours_is_listed(scene in scenes()) {
        let Some(Step::LetGo(farewell)) = scene.plan().step else { return Ok(()) };
        prop_assert!(scene.desired.subject.deleting);
        let recorded = &scene.desired.recorded;
        let listed = recorded.service.and_then(|id| scene.listed(id));
        match farewell {
            Farewell::NothingWasThere | Farewell::Deleted => prop_assert!(listed.is_none() || scene.desired.disposal == Disposal::KeepAll),
            Farewell::Kept => prop_assert!(scene.desired.disposal == Disposal::KeepAll || recorded.origin != Some(Origin::Created)),
            Farewell::HandedOver => {
                let counts = |other: &Sharer| other.claim.live && other.claim.heard == Heard::Listed;
                let shared = scene.observed.others.iter().any(|other| counts(other) && other.service.is_some());
                prop_assert!(shared);
            }
        }
        prop_assert!(!scene.observed.dependents.iter().any(|dependent| dependent.has_ours));
    }

    #[test]
    fn rule_4_the_finalizer_comes_before_the_origin(scene in scenes()) {
        let subject = &scene.desired.subject;
        if !subject.deleting && !subject.protected && scene.status().origin.is_some() {
            prop_assert_eq!(scene.plan().step, Some(Step::Protect));
        }
    }

    #[test]
    fn rule_7_nothing_is_handed_to_one_that_cannot_have_it(scene in scenes()) {
        let Some(Step::HandOver(heir, service, origin)) = scene.plan().step else { return Ok(()) };
        let heir = scene.observed.others.iter().find(|other| other.claim.heir() == heir).unwrap();
        let blank = heir.claim.suspended && heir.service.is_none() && !heir.may_have_made(service);
        prop_assert!(heir.claim.live && heir.claim.heard == Heard::Listed);
        prop_assert_eq!(heir.claim.adoption, AdoptionPolicy::AdoptOrCreate);
        prop_assert!(blank || (heir.service == Some(service) && origin == Origin::Created));
    }

    #[test]
    fn the_policies_are_kept(scene in scenes()) {
        let plan = scene.plan();
        let recorded = scene.desired.recorded.service;
        match scene.desired.adoption {
            AdoptionPolicy::AdoptOnly => prop_assert!(!matches!(plan.step, Some(Step::Create(_) | Step::DeleteFailed(..)))),
            AdoptionPolicy::CreateOnly => {
                let adopts = matches!(&plan.facts, Facts::Seen(service, Origin::Adopted) if recorded != Some(service.id));
                prop_assert!(!adopts);
            }
            AdoptionPolicy::AdoptOrCreate => {}
        }
    }

    #[test]
    fn nothing_is_created_where_something_stands(scene in scenes()) {
        if let Some(Step::Create(attempt)) = scene.plan().step {
            prop_assert!(!scene.desired.subject.deleting);
            prop_assert!(scene.observed.services.value.iter().all(|service| service.region.is_none()));
            let first = scene.desired.recorded.attempt.is_none_or(|before| before.first != attempt.first);
            let shown = scene.observed.services.value.iter().all(|service| attempt.shown.contains(&service.id));
            prop_assert!(shown || !first, "a new attempt shows what the list before it showed");
        }
    }

    #[test]
    fn a_plan_is_stable_on_its_own_status(scene in scenes()) {
        // What is due only waits for its status to be told.
        let now = scene.plan();
        if now.step.is_some() || now.look == crate::reconcile::Look::At(scene.moment.now) {
            return Ok(());
        }
        let status = scene.status();
        let after = scene.after(&status);
        let plan = after.plan();
        prop_assert_eq!(plan.step, None);
        let again = crate::reconcile::link::status::status(&status, &after.desired.subject, &after.plan(), second(NOW + 60));
        prop_assert_eq!(again, status);
    }

    #[test]
    fn conditions_are_never_both_abnormal(scene in scenes()) {
        let conditions = scene.status().conditions;
        let on = |type_: &str| conditions.iter().any(|condition| condition.type_ == type_ && condition.status == "True");
        prop_assert!(!(on("Reconciling") && on("Stalled")));
        let (standing, _) = Verdict::of(&conditions).unwrap();
        prop_assert_eq!(on("Ready"), standing == Standing::Ready);
        prop_assert!(conditions.iter().all(|condition| condition.observed_generation == Some(1) && !condition.message.is_empty()));
    }
}
