//! Safety rules 1 and 2 of design.md, line by line.

use super::*;
use crate::reconcile::fixture::{
    NOW, UID, attempt as made, elsewhere, here, refusal, second, seconds, sending, sent, sequence, service_id, subject,
};
use proptest::prelude::*;

const READ: u64 = 10;

fn create(holder: &Holder) -> Attempt {
    made(holder, AttemptedWrite::CreateService, 40)
}

fn open(may_repeat: bool, hold_until: Instant) -> Progress {
    Progress::Open { may_repeat, hold_until }
}

/// Where `attempt` stands `age` after its last request was handed over at `at`, as the LIST sent `list_age` after it
/// doesn't show what it was to make.
fn after(attempt: &Attempt, memory: &AttemptMemory, at: Instant, list_age: u64, age: u64) -> Progress {
    progress(attempt, &here(), memory, sent(READ, at + seconds(list_age)), at + seconds(age))
}

#[test]
fn another_uid_makes_it_void() {
    let annotations = [(ATTEMPT_ANNOTATION.to_owned(), create(&here()).to_annotation())].into();
    assert_eq!(Attempt::read(Some(&annotations), UID), Some(create(&here())));
    assert_eq!(Attempt::read(Some(&annotations), "uid-of-the-copy"), None);
    assert_eq!(Attempt::read(None, UID), None);
    assert_eq!(Attempt::read(Some(&BTreeMap::new()), UID), None);
}

#[test]
fn what_this_process_recorded_and_never_sent_has_no_effect() {
    let at = Instant::now();
    let attempt = create(&here());
    let nothing = AttemptMemory::default();
    assert!(!may_have_effect(&attempt, &here(), &nothing));
    assert_eq!(after(&attempt, &nothing, at, 0, 0), Progress::Settled);
    // The request of an earlier attempt is none of this one.
    let earlier = sending(&made(&here(), AttemptedWrite::CreateService, 41), at, SendingOutcome::InFlight);
    assert!(!may_have_effect(&attempt, &here(), &earlier));
    assert_eq!(after(&attempt, &earlier, at, 0, 0), Progress::Settled);
}

#[test]
fn an_answered_attempt_is_settled_and_had_its_effect() {
    let at = Instant::now();
    let attempt = create(&here());
    let memory = sending(&attempt, at, SendingOutcome::Answered);
    assert!(may_have_effect(&attempt, &here(), &memory));
    assert_eq!(after(&attempt, &memory, at, 0, 1), Progress::Settled);
}

#[test]
fn one_in_flight_is_repeated_only_after_a_list_sent_after_its_deadline() {
    let at = Instant::now();
    let attempt = create(&here());
    let memory = sending(&attempt, at, SendingOutcome::InFlight);
    assert!(may_have_effect(&attempt, &here(), &memory));
    let held = at + HOLD;
    assert_eq!(after(&attempt, &memory, at, 1, 2), open(false, held));
    assert_eq!(after(&attempt, &memory, at, 29, 40), open(false, held));
    assert_eq!(after(&attempt, &memory, at, 30, 40), open(true, held));
    assert_eq!(after(&attempt, &memory, at, 89, 95), open(true, held));
    assert_eq!(after(&attempt, &memory, at, 90, 95), Progress::Settled);
}

#[test]
fn an_unanswered_one_is_repeated_only_after_a_list_sent_after_that_was_known() {
    let at = Instant::now();
    let attempt = create(&here());
    for (ended, may_repeat) in [(READ - 1, true), (READ, false), (READ + 1, false)] {
        let memory = sending(&attempt, at, SendingOutcome::Unanswered { ended: sequence(ended) });
        assert!(may_have_effect(&attempt, &here(), &memory));
        assert_eq!(after(&attempt, &memory, at, 5, 6), open(may_repeat, at + HOLD), "ended {ended}");
    }
}

