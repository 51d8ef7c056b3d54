//! One value that many readers want and one fetches: single flight, with shared failures and their pauses.

use super::{
    Answer, Failure, Sequence,
    error::{AtlasError, Class, Effect},
    inventory::Need,
    turnstile::{Busy, Turnstile},
};
use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The first pause after a failure that may pass by itself; it doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// What only a person can mend is asked again after 1, 2, 4 and then every 5 minutes.
const FIRST_DENIED_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_DENIED_PAUSE: Duration = Duration::from_secs(300);
/// A cell that nobody read for this long belongs to an object or a credential that is gone.
const IDLE: Duration = Duration::from_secs(24 * 3600);

/// A value shared by its readers.
pub(super) struct Shared<T> {
    /// Who fetches is inside; the others wait and then look again.
    flight: Turnstile,
    state: Mutex<State<T>>,
}

struct State<T> {
    seen: Option<Answer<T>>,
    /// How long the last fetch took that saw something.
    took: Duration,
    flaw: Option<Flaw>,
    failures: u32,
    used: Instant,
}

/// A failure, and when it is worth asking again.
#[derive(Debug, Clone)]
pub(super) struct Flaw {
    pub why: Why,
    pub failure: Failure,
    pub retry_at: Instant,
}

/// Why there is no observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A request for it failed.
    Failed,
    /// Somebody else's request for it is under way, and takes long.
    UnderWay,
}

impl Flaw {
    /// Somebody is asking, and has had no answer for a while.
    fn slow(busy: &Busy) -> Self {
        let error = AtlasError {
            class: Class::Transient,
            effect: Effect::NotSent,
            status: None,
            code: None,
            detail: "Atlas is slow to answer".to_owned(),
        };
        let failure = Failure { error: Box::new(error), sent: None, at: Instant::now() };
        Self { why: Why::UnderWay, failure, retry_at: busy.until }
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        let state = State { seen: None, took: Duration::ZERO, flaw: None, failures: 0, used: Instant::now() };
        Self { flight: Turnstile::default(), state: Mutex::new(state) }
    }
}

impl<T: Clone> Shared<T> {
    /// The value, fetched only if what is known is not recent enough.
    pub async fn read<F, Fut>(&self, need: Need, fetch: F) -> Result<Answer<T>, Flaw>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Answer<T>, Failure>>,
    {
        if let Some(known) = self.known(need) {
            return known;
        }
        let _flight = self.flight.enter().await.map_err(|busy| Flaw::slow(&busy))?;
        // The one before may have fetched what is needed, or have failed while this one waited.
        if let Some(known) = self.known(need) {
            return known;
        }
        let started = Instant::now();
        let result = fetch().await;
        self.record(result, started.elapsed())
    }

    /// Takes over what a write's answer showed.
    pub fn observe(&self, answer: Answer<T>) {
        self.state().see(answer);
    }
}

impl<T: Clone> State<T> {
    /// Takes an answer in, unless a later request has had one already; gives the later of both.
    fn see(&mut self, answer: Answer<T>) -> Answer<T> {
        let seen = self.seen.take().filter(|seen| seen.sent.sequence > answer.sent.sequence).unwrap_or(answer);
        self.seen.insert(seen).clone()
    }
}

impl<T> Shared<T> {
    pub fn is_idle(&self) -> bool {
        self.state().used.elapsed() > IDLE
    }

    /// The place of the request that showed what is known.
    pub fn seen(&self) -> Option<Sequence> {
        self.state().seen.as_ref().map(|seen| seen.sent.sequence)
    }

    /// How long ago what is known was asked for.
    pub fn age(&self) -> Option<Duration> {
        self.state().seen.as_ref().map(|seen| seen.sent.at.elapsed())
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Shared<T> {
    fn known(&self, need: Need) -> Option<Result<Answer<T>, Flaw>> {
        let mut state = self.state();
        let now = Instant::now();
        state.used = now;
        // What took long is of use for as long again: it is too old when it comes, and nobody else would ever see it.
        let max_age = need.max_age.max(2 * state.took);
        let recent = |answer: &&Answer<T>| {
            need.after.is_none_or(|after| answer.sent.sequence > after)
                && need.not_before.is_none_or(|seen| answer.sent.sequence >= seen)
                && now.saturating_duration_since(answer.sent.at) < max_age
        };
        // A refusal is an answer, and later than what was seen before it: whoever would do with an old view hears it, too.
        let refused = state.flaw.as_ref().filter(|flaw| is_refusal(flaw.failure.error.class));
        let refused = refused.and_then(|flaw| flaw.failure.sent).map(|sent| sent.sequence);
        let last_word = |answer: &&Answer<T>| refused.is_none_or(|refused| answer.sent.sequence > refused);
        if let Some(answer) = state.seen.as_ref().filter(recent).filter(last_word) {
            return Some(Ok(answer.clone()));
        }
        // A person may insist on another look at what a person can mend, but nobody on going past a rate limit.
        let may_insist = |flaw: &Flaw| need.insist && !matches!(flaw.failure.error.class, Class::Throttled(_));
        let pausing = |flaw: &&Flaw| flaw.retry_at > now && !may_insist(flaw);
        state.flaw.as_ref().filter(pausing).map(|flaw| Err(flaw.clone()))
    }

    fn record(&self, result: Result<Answer<T>, Failure>, took: Duration) -> Result<Answer<T>, Flaw> {
        let mut state = self.state();
        match result {
            Ok(answer) => {
                state.failures = 0;
                state.flaw = None;
                state.took = took;
                Ok(state.see(answer))
            }
            Err(failure) => {
                state.failures = state.failures.saturating_add(1);
                let retry_at = Instant::now() + pause(failure.error.class, state.failures);
                let flaw = Flaw { why: Why::Failed, failure, retry_at };
                state.flaw = Some(flaw.clone());
                Err(flaw)
            }
        }
    }
}

fn is_refusal(class: Class) -> bool {
    match class {
        Class::Denied(_) | Class::Invalid => true,
        Class::Transient | Class::Throttled(_) | Class::Exists | Class::NotYet | Class::Outdated | Class::Missing => {
            false
        }
    }
}

/// How long nobody asks again after the `failures`-th failure in a row.
pub(super) fn pause(class: Class, failures: u32) -> Duration {
    let doubled =
        |first: Duration, longest: Duration| first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest);
    match class {
        Class::Throttled(Some(after)) => after.max(FIRST_PAUSE),
        Class::Denied(_) | Class::Invalid => doubled(FIRST_DENIED_PAUSE, LONGEST_DENIED_PAUSE),
        Class::Throttled(None)
        | Class::Transient
        | Class::Exists
        | Class::NotYet
        | Class::Outdated
        | Class::Missing => doubled(FIRST_PAUSE, LONGEST_PAUSE),
    }
}

#[cfg(test)]
mod tests;
