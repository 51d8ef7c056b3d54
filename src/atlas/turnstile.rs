//! A place for one at a time, at which nobody waits for long: whoever waits in a reconcile holds a place there that an
//! object of another project could use.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::OwnedMutexGuard, time::Instant};

/// How long the one inside is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// How many may wait who can as well come back.
const FEW: usize = 2;

/// Lets one through at a time.
#[derive(Default)]
pub(super) struct Turnstile {
    door: Arc<tokio::sync::Mutex<()>>,
    inside: Arc<Mutex<Stay>>,
    /// How many wait for their turn.
    waiting: AtomicUsize,
}

#[derive(Debug, Default, Clone, Copy)]
struct Stay {
    /// When the one who is inside came in.
    since: Option<Instant>,
    /// How long the one before was inside.
    last: Duration,
}

/// The permission to be inside, until it is dropped.
pub struct Pass {
    _door: OwnedMutexGuard<()>,
    inside: Arc<Mutex<Stay>>,
}

/// Somebody is inside and has been for a while, or others wait already.
pub(super) struct Busy {
    /// When it is worth coming back.
    pub until: Instant,
}

impl Turnstile {
    /// Comes in, as soon as nobody else is inside.
    ///
    /// # Errors
    /// When the one inside has been there for two seconds, or is as slow as the one before.
    pub(super) async fn enter(&self) -> Result<Pass, Busy> {
        let now = Instant::now();
        let Stay { since, last } = *lock(&self.inside);
        let slow = last > PATIENCE;
        let patience = since.map_or(PATIENCE, |since| (since + PATIENCE).saturating_duration_since(now));
        let door = match self.door.clone().try_lock_owned() {
            Ok(door) => door,
            Err(_) if slow => return Err(self.busy()),
            Err(_) => {
                let waited = tokio::time::timeout(patience, self.door.clone().lock_owned()).await;
                waited.map_err(|_| self.busy())?
            }
        };
        lock(&self.inside).since = Some(Instant::now());
        Ok(Pass { _door: door, inside: self.inside.clone() })
    }

    /// The same, for whoever can come back: only a few wait, so that one comes in when another leaves.
    ///
    /// # Errors
    /// As [`Self::enter`], and when enough wait already.
    pub(super) async fn enter_or_come_back(&self) -> Result<Pass, Busy> {
        let place = Place::taken(&self.waiting);
        if place.before >= FEW { Err(self.busy()) } else { self.enter().await }
    }

    /// The one inside stays as long as the one before, or as long again as until now.
    fn busy(&self) -> Busy {
        let now = Instant::now();
        let Stay { since, last } = *lock(&self.inside);
        let since = since.unwrap_or(now);
        let expected =
            Some(since + last).filter(|end| *end > now).unwrap_or(now + now.saturating_duration_since(since));
        Busy { until: expected.clamp(now + PATIENCE / 2, now + 10 * PATIENCE) }
    }
}

/// A place among those who wait, until it is dropped.
struct Place<'a> {
    of: &'a AtomicUsize,
    before: usize,
}

impl<'a> Place<'a> {
    fn taken(of: &'a AtomicUsize) -> Self {
        Self { of, before: of.fetch_add(1, Ordering::SeqCst) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.of.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut inside = lock(&self.inside);
        let since = inside.since.take();
        inside.last = since.map_or(Duration::ZERO, |since| since.elapsed());
    }
}

fn lock(stay: &Mutex<Stay>) -> MutexGuard<'_, Stay> {
    stay.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn refused(turnstile: &Turnstile) -> (Duration, Duration) {
        let start = Instant::now();
        let busy = turnstile.enter().await.err().expect("somebody is inside");
        (start.elapsed(), busy.until.saturating_duration_since(start))
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_inside_is_waited_for_once_and_not_for_long() {
        let turnstile = Turnstile::default();
        let pass = turnstile.enter().await.ok().expect("nobody is inside");
        assert_eq!(refused(&turnstile).await, (2 * SECOND, 4 * SECOND), "as long again");
        assert_eq!(refused(&turnstile).await, (Duration::ZERO, 2 * SECOND), "whoever comes now knows already");
        tokio::time::advance(10 * SECOND).await;
        drop(pass);
        let _pass = turnstile.enter().await.ok().expect("nobody is inside");
        assert_eq!(refused(&turnstile).await, (Duration::ZERO, 12 * SECOND), "as long as the one before");
    }

    #[tokio::test(start_paused = true)]
    async fn quick_ones_follow_each_other() {
        let turnstile = Turnstile::default();
        let start = Instant::now();
        let through = || async {
            let pass = turnstile.enter().await.ok().expect("it is soon my turn");
            tokio::time::sleep(SECOND / 10).await;
            drop(pass);
        };
        futures::future::join_all((0..10).map(|_| through())).await;
        assert_eq!(start.elapsed(), SECOND);
    }
}
