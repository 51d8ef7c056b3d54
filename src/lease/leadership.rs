//! Whether this process may still write, whatever has become of it meanwhile.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The clock that goes on while the machine is suspended. Linux' monotonic clock stands still then; Apple's goes on.
#[cfg(target_os = "linux")]
const SINCE_BOOT: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const SINCE_BOOT: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// A point in time by both clocks: tokio's, which a test may pause, and the one that counts suspended time too.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub monotonic: Instant,
    since_boot: Duration,
}

impl Moment {
    pub fn now() -> Self {
        let read = rustix::time::clock_gettime(SINCE_BOOT);
        let since_boot = Duration::try_from(read).unwrap_or_default();
        Self { monotonic: Instant::now(), since_boot }
    }

    /// The longer of what the two clocks say.
    fn since(self, earlier: Self) -> Duration {
        let monotonic = self.monotonic.saturating_duration_since(earlier.monotonic);
        monotonic.max(self.since_boot.saturating_sub(earlier.since_boot))
    }
}

#[derive(Debug, Clone, Copy)]
struct Term {
    from: Moment,
    length: Duration,
}

impl Term {
    fn runs_at(&self, moment: Moment) -> bool {
        moment.since(self.from) < self.length
    }
}

/// The term of this process, shared by who renews it and who writes. It ends by itself.
#[derive(Debug, Clone, Default)]
pub struct Leadership(Arc<Mutex<Option<Term>>>);

impl Leadership {
    /// Begins or renews the term; `from` is when the write that was taken was sent.
    pub fn grant(&self, from: Moment, length: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Term { from, length });
    }

    /// Ends the term now.
    pub fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether nobody else can have taken over yet.
    pub fn may_write(&self) -> bool {
        let term = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        term.is_some_and(|term| term.runs_at(Moment::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Duration = Duration::from_secs(10);

    fn later(moment: Moment, monotonic: u64, since_boot: u64) -> Moment {
        Moment {
            monotonic: moment.monotonic + Duration::from_secs(monotonic),
            since_boot: moment.since_boot + Duration::from_secs(since_boot),
        }
    }

    #[test]
    fn a_term_is_over_when_either_clock_says_so() {
        let from = Moment::now();
        let term = Term { from, length: TERM };
        for (monotonic, since_boot, runs) in
            [(0, 0, true), (9, 9, true), (10, 10, false), (11, 3, false), (1, 10, false), (1, 3600, false)]
        {
            assert_eq!(term.runs_at(later(from, monotonic, since_boot)), runs, "{monotonic} s, {since_boot} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_ends_though_nobody_ends_it() {
        let leadership = Leadership::default();
        assert!(!leadership.may_write(), "nobody leads unasked");
        leadership.grant(Moment::now(), TERM);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(leadership.may_write());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!leadership.may_write());
        leadership.grant(Moment::now(), TERM);
        assert!(leadership.may_write());
        leadership.end();
        assert!(!leadership.may_write());
    }

    /// The second clock is read at all, and goes on.
    #[test]
    fn the_clock_since_boot_runs() {
        let first = Moment::now();
        while Moment::now().since_boot == first.since_boot {
            std::hint::spin_loop();
        }
    }
}
