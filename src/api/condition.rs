//! Conditions: what a verdict on an object looks like in `.status.conditions`.
//!
//! `Ready` is always there. `Reconciling` and `Stalled` are abnormal-true: present only while they are true, and never
//! both (kstatus takes the first of the two that it finds).

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use std::fmt;

/// The machine-readable cause of a condition. These words are API: users alert on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    Available,
    Creating,
    WaitingForCredentials,
    CredentialsInvalid,
    CredentialsRefused,
    AccessDenied,
    ProjectNotFound,
    InvalidRequest,
    WaitingForService,
    WaitingForLink,
    WaitingForEndpointId,
    RegionUnknown,
    Attaching,
    PendingAcceptance,
    Rejected,
    Retrying,
    Failed,
    ServiceReplaced,
    AlreadyExists,
    Replacing,
    Throttled,
    AtlasUnreachable,
    Suspended,
    Deleting,
    DeletionBlocked,
}

impl Reason {
    /// With these, Atlas tells nothing of what it has.
    pub const LOCKED_OUT: [Self; 5] = [
        Self::WaitingForCredentials,
        Self::CredentialsInvalid,
        Self::CredentialsRefused,
        Self::AccessDenied,
        Self::ProjectNotFound,
    ];
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Where an object stands: the one source of its three conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Ready=True.
    Ready,
    /// Ready=False, Reconciling=True: it goes on by itself, or once something that is on its way has come.
    Reconciling,
    /// Ready=False, Stalled=True: only a person can mend it.
    Stalled,
    /// Ready=Unknown, Reconciling=True: it was Ready, and Atlas has not confirmed it for too long.
    Unconfirmed,
}

/// What is to be told about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub standing: Standing,
    pub reason: Reason,
    /// What is waited for, or what to do.
    pub message: String,
}

impl Verdict {
    pub fn ready(message: impl Into<String>) -> Self {
        Self { standing: Standing::Ready, reason: Reason::Available, message: message.into() }
    }

    pub fn reconciling(reason: Reason, message: impl Into<String>) -> Self {
        Self { standing: Standing::Reconciling, reason, message: message.into() }
    }

    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self { standing: Standing::Stalled, reason, message: message.into() }
    }

    /// Reads the verdict back out of the conditions of a status.
    pub fn of(conditions: &[Condition]) -> Option<(Standing, &str)> {
        let ready = conditions.iter().find(|condition| condition.type_ == READY)?;
        let stalled = conditions.iter().any(|condition| condition.type_ == STALLED && condition.status == TRUE);
        let standing = match (ready.status.as_str(), stalled) {
            (TRUE, _) => Standing::Ready,
            (UNKNOWN, _) => Standing::Unconfirmed,
            (_, true) => Standing::Stalled,
            (_, false) => Standing::Reconciling,
        };
        Some((standing, &ready.reason))
    }

    /// The conditions of this verdict for `generation`. `lastTransitionTime` is kept where the status of a condition
    /// stays what it was in `previous`.
    pub fn conditions(&self, previous: &[Condition], generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
        let (ready, abnormal) = match self.standing {
            Standing::Ready => (TRUE, None),
            Standing::Reconciling => (FALSE, Some(RECONCILING)),
            Standing::Stalled => (FALSE, Some(STALLED)),
            Standing::Unconfirmed => (UNKNOWN, Some(RECONCILING)),
        };
        let condition = |type_: &str, status: &str| {
            let before = previous.iter().find(|c| c.type_ == type_ && c.status == status);
            Condition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: self.reason.to_string(),
                message: shortened(&self.message),
                observed_generation: generation,
                last_transition_time: before
                    .map_or_else(|| Time(whole_second(now)), |c| c.last_transition_time.clone()),
            }
        };
        let mut conditions = vec![condition(READY, ready)];
        conditions.extend(abnormal.map(|type_| condition(type_, TRUE)));
        conditions
    }
}

/// What the schema takes at most, in characters, as `metav1.Condition` has it.
pub(super) const LONGEST_MESSAGE: usize = 32_768;

/// A message names as many objects as there are, and a status that is refused tells nothing at all.
fn shortened(message: &str) -> String {
    match message.chars().count() {
        ..=LONGEST_MESSAGE => message.to_owned(),
        _ => message.chars().take(LONGEST_MESSAGE - 1).chain(['…']).collect(),
    }
}

const READY: &str = "Ready";
const RECONCILING: &str = "Reconciling";
const STALLED: &str = "Stalled";
const TRUE: &str = "True";
const FALSE: &str = "False";
const UNKNOWN: &str = "Unknown";

/// `metav1.Time` has whole seconds; a fraction would come back changed and look like a difference.
fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn summary(conditions: &[Condition]) -> Vec<(&str, &str)> {
        conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str())).collect()
    }

    #[test]
    fn reconciling_and_stalled_are_never_both_there() {
        let of = |standing| {
            let verdict = Verdict { standing, reason: Reason::Creating, message: String::new() };
            let conditions = verdict.conditions(&[], Some(1), at(0));
            assert_eq!(Verdict::of(&conditions), Some((standing, "Creating")));
            summary(&conditions).into_iter().map(|(t, s)| format!("{t}={s}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(Standing::Ready), "Ready=True");
        assert_eq!(of(Standing::Reconciling), "Ready=False Reconciling=True");
        assert_eq!(of(Standing::Stalled), "Ready=False Stalled=True");
        assert_eq!(of(Standing::Unconfirmed), "Ready=Unknown Reconciling=True");
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let first = Verdict::reconciling(Reason::Creating, "a").conditions(&[], Some(1), at(10));
        let second = Verdict::reconciling(Reason::Attaching, "b").conditions(&first, Some(2), at(20));
        assert_eq!(second[0].last_transition_time, Time(at(10)));
        assert_eq!((second[0].reason.as_str(), second[0].observed_generation), ("Attaching", Some(2)));
        let third = Verdict::ready("c").conditions(&second, Some(2), at(30));
        assert_eq!(third[0].last_transition_time, Time(at(30)));
    }

    #[test]
    fn a_message_is_never_longer_than_the_schema_allows() {
        for (length, whole) in [(LONGEST_MESSAGE, true), (LONGEST_MESSAGE + 1, false), (1 << 20, false)] {
            let message = "é".repeat(length);
            let conditions = Verdict::stalled(Reason::DeletionBlocked, &message).conditions(&[], Some(1), at(0));
            assert!(conditions.iter().all(|condition| condition.message.chars().count() <= LONGEST_MESSAGE));
            assert_eq!(conditions.iter().all(|condition| condition.message == message), whole, "{length}");
        }
    }

    /// One row of the table for each, and no row for another.
    #[test]
    fn the_readme_explains_every_reason() {
        let (_, words) = include_str!("condition.rs").split_once("pub enum Reason {").unwrap();
        let (words, _) = words.split_once('}').unwrap();
        let mut words: Vec<_> = words.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        let (_, table) = include_str!("../../README.md").split_once("\n| reason |").unwrap();
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        let mut explained: Vec<_> = rows
            .map(|row| {
                let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
                assert!(cells.len() == 4 && cells.iter().all(|cell| !cell.is_empty()), "{row}");
                cells[0].trim_matches('`')
            })
            .collect();
        explained.sort_unstable();
        words.sort_unstable();
        assert_eq!(explained, words);
    }
}