#[test]
fn absence_from_a_list_sent_ninety_seconds_after_the_request_settles_it() {
    let at = Instant::now();
    let attempt = create(&here());
    let memory = sending(&attempt, at, SendingOutcome::Unanswered { ended: sequence(READ + 1) });
    assert_eq!(after(&attempt, &memory, at, 89, 300), open(false, at + HOLD));
    assert_eq!(after(&attempt, &memory, at, 90, 300), Progress::Settled);
}

#[test]
fn a_definite_refusal_of_the_only_request_is_recorded_first_and_then_settles_it() {
    let at = Instant::now();
    let attempt = create(&here());
    let memory = sending(&attempt, at, SendingOutcome::Refused(refusal(false)));
    assert!(!may_have_effect(&attempt, &here(), &memory));
    assert_eq!(after(&attempt, &memory, at, 0, 1), Progress::RefusalUnrecorded(refusal(false)));
    for holder in [here(), elsewhere()] {
        let recorded = Attempt { holder, ..attempt.refused(refusal(false)) };
        assert!(!may_have_effect(&recorded, &here(), &AttemptMemory::default()));
        assert_eq!(after(&recorded, &AttemptMemory::default(), at, 0, 1), Progress::Settled);
    }
}

#[test]
fn a_refused_repeat_says_nothing_of_the_request_before_it() {
    let at = Instant::now();
    // Atlas' time may stand still, or go back, between the two.
    for time in [NOW, NOW - 1000] {
        let repeat = create(&here()).repeated(&here(), second(time));
        let memory = sending(&repeat, at, SendingOutcome::Refused(refusal(true)));
        assert!(may_have_effect(&repeat, &here(), &memory));
        assert_eq!(after(&repeat, &memory, at, 89, 89), open(false, at + HOLD));
        assert_eq!(after(&repeat, &memory, at, 90, 90), Progress::Settled);
    }
}

#[test]
fn another_holder_only_reads_for_ninety_seconds_from_when_it_first_saw_it() {
    let at = Instant::now();
    let attempt = create(&elsewhere());
    let mut memory = AttemptMemory::default();
    memory.notice(&attempt, &here(), at);
    memory.notice(&attempt, &here(), at + seconds(50));
    assert!(may_have_effect(&attempt, &here(), &memory));
    assert_eq!(after(&attempt, &memory, at, 60, 60), open(false, at + HOLD));
    assert_eq!(after(&attempt, &memory, at, 89, 200), open(false, at + HOLD));
    assert_eq!(after(&attempt, &memory, at, 90, 200), Progress::Settled);
    assert_eq!(hold_until(&attempt, &here(), &memory, at + seconds(89)), Some(at + HOLD));
    assert_eq!(hold_until(&attempt, &here(), &memory, at + seconds(90)), None);
}

#[test]
fn a_repeat_of_another_holder_starts_its_ninety_seconds_anew() {
    let at = Instant::now();
    let attempt = create(&elsewhere());
    let mut memory = AttemptMemory::default();
    memory.notice(&attempt, &here(), at);
    let repeat = attempt.repeated(&elsewhere(), second(NOW));
    // Not noticed yet: it is first seen now.
    assert_eq!(after(&repeat, &memory, at, 60, 60), open(false, at + seconds(60) + HOLD));
    memory.notice(&repeat, &here(), at + seconds(60));
    assert_eq!(after(&repeat, &memory, at, 95, 95), open(false, at + seconds(60) + HOLD));
}

#[test]
fn its_own_attempt_is_no_other_holders() {
    let mut memory = AttemptMemory::default();
    memory.notice(&create(&here()), &here(), Instant::now());
    assert_eq!(memory, AttemptMemory::default());
}

