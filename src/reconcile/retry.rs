//! Trying again what failed in Atlas: a bounded number of times, with growing pauses (design.md, safety rule 5).

use std::time::Duration;
use tokio::time::Instant;

/// How long a failed service or endpoint is left alone before the n-th new try.
const PAUSES: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];

/// What to do about something that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    Now,
    At(Instant),
    /// The last try has failed.
    Exhausted,
}

impl Retry {
    /// What is due now is put off to the next look, unless this is so.
    pub fn at_once_only_if(self, so: bool, now: Instant) -> Self {
        match self {
            Self::Now if !so => Self::At(now),
            Self::Now | Self::At(_) | Self::Exhausted => self,
        }
    }
}

/// How many new tries there are in all.
pub const LIMIT: usize = PAUSES.len();

/// When the next try is due, after `tries` new ones, for what has been seen failed since `failed_since`.
pub fn next(tries: u32, failed_since: Option<Instant>, now: Instant) -> Retry {
    let Some(pause) = usize::try_from(tries).ok().and_then(|tries| PAUSES.get(tries)) else { return Retry::Exhausted };
    let due = failed_since.unwrap_or(now) + *pause;
    if now >= due { Retry::Now } else { Retry::At(due) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_end() {
        let start = Instant::now();
        assert_eq!(next(0, None, start), Retry::At(start + PAUSES[0]));
        assert_eq!(next(0, Some(start), start + PAUSES[0]), Retry::Now);
        assert_eq!(next(2, Some(start), start + PAUSES[1]), Retry::At(start + PAUSES[2]));
        assert_eq!(next(3, Some(start), start + PAUSES[2]), Retry::Exhausted);
    }
}
