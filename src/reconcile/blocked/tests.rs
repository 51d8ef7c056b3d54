//! Every cause × every standing before × own or foreign version × patience, against design.md.

use super::*;
use crate::{
    api::AtlasPrivateLinkStatus,
    atlas::error::Effect,
    reconcile::fixture::{NOW, now, second, seconds, subject},
};
use proptest::{prelude::*, sample::select};

type Told = Option<(Standing, Reason)>;

const PATIENCE: u64 = 2700;

fn error(class: Class) -> AtlasError {
    AtlasError { class, effect: Effect::None, status: Some(500), code: Some("CODE".into()), detail: "told".into() }
}

fn by_atlas(class: Class, is_news: bool) -> Blocked {
    Blocked::by_atlas(&error(class), "key", now(), is_news)
}

fn silence() -> Blocked {
    by_atlas(Class::Transient, true)
}

fn no_secret() -> Blocked {
    Blocked::without_secret("key", now())
}

fn refusal(is_news: bool) -> Blocked {
    by_atlas(Class::Denied(Denial::Access), is_news)
}

/// The status that stands before.
fn standing(standing: Standing, reason: Reason) -> AtlasPrivateLinkStatus {
    let mut status = AtlasPrivateLinkStatus { private_link_id: Some("id".into()), ..Default::default() };
    let verdict = Verdict { standing, reason, message: "before".into() };
    report::tell(&mut status, &subject(), &verdict, 2, second(NOW - 60));
    status
}

fn fresh() -> AtlasPrivateLinkStatus {
    AtlasPrivateLinkStatus { observed_generation: Some(-1), ..Default::default() }
}

fn ready() -> AtlasPrivateLinkStatus {
    standing(Standing::Ready, Reason::Available)
}

/// What is known, with the ages of the version and of Atlas' last word in seconds.
fn known(own_version: bool, version: u64, confirmed: u64) -> Confirmation {
    Confirmation {
        own_version,
        version_at: now() - seconds(version),
        confirmed_at: now() - seconds(confirmed),
        patience: seconds(PATIENCE),
        in_vain_since: None,
    }
}

fn told(before: &AtlasPrivateLinkStatus, subject: &Subject, blocked: &Blocked, known: Confirmation) -> Told {
    let after = status(before, subject, blocked, known, (now(), second(NOW)))?;
    let (standing, reason) = Verdict::of(&after.conditions).unwrap();
    assert_eq!(after.private_link_id, before.private_link_id, "the facts stay");
    assert_eq!(after.observed_generation, subject.generation);
    let reason = [
        Reason::AtlasUnreachable,
        Reason::Throttled,
        Reason::Retrying,
        Reason::WaitingForCredentials,
        Reason::WaitingForLink,
        Reason::CredentialsInvalid,
        Reason::CredentialsRefused,
        Reason::AccessDenied,
        Reason::ProjectNotFound,
        Reason::InvalidRequest,
        Reason::DeletionBlocked,
    ]
    .into_iter()
    .find(|known| known.to_string() == reason)
    .unwrap();
    Some((standing, reason))
}

fn live(before: &AtlasPrivateLinkStatus, blocked: &Blocked, known: Confirmation) -> Told {
    told(before, &subject(), blocked, known)
}

const UNCONFIRMED: Told = Some((Standing::Unconfirmed, Reason::AtlasUnreachable));
const UNREACHABLE: Told = Some((Standing::Reconciling, Reason::AtlasUnreachable));