#[test]
fn a_finalizer_is_held_for_ninety_seconds_from_the_last_request() {
    let at = Instant::now();
    let attempt = create(&here());
    let held = |outcome, age| hold_until(&attempt, &here(), &sending(&attempt, at, outcome), at + seconds(age));
    assert_eq!(held(SendingOutcome::InFlight, 0), Some(at + HOLD));
    assert_eq!(held(SendingOutcome::Unanswered { ended: sequence(1) }, 89), Some(at + HOLD));
    assert_eq!(held(SendingOutcome::Unanswered { ended: sequence(1) }, 90), None);
    assert_eq!(held(SendingOutcome::Answered, 0), None);
    assert_eq!(held(SendingOutcome::Refused(refusal(false)), 0), None);
    assert_eq!(hold_until(&attempt, &here(), &AttemptMemory::default(), at), None);
}

#[test]
fn ours_was_made_between_sixty_seconds_before_and_sixty_after_the_deadline() {
    let first = NOW - 40;
    let attempt = create(&here());
    for (second, ours) in
        [(first - 61, false), (first - 60, true), (first, true), (first + 90, true), (first + 91, false)]
    {
        assert_eq!(attempt.may_have_made(service_id(second, 1)), ours, "{} s after it", second - first);
    }
    // A repeat stretches the end of the window, never its beginning.
    let repeat = attempt.repeated(&here(), second(NOW));
    for (second, ours) in [(first - 61, false), (first - 60, true), (NOW + 90, true), (NOW + 91, false)] {
        assert_eq!(repeat.may_have_made(service_id(second, 1)), ours, "{} s after its repeat", second - NOW);
    }
}

#[test]
fn what_the_list_before_showed_is_not_ours() {
    let (shown, new) = (service_id(NOW - 40, 1), service_id(NOW - 40, 2));
    let attempt = create(&here()).showing([shown, shown]);
    assert_eq!(attempt.shown, [shown]);
    assert!(!attempt.may_have_made(shown));
    assert!(attempt.may_have_made(new));
    assert!(!attempt.repeated(&here(), second(NOW)).may_have_made(shown), "a repeat never forgets what was shown");
}

#[test]
fn a_repeat_rewrites_holder_and_last_time_only_and_is_known_as_one() {
    let attempt = create(&elsewhere()).showing([service_id(NOW, 1)]).with_tries(2).replacing(Some("name".into()));
    let repeat = attempt.repeated(&here(), second(NOW));
    assert_eq!(repeat, Attempt { holder: here(), last: second(NOW), repeated: true, ..attempt.clone() });
    assert!(!attempt.is_repeat() && repeat.is_repeat());
    assert_eq!(
        attempt.repeated(&here(), second(NOW - 1000)).last,
        attempt.last,
        "a clock that goes back is not followed"
    );
}

#[test]
fn refused_for_good_holds_until_the_object_is_edited_or_a_person_asks() {
    let now = subject();
    assert_eq!(create(&here()).refused_for_good(&now), None);
    assert_eq!(create(&here()).refused(refusal(false)).refused_for_good(&now), None);
    let refused = create(&here()).refused(refusal(true));
    assert_eq!(refused.refused_for_good(&now), Some("no"));
    assert_eq!(refused.refused_for_good(&Subject { generation: Some(2), ..now.clone() }), None);
    assert_eq!(refused.refused_for_good(&Subject { request: Some("again".into()), ..now }), None);
}

fn writes() -> impl Strategy<Value = AttemptedWrite> {
    let service = || service_id(NOW, 7);
    let endpoint = || "vpce-0b9c5701325cb15dd".parse().unwrap();
    prop_oneof![
        Just(AttemptedWrite::CreateService),
        Just(AttemptedWrite::DeleteService { service: service() }),
        Just(AttemptedWrite::AddEndpoint { service: service(), endpoint: endpoint() }),
        Just(AttemptedWrite::RemoveEndpoint { service: service(), endpoint: endpoint() }),
    ]
}

fn refusals() -> impl Strategy<Value = Refusal> {
    ("\\PC*", any::<bool>(), any::<bool>(), any::<Option<i64>>(), any::<Option<String>>()).prop_map(
        |(detail, for_good, conflict, generation, request)| Refusal { detail, for_good, conflict, generation, request },
    )
}

