//! What is told about an object besides its facts: conditions, generation, and the answer to a reconcile request. Pure,
//! and the same for both kinds.

use super::{Farewell, Subject};
use crate::{
    api::{CommonStatus, Reason, Standing, Verdict},
    controller::{
        context::Context,
        events::{News, announce},
        kind::Kind,
    },
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// Writes a verdict into a status that already has its facts.
pub fn tell<S: CommonStatus>(status: &mut S, subject: &Subject, verdict: &Verdict, tries: u32, now: Timestamp) {
    let conditions = verdict.conditions(status.conditions(), subject.generation, now);
    status.set_conditions(conditions);
    status.set_observed_generation(subject.generation);
    status.set_attempts(Some(tries));
    answer_request(status, subject);
}

/// A suspended object: what was last seen stays, and only follows the generation. Where nothing was seen, or the object
/// is to be deleted, it says how to go on.
pub fn tell_suspended<S: CommonStatus>(status: &mut S, subject: &Subject, now: Timestamp) {
    if subject.deleting || status.conditions().is_empty() {
        let what = if subject.deleting { "its deletion waits" } else { "nothing is done for it" };
        let ways = if subject.deleting { ", or set deletionPolicy to Retain to let it go" } else { "" };
        let message = format!("spec.suspend is true: {what}. Remove the field to resume{ways}");
        let verdict = Verdict::reconciling(Reason::Suspended, message);
        status.set_conditions(verdict.conditions(status.conditions(), subject.generation, now));
    } else {
        let followed = status
            .conditions()
            .iter()
            .cloned()
            .map(|condition| Condition { observed_generation: subject.generation, ..condition });
        let followed = followed.collect();
        status.set_conditions(followed);
    }
    status.set_observed_generation(subject.generation);
    answer_request(status, subject);
}

fn answer_request<S: CommonStatus>(status: &mut S, subject: &Subject) {
    if subject.request.is_some() {
        status.set_last_handled_reconcile_at(subject.request.clone());
    }
}

/// Whether a person asks for a fresh start: a new generation, or a new reconcile request.
pub fn starts_anew<S: CommonStatus>(status: &S, subject: &Subject) -> bool {
    let edited = status.observed_generation() != subject.generation;
    edited || asks_now(status, subject)
}

/// Whether a reconcile request has not been answered yet.
pub fn asks_now<S: CommonStatus>(status: &S, subject: &Subject) -> bool {
    subject.request.is_some() && subject.request.as_deref() != status.last_handled_reconcile_at()
}

/// Whether status said Ready last.
pub fn was_ready<S: CommonStatus>(status: &S) -> bool {
    matches!(Verdict::of(status.conditions()), Some((Standing::Ready, _)))
}

/// What is worth telling about a change of conditions.
pub fn transitions<S: CommonStatus>(before: &S, after: &S) -> Vec<News> {
    let message = || after.conditions().first().map(|ready| ready.message.clone()).unwrap_or_default();
    let (old, new) = (Verdict::of(before.conditions()), Verdict::of(after.conditions()));
    match (old, new) {
        (old, Some((Standing::Ready, _))) if old.map(|(standing, _)| standing) != Some(Standing::Ready) => {
            vec![News::normal("Ready", "Observe", message()).as_verdict()]
        }
        (old, Some((Standing::Stalled, reason))) if old != new => {
            let news = |word| News::warning(word, "Observe", message()).as_verdict();
            stalled_words(reason).map(news).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The reasons for which an object stalls, as words that live as long as an event's must.
fn stalled_words(reason: &str) -> Option<&'static str> {
    const WORDS: [&str; 10] = [
        "CredentialsInvalid",
        "CredentialsRefused",
        "AccessDenied",
        "ProjectNotFound",
        "InvalidRequest",
        "Rejected",
        "Failed",
        "ServiceReplaced",
        "AlreadyExists",
        "WaitingForCredentials",
    ];
    WORDS.into_iter().find(|word| *word == reason)
}

/// Tells what became of Atlas' side when the object went: `what` with its "is" or "are".
pub async fn farewell<K: Kind>(ctx: &Context, object: &K, farewell: Farewell, what: &str) {
    let news = match farewell {
        Farewell::NothingWasThere => return,
        Farewell::Deleted => News::normal("Deleted", "Delete", format!("{what} gone from Atlas")),
        Farewell::Kept => News::normal("Kept", "Keep", format!("{what} left alone in Atlas")),
        Farewell::HandedOver => News::normal("HandedOver", "HandOver", format!("{what} owned by another resource now")),
    };
    announce(ctx, object, news).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::AtlasPrivateLinkStatus,
        reconcile::fixture::{NOW, second, subject},
    };

    fn ready() -> AtlasPrivateLinkStatus {
        let mut status = AtlasPrivateLinkStatus::default();
        tell(&mut status, &subject(), &Verdict::ready("usable"), 0, second(NOW - 60));
        status
    }

    fn suspended(before: &AtlasPrivateLinkStatus, subject: &Subject) -> AtlasPrivateLinkStatus {
        let mut status = before.clone();
        tell_suspended(&mut status, subject, second(NOW));
        status
    }

    #[test]
    fn a_suspended_object_stays_as_last_seen_and_follows_its_generation() {
        let edited = Subject { generation: Some(7), ..subject() };
        let status = suspended(&ready(), &edited);
        assert_eq!(status.observed_generation, Some(7));
        assert_eq!(status.conditions, [Condition { observed_generation: Some(7), ..ready().conditions[0].clone() }]);
    }

    #[test]
    fn a_suspended_object_of_which_nothing_was_seen_or_that_is_deleted_says_how_to_go_on() {
        let told = |before: &AtlasPrivateLinkStatus, subject: &Subject| {
            let status = suspended(before, subject);
            let (standing, reason) = Verdict::of(&status.conditions).unwrap();
            assert_eq!((standing, reason), (Standing::Reconciling, "Suspended"));
            assert_eq!(suspended(&status, subject), status, "it is told once");
            status.conditions[0].message.clone()
        };
        let fresh = AtlasPrivateLinkStatus { observed_generation: Some(-1), ..Default::default() };
        assert!(told(&fresh, &subject()).contains("resume"));
        let deleting = told(&ready(), &Subject { deleting: true, ..subject() });
        assert!(deleting.contains("resume") && deleting.contains("Retain"), "{deleting}");
    }

    #[test]
    fn a_request_is_answered_and_starts_anew_once() {
        let asking = Subject { request: Some("now".into()), ..subject() };
        assert!(starts_anew(&ready(), &asking) && asks_now(&ready(), &asking));
        let mut answered = ready();
        tell(&mut answered, &asking, &Verdict::ready("usable"), 0, second(NOW));
        assert_eq!(answered.last_handled_reconcile_at.as_deref(), Some("now"));
        assert!(!starts_anew(&answered, &asking));
        assert!(!starts_anew(&ready(), &subject()));
        assert!(starts_anew(&ready(), &Subject { generation: Some(2), ..subject() }));
    }

    #[test]
    fn events_tell_of_transitions_only() {
        let mut status = ready();
        let mut told = |verdict: Verdict| {
            let before = status.clone();
            tell(&mut status, &subject(), &verdict, 0, second(NOW));
            transitions(&before, &status).iter().map(|news| news.reason).collect::<Vec<_>>()
        };
        let nothing = Vec::<&str>::new();
        assert_eq!(told(Verdict::ready("still usable")), nothing);
        assert_eq!(told(Verdict::reconciling(Reason::Creating, "anew")), nothing);
        assert_eq!(told(Verdict::stalled(Reason::AccessDenied, "no")), ["AccessDenied"]);
        assert_eq!(told(Verdict::stalled(Reason::AccessDenied, "no, again")), nothing);
        assert_eq!(told(Verdict::stalled(Reason::Rejected, "other")), ["Rejected"]);
        assert_eq!(told(Verdict::ready("usable")), ["Ready"]);
    }
}