#[test]
fn every_failure_has_its_verdict() {
    use Standing::{Reconciling, Stalled};
    for (class, standing, reason) in [
        (Class::Transient, Reconciling, Reason::AtlasUnreachable),
        (Class::Throttled(None), Reconciling, Reason::Throttled),
        (Class::Throttled(Some(seconds(9))), Reconciling, Reason::Throttled),
        (Class::NotYet, Reconciling, Reason::Retrying),
        (Class::Exists, Reconciling, Reason::Retrying),
        (Class::Missing, Reconciling, Reason::Retrying),
        (Class::Denied(Denial::Credentials), Stalled, Reason::CredentialsRefused),
        (Class::Denied(Denial::Access), Stalled, Reason::AccessDenied),
        (Class::Denied(Denial::Project), Stalled, Reason::ProjectNotFound),
        (Class::Invalid, Stalled, Reason::InvalidRequest),
    ] {
        let blocked = by_atlas(class, true);
        assert_eq!((blocked.verdict.standing, blocked.verdict.reason), (standing, reason), "{class:?}");
        assert!(blocked.verdict.message.contains("told"), "Atlas' own words: {}", blocked.verdict.message);
        assert_eq!(blocked.cause == Cause::Refusal, standing == Stalled, "{class:?}");
        let stalled = blocked.stalled();
        assert_eq!((stalled.cause, stalled.verdict.standing), (Cause::Refusal, Stalled));
    }
}

#[test]
fn what_was_never_sent_was_refused_by_nobody() {
    let useless =
        AtlasError { status: None, code: None, effect: Effect::NotSent, ..error(Class::Denied(Denial::Credentials)) };
    let Blocked { verdict, .. } = Blocked::by_atlas(&useless, "key", now(), true);
    assert_eq!((verdict.standing, verdict.reason), (Standing::Stalled, Reason::CredentialsInvalid));
    assert!(verdict.message.contains("key") && verdict.message.contains("told"), "{}", verdict.message);
}

#[test]
fn what_kubernetes_alone_shows_is_written_at_once() {
    for verdict in [
        Verdict::reconciling(Reason::WaitingForLink, "wait"),
        Verdict::stalled(Reason::CredentialsInvalid, "half a key"),
    ] {
        let blocked = Blocked::by_cluster(verdict.clone(), None);
        for before in [fresh(), ready(), standing(Standing::Stalled, Reason::Rejected)] {
            assert_eq!(live(&before, &blocked, known(false, 0, 0)), Some((verdict.standing, verdict.reason)));
        }
    }
}

#[test]
fn a_missing_secret_is_waited_for_until_it_was_ready_and_is_a_blip_after() {
    let waiting = Some((Standing::Reconciling, Reason::WaitingForCredentials));
    assert_eq!(live(&fresh(), &no_secret(), known(false, 0, 0)), waiting);
    assert_eq!(live(&standing(Standing::Stalled, Reason::AccessDenied), &no_secret(), known(false, 0, 0)), waiting);
    assert_eq!(live(&ready(), &no_secret(), known(true, 9, PATIENCE - 1)), None);
    assert_eq!(live(&ready(), &no_secret(), known(true, 9, PATIENCE)), UNCONFIRMED);
    let unconfirmed = standing(Standing::Unconfirmed, Reason::AtlasUnreachable);
    assert_eq!(live(&unconfirmed, &no_secret(), known(true, 9, PATIENCE * 2)), None, "it stays what it is");
}

#[test]
fn an_edit_that_names_a_missing_secret_is_answered_at_once() {
    let edited = Subject { generation: Some(7), ..subject() };
    let waiting = Some((Standing::Reconciling, Reason::WaitingForCredentials));
    for before in [ready(), standing(Standing::Unconfirmed, Reason::AtlasUnreachable)] {
        assert_eq!(told(&before, &edited, &no_secret(), known(false, 0, 0)), waiting);
        assert_eq!(told(&before, &edited, &silence(), known(true, 9, PATIENCE - 1)), None, "Atlas may yet answer");
    }
}

#[test]
fn silence_is_told_where_no_condition_stands_yet() {
    for own in [true, false] {
        assert_eq!(live(&fresh(), &silence(), known(own, 0, 0)), UNREACHABLE);
    }
}