proptest! {
    #[test]
    fn the_annotation_reads_back_what_was_written(
        (holder, write, age, shown) in ("\\PC*", writes(), 0..100_000i64, prop::collection::vec(any::<u16>(), 0..5)),
        (refusal, tries, replaces) in (prop::option::of(refusals()), any::<u32>(), any::<Option<String>>()),
    ) {
        let mut attempt = made(&Holder::new(holder), write, age)
            .showing(shown.into_iter().map(|n| service_id(NOW, n)))
            .with_tries(tries)
            .replacing(replaces)
            .repeated(&here(), second(NOW));
        attempt.refusal = refusal;
        let annotations = [(ATTEMPT_ANNOTATION.to_owned(), attempt.to_annotation())].into();
        prop_assert_eq!(Attempt::read(Some(&annotations), UID), Some(attempt));
    }

    #[test]
    fn an_edited_annotation_proves_nothing(cut in 0..300usize, text in "\\PC*") {
        let whole = create(&here()).showing([service_id(NOW, 1)]).to_annotation();
        let cut: String = whole.chars().take(cut.min(whole.chars().count() - 1)).collect();
        for garbage in [cut, text] {
            let annotations = [(ATTEMPT_ANNOTATION.to_owned(), garbage)].into();
            prop_assert_eq!(Attempt::read(Some(&annotations), UID), None);
        }
    }
}

#[test]
fn a_holder_is_told_by_its_name_and_no_tries_are_not_told() {
    assert_eq!(here().to_string(), "here");
    assert!(!create(&here()).to_annotation().contains("tries"));
    assert!(create(&here()).with_tries(2).to_annotation().contains(r#""tries":2"#));
}

#[test]
fn what_lapsed_has_no_effect_and_is_no_refusal_of_atlas() {
    let lapsed = create(&here()).lapsed();
    let answered = sending(&lapsed, Instant::now(), SendingOutcome::Answered);
    assert!(!may_have_effect(&lapsed, &here(), &answered));
    assert_eq!(lapsed.refused_for_good(&crate::reconcile::fixture::subject()), None);
}

#[test]
fn a_look_tells_that_nothing_came_if_it_was_asked_for_after_the_last_request_could_arrive() {
    let now = Instant::now() + Duration::from_secs(1000);
    let theirs = create(&elsewhere());
    let moment = Moment { atlas_time: theirs.last + seconds(160), ..crate::reconcile::fixture::moment(now) };
    let asked = |ago| Sent { sequence: Sequence::FIRST, at: now - Duration::from_secs(ago) };
    assert!(theirs.was_over(asked(9), &moment));
    assert!(!theirs.was_over(asked(10), &moment));
}

#[test]
fn a_request_is_over_when_its_only_one_was_answered_or_long_after_the_last() {
    let sent = Instant::now();
    let moment = |attempt: &Attempt, outcome, later| Moment {
        attempt: sending(attempt, sent, outcome),
        atlas_time: attempt.last + seconds(later),
        ..crate::reconcile::fixture::moment(sent + HOLD)
    };
    let own = create(&here());
    assert!(own.is_over(&moment(&own, SendingOutcome::Answered, 0)));
    assert!(!own.is_over(&moment(&own, SendingOutcome::InFlight, 0)));
    assert!(!own.is_over(&moment(&own, SendingOutcome::InFlight, 150)));
    assert!(own.is_over(&moment(&own, SendingOutcome::InFlight, 151)));
    let early = Moment { now: sent + HOLD - Duration::from_secs(1), ..moment(&own, SendingOutcome::InFlight, 151) };
    assert!(!own.is_over(&early), "the clock of Atlas alone may be wrong");
    let repeated = own.repeated(&here(), second(NOW));
    assert!(!repeated.is_over(&moment(&repeated, SendingOutcome::Answered, 0)), "the first may still arrive");
    let theirs = create(&elsewhere());
    assert!(!theirs.is_over(&moment(&theirs, SendingOutcome::Answered, 0)), "what another heard is not known here");
}
