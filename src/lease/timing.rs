//! The times of an election, all from the lease duration, in the proportions that client-go has: 15, 10 and 2 seconds.

use std::time::Duration;

/// The times of an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    duration: Duration,
}

impl Timing {
    /// With a shorter lease, a slow API server alone would change leaders.
    pub const SHORTEST: Duration = Duration::from_secs(2);

    /// A Lease counts in seconds: what is over a whole one is a whole one more.
    pub fn of(duration: Duration) -> Self {
        let rounding = u64::from(duration.subsec_nanos() > 0);
        Self { duration: Duration::from_secs(duration.as_secs().saturating_add(rounding)).max(Self::SHORTEST) }
    }

    /// How long a leader that is not heard of is waited for.
    pub fn duration(self) -> Duration {
        self.duration
    }

    /// How long a leader leads after the last renewal that was taken.
    pub fn renew_deadline(self) -> Duration {
        self.duration * 2 / 3
    }

    /// How often the leader renews, and after how long a request that failed is made again.
    pub fn retry(self) -> Duration {
        self.duration * 2 / 15
    }

    /// How long a candidate waits before it looks again. Spread, so that candidates do not come together, and always
    /// sooner than the leader renews: what is seen late is taken over late.
    pub fn look(self, spread: f64) -> Duration {
        self.retry().mul_f64(0.6 + 0.3 * spread.clamp(0.0, 1.0))
    }

    /// How long one request may take, so that another can follow within the deadline.
    pub fn patience(self) -> Duration {
        self.renew_deadline() / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fifteen_seconds_have_the_times_of_client_go() {
        let timing = Timing::of(Duration::from_secs(15));
        let times = [timing.duration(), timing.renew_deadline(), timing.retry()];
        assert_eq!(times.map(|time| time.as_secs()), [15, 10, 2]);
    }

    proptest! {
        #[test]
        fn each_time_leaves_room_for_the_next(millis in 0_u64..100_000_000, spread: f64) {
            let timing = Timing::of(Duration::from_millis(millis));
            prop_assert!(timing.duration() >= Duration::from_millis(millis).max(Timing::SHORTEST));
            prop_assert_eq!(timing.duration().subsec_nanos(), 0);
            prop_assert!(timing.renew_deadline() < timing.duration());
            prop_assert!(timing.retry() + timing.patience() < timing.renew_deadline(), "two tries fit into a term");
            prop_assert!(timing.look(spread) < timing.retry() && timing.look(spread) > timing.retry() / 2);
        }
    }
}