#[test]
fn ready_stays_through_a_blip_of_three_resync_intervals() {
    assert_eq!(live(&ready(), &silence(), known(true, 9, PATIENCE - 1)), None);
    assert_eq!(live(&ready(), &silence(), known(true, 9, PATIENCE)), UNCONFIRMED);
    assert_eq!(live(&ready(), &by_atlas(Class::Throttled(None), true), known(true, 9, PATIENCE)), UNCONFIRMED);
    let unconfirmed = standing(Standing::Unconfirmed, Reason::AtlasUnreachable);
    assert_eq!(live(&unconfirmed, &silence(), known(true, 9, PATIENCE * 2)), None);
}

#[test]
fn two_operators_do_not_answer_each_other() {
    // The other one reaches Atlas and has just said so; this one has heard nothing for hours.
    assert_eq!(live(&ready(), &silence(), known(false, 0, PATIENCE * 4)), None);
    assert_eq!(live(&ready(), &silence(), known(false, PATIENCE - 1, PATIENCE * 4)), None);
    assert_eq!(live(&ready(), &silence(), known(false, PATIENCE, PATIENCE * 4)), UNCONFIRMED);
    let creating = standing(Standing::Reconciling, Reason::Creating);
    assert_eq!(live(&creating, &silence(), known(false, PATIENCE - 1, PATIENCE * 4)), None);
    assert_eq!(live(&creating, &silence(), known(false, PATIENCE, PATIENCE * 4)), UNREACHABLE);
    assert_eq!(live(&creating, &silence(), known(true, 0, 0)), UNREACHABLE);
    // A refusal that was learnt before the other one wrote is no answer to it.
    for before in [ready(), creating, standing(Standing::Stalled, Reason::Rejected)] {
        assert_eq!(live(&before, &refusal(false), known(false, 0, 0)), None);
    }
}

#[test]
fn a_refusal_stalls_at_once_whatever_stood_there() {
    let stalled = Some((Standing::Stalled, Reason::AccessDenied));
    for before in [fresh(), ready(), standing(Standing::Unconfirmed, Reason::AtlasUnreachable)] {
        assert_eq!(live(&before, &refusal(true), known(false, 0, 0)), stalled);
    }
    assert_eq!(live(&fresh(), &refusal(false), known(false, 0, 0)), stalled);
}

#[test]
fn what_atlas_said_last_stands_until_it_speaks_again() {
    for reason in [Reason::Rejected, Reason::AccessDenied, Reason::Failed] {
        assert_eq!(live(&standing(Standing::Stalled, reason), &silence(), known(true, PATIENCE, PATIENCE)), None);
    }
    // What a Secret lacked is no word of Atlas'.
    let invalid = standing(Standing::Stalled, Reason::CredentialsInvalid);
    assert_eq!(live(&invalid, &silence(), known(true, 0, 0)), UNREACHABLE);
    assert_eq!(live(&invalid, &silence(), known(false, 0, 0)), None);
}

#[test]
fn a_deletion_that_cannot_go_on_says_how_to_release_the_object() {
    let deleting = Subject { deleting: true, ..subject() };
    let waiting = Blocked::by_cluster(Verdict::reconciling(Reason::WaitingForLink, "no link"), None);
    let broken = Blocked::by_cluster(Verdict::stalled(Reason::CredentialsInvalid, "half a key"), None);
    let going = standing(Standing::Reconciling, Reason::DeletionBlocked);
    for (before, blocked, expected) in [
        (ready(), waiting, Some((Standing::Reconciling, Reason::DeletionBlocked))),
        (ready(), broken, Some((Standing::Stalled, Reason::CredentialsInvalid))),
        (ready(), no_secret(), Some((Standing::Stalled, Reason::WaitingForCredentials))),
        (ready(), refusal(true), Some((Standing::Stalled, Reason::AccessDenied))),
        (ready(), refusal(false), None),
        (ready(), silence(), UNREACHABLE),
        (fresh(), silence(), UNREACHABLE),
        (going, silence(), None),
    ] {
        assert_eq!(told(&before, &deleting, &blocked, known(true, 9, 9)), expected, "{blocked:?}");
        if let Some(after) = status(&before, &deleting, &blocked, known(true, 9, 9), (now(), second(NOW))) {
            assert!(after.conditions.iter().all(|condition| condition.message.ends_with(RELEASE)));
        }
    }
    let going = standing(Standing::Reconciling, Reason::DeletionBlocked);
    assert_eq!(told(&going, &deleting, &silence(), known(true, 9, PATIENCE)), UNREACHABLE);
    assert_eq!(told(&going, &deleting, &silence(), known(false, 0, PATIENCE)), None, "another process has just spoken");
}

