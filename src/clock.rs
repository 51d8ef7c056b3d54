//! The one source of time: wall time is a base plus tokio's elapsed time, so that a test that pauses tokio's clock
//! pauses everything, and monotonic time is [`tokio::time::Instant`].

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells the wall time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    base: Timestamp,
    start: Instant,
}

impl Clock {
    /// A clock that starts at the machine's time. A step of the machine's clock after that is not followed: durations
    /// stay true, and what is compared with Atlas' time is corrected by the `Date` of its answers, where more than an event
    /// hangs on it.
    pub fn system() -> Self {
        Self::starting_at(Timestamp::now())
    }

    /// A clock that shows `base` now.
    pub fn starting_at(base: Timestamp) -> Self {
        Self { base, start: Instant::now() }
    }

    /// The wall time now.
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    /// The wall time at `instant`.
    pub fn at(&self, instant: Instant) -> Timestamp {
        let elapsed =
            SignedDuration::try_from(instant.saturating_duration_since(self.start)).unwrap_or(SignedDuration::MAX);
        self.base.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}
