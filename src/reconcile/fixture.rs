//! What the tests of decisions are made of.

use super::{
    Moment, Subject,
    attempt::{Attempt, AttemptMemory, AttemptedWrite, Holder, Refusal, Sending, SendingOutcome},
    ownership::{Claim, Heard, ObjectName, Stake},
};
use crate::{
    api::{AdoptionPolicy, Origin},
    atlas::{Sent, Sequence, ids::ServiceId},
};
use jiff::Timestamp;
use std::{collections::BTreeSet, sync::LazyLock, time::Duration};
use tokio::time::Instant;

/// The uid of the object that is decided on.
pub const UID: &str = "uid-of-it";
/// Atlas' second of every decision.
pub const NOW: i64 = 1_800_000_000;

/// The instant of every decision: long after the process started.
pub fn now() -> Instant {
    static NOW: LazyLock<Instant> = LazyLock::new(|| Instant::now() + seconds(10_000));
    *NOW
}

pub fn here() -> Holder {
    Holder::new("here")
}

pub fn elsewhere() -> Holder {
    Holder::new("elsewhere")
}

pub fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The `n`-th id that Atlas made in `second`.
pub fn service_id(second: i64, n: u16) -> ServiceId {
    format!("{second:08x}{n:016x}").parse().unwrap()
}

pub fn sequence(place: u64) -> Sequence {
    Sequence::fixture(place)
}

/// A request that was the `place`-th of the process.
pub fn sent(place: u64, at: Instant) -> Sent {
    Sent { sequence: sequence(place), at }
}

/// A live object that has its finalizer.
pub fn subject() -> Subject {
    Subject {
        object: ObjectName { namespace: "payments".into(), name: "it".into() },
        uid: UID.into(),
        generation: Some(1),
        created: second(NOW - 1000),
        deleting: false,
        protected: true,
        suspended: false,
        request: None,
    }
}

/// A decision of this process at `now`, which remembers nothing.
pub fn moment(now: Instant) -> Moment {
    Moment {
        holder: here(),
        now,
        atlas_time: second(NOW),
        attempt: AttemptMemory::default(),
        failed_since: None,
        removed: BTreeSet::new(),
    }
}

/// Another live object of the same key, which was created after the one that is decided on.
pub fn claim(name: &str, origin: Option<Origin>) -> Claim {
    Claim {
        object: ObjectName { namespace: "payments".into(), name: name.into() },
        uid: name.into(),
        created: second(NOW - 500),
        live: true,
        suspended: false,
        heard: Heard::Listed,
        adoption: AdoptionPolicy::AdoptOrCreate,
        origin,
        blank: false,
        stake: Stake::Keeps,
    }
}

pub const fn has_replaced(needs: bool, cares: bool) -> Stake {
    Stake::Replaced { needs, cares }
}

/// Every stake; the usual one more often.
pub const STAKES: &[Stake] = &[
    Stake::Keeps,
    Stake::Keeps,
    has_replaced(true, true),
    has_replaced(true, false),
    has_replaced(false, true),
    has_replaced(false, false),
];

/// An attempt of `holder` that was made `age` seconds ago.
pub fn attempt(holder: &Holder, write: AttemptedWrite, age: i64) -> Attempt {
    Attempt::new(UID, holder, write, second(NOW - age))
}

pub fn refusal(for_good: bool) -> Refusal {
    Refusal { detail: "no".into(), for_good, conflict: false, generation: Some(1), request: None }
}

/// What this process remembers of the only request of `attempt`.
pub fn sending(attempt: &Attempt, at: Instant, outcome: SendingOutcome) -> AttemptMemory {
    AttemptMemory {
        sending: Some(Sending {
            first: attempt.first,
            write: attempt.write.clone(),
            is_repeat: attempt.is_repeat(),
            at,
            outcome,
        }),
        foreign: None,
    }
}