#[test]
fn a_deletion_that_is_asked_for_in_vain_says_so_once() {
    let deleting = Subject { deleting: true, ..subject() };
    let in_vain = |age| Confirmation { in_vain_since: Some(now() - seconds(age)), ..known(true, 9, 0) };
    let not_yet = by_atlas(Class::NotYet, true);
    let going = standing(Standing::Reconciling, Reason::Deleting);
    assert_eq!(told(&going, &deleting, &not_yet, in_vain(59)), None, "it may pass before anybody looks");
    assert_eq!(told(&going, &deleting, &not_yet, in_vain(60)), Some((Standing::Reconciling, Reason::Retrying)));
    let said = standing(Standing::Reconciling, Reason::Retrying);
    assert_eq!(told(&said, &deleting, &not_yet, in_vain(3600)), None);
    let stalled = standing(Standing::Stalled, Reason::AccessDenied);
    assert_eq!(told(&stalled, &deleting, &not_yet, in_vain(3600)), None);
}

#[test]
fn a_reconcile_request_is_answered_with_what_is_told() {
    let asked = Subject { request: Some("now".into()), ..subject() };
    let after = status(&fresh(), &asked, &silence(), known(true, 0, 0), (now(), second(NOW))).unwrap();
    assert_eq!(after.last_handled_reconcile_at.as_deref(), Some("now"));
}

fn blockeds() -> impl Strategy<Value = Blocked> {
    select(vec![
        silence(),
        by_atlas(Class::Throttled(None), true),
        by_atlas(Class::NotYet, false),
        refusal(true),
        refusal(false),
        no_secret(),
        Blocked::by_cluster(Verdict::reconciling(Reason::WaitingForLink, "no link"), None),
        Blocked::by_cluster(Verdict::stalled(Reason::CredentialsInvalid, "half a key"), None),
    ])
}

fn befores() -> impl Strategy<Value = AtlasPrivateLinkStatus> {
    select(vec![
        fresh(),
        ready(),
        standing(Standing::Reconciling, Reason::Creating),
        standing(Standing::Stalled, Reason::Rejected),
        standing(Standing::Stalled, Reason::CredentialsInvalid),
        standing(Standing::Unconfirmed, Reason::AtlasUnreachable),
    ])
}

proptest! {
    /// What is told once is not told otherwise a moment later, by the process that told it.
    #[test]
    fn telling_settles(
        (before, blocked, deleting, own) in (befores(), blockeds(), any::<bool>(), any::<bool>()),
        (version, confirmed) in (0..2 * PATIENCE, 0..2 * PATIENCE),
    ) {
        let subject = Subject { deleting, ..subject() };
        let first = status(&before, &subject, &blocked, known(own, version, confirmed), (now(), second(NOW)));
        let Some(first) = first else { return Ok(()) };
        let again = status(&first, &subject, &blocked, known(true, 0, confirmed), (now(), second(NOW + 60)));
        prop_assert_eq!(again.unwrap_or_else(|| first.clone()), first);
    }

    /// Nobody contradicts what another process has just written without an answer that came after it.
    #[test]
    fn another_process_word_stands(
        before in befores().prop_filter("something stands", |before| !before.conditions.is_empty()),
        blocked in select(vec![silence(), by_atlas(Class::NotYet, false), refusal(false)]),
        confirmed in 0..2 * PATIENCE,
    ) {
        let after = status(&before, &subject(), &blocked, known(false, PATIENCE - 1, confirmed), (now(), second(NOW)));
        prop_assert_eq!(after, None);
    }
}
