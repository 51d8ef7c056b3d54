//! How much a project may ask of Atlas: learnt from its answers, no number built in; and whose turn it is to write.

use super::{headers, ids::ProjectId};
use crate::clock::Clock;
use bytes::Bytes;
use http::{Response, StatusCode};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Atlas' advice for a 429 without `Retry-After`: 10, 20, 40… seconds (atlas-api.md §4).
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// After the answer that used up the budget. Half of how long a read may carry a write, so that the write decided on
/// that read can still go: a longer pause would let a slow bucket starve every write.
const BREATHER: Duration = Duration::from_secs(5);

/// Beyond this many projects, gates that nobody uses are forgotten.
const MANY: usize = 1024;

/// The gates of all projects.
pub(super) struct Budgets {
    gates: Mutex<HashMap<ProjectId, Arc<Gate>>>,
    jitter: Jitter,
}

impl Budgets {
    pub(super) fn new(jitter: Jitter) -> Self {
        Self { gates: Mutex::default(), jitter }
    }

    pub(super) fn gate(&self, project: ProjectId) -> Arc<Gate> {
        let now = Instant::now();
        let mut gates = lock(&self.gates);
        if gates.len() >= MANY {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1 || gate.held(now).is_some());
        }
        gates.entry(project).or_insert_with(|| Arc::new(Gate::new(self.jitter.clone()))).clone()
    }

    /// What Atlas' last answer left of a project's budget.
    pub(super) fn left(&self, project: ProjectId) -> Option<u64> {
        let gate = lock(&self.gates).get(&project).cloned()?;
        lock(&gate.hold).left
    }
}

/// The gate of one project.
pub(super) struct Gate {
    hold: Mutex<Hold>,
    turn: tokio::sync::Mutex<()>,
    jitter: Jitter,
}

impl Gate {
    fn new(jitter: Jitter) -> Self {
        Self { hold: Mutex::default(), turn: tokio::sync::Mutex::default(), jitter }
    }

    /// Waits, first come first served, until no other write of the project is under way.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// How long nothing may be sent yet.
    pub(super) fn held(&self, now: Instant) -> Option<Duration> {
        lock(&self.hold).remaining(now)
    }

    /// Learns from an answer.
    pub(super) fn observe(&self, answer: &Response<Bytes>, clock: &Clock) {
        let signal = Signal::of(answer, clock);
        let mut hold = lock(&self.hold);
        hold.observe(signal, Instant::now(), &self.jitter);
        // What is left before anyone knows who asks is not the project's.
        if answer.status() != StatusCode::UNAUTHORIZED {
            hold.left = headers::remaining(answer.headers()).or(hold.left);
        }
    }
}

/// What an answer says about the pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// 429, or 503 with `Retry-After`.
    Wait(Duration),
    /// 429 without `Retry-After`.
    SlowDown,
    /// An answer, but nothing is left for the next.
    Exhausted,
    Fine,
    /// Says nothing about the project's pace: a challenge comes before anyone knows who asks, and a failure proves no
    /// room.
    Mute,
}

impl Signal {
    pub(super) fn of(answer: &Response<Bytes>, clock: &Clock) -> Self {
        let after = headers::retry_after(answer.headers(), clock);
        match (answer.status(), after) {
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, Some(pause)) => Self::Wait(pause),
            (StatusCode::TOO_MANY_REQUESTS, None) => Self::SlowDown,
            (StatusCode::UNAUTHORIZED, _) => Self::Mute,
            _ if headers::remaining(answer.headers()) == Some(0) => Self::Exhausted,
            (status, _) if status.is_success() => Self::Fine,
            _ => Self::Mute,
        }
    }
}

/// Until when to hold back, and how far the backoff has come.
#[derive(Debug, Default)]
pub(super) struct Hold {
    until: Option<Instant>,
    step: u32,
    /// What the last answer that told it left of the budget.
    left: Option<u64>,
}

impl Hold {
    pub(super) fn remaining(&self, now: Instant) -> Option<Duration> {
        self.until?.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    pub(super) fn observe(&mut self, signal: Signal, now: Instant, jitter: &Jitter) {
        match signal {
            // A pause that has begun stays: the answer may be to a request sent before it.
            Signal::Fine => self.step = 0,
            Signal::Exhausted => self.extend(now, BREATHER),
            Signal::Wait(pause) => self.extend(now, pause),
            // Several requests refused at once are one refusal.
            Signal::SlowDown if self.remaining(now).is_none() => {
                let pause = FIRST_PAUSE.saturating_mul(1 << self.step.min(16)).min(LONGEST_PAUSE);
                self.step = self.step.saturating_add(1);
                self.extend(now, jitter.stretch(pause).min(LONGEST_PAUSE));
            }
            Signal::SlowDown | Signal::Mute => {}
        }
    }

    fn extend(&mut self, now: Instant, pause: Duration) {
        self.until = self.until.max(Some(now + pause));
    }
}

/// Seeded randomness that spreads retries.
#[derive(Clone)]
pub(super) struct Jitter(Arc<Mutex<StdRng>>);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// `pause` and up to a quarter more.
    fn stretch(&self, pause: Duration) -> Duration {
        pause.mul_f64(lock(&self.0).random_range(1.0..1.25))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jitter() -> Jitter {
        Jitter::new(1)
    }

    fn project(n: usize) -> ProjectId {
        format!("{n:024x}").parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_backoff_doubles_to_five_minutes_and_starts_afresh_after_a_success() {
        let mut hold = Hold::default();
        let mut now = Instant::now();
        for expected in [10, 20, 40, 80, 160, 300, 300, 300] {
            hold.observe(Signal::SlowDown, now, &jitter());
            let pause = hold.remaining(now).unwrap();
            assert!(pause >= Duration::from_secs(expected) && pause <= LONGEST_PAUSE, "{expected} {pause:?}");
            assert!(pause.as_secs_f64() <= expected as f64 * 1.25);
            // A second refusal of the same moment changes nothing.
            hold.observe(Signal::SlowDown, now, &jitter());
            assert_eq!(hold.remaining(now), Some(pause));
            now += pause;
            assert_eq!(hold.remaining(now), None);
        }
        hold.observe(Signal::Fine, now, &jitter());
        hold.observe(Signal::SlowDown, now, &jitter());
        assert!(hold.remaining(now).unwrap() < Duration::from_secs(13));
    }

    #[tokio::test(start_paused = true)]
    async fn a_challenge_says_nothing_about_the_pace() {
        let answer = |status: u16| {
            Response::builder().status(status).header("RateLimit-Remaining", "0").body(Bytes::new()).unwrap()
        };
        assert_eq!(Signal::of(&answer(401), &Clock::system()), Signal::Mute);
        assert_eq!(Signal::of(&answer(404), &Clock::system()), Signal::Exhausted);
        let mut hold = Hold::default();
        let mut now = Instant::now();
        for at_least in [10, 20, 40] {
            hold.observe(Signal::SlowDown, now, &jitter());
            let pause = hold.remaining(now).unwrap();
            assert!(pause >= Duration::from_secs(at_least), "a challenge must not reset the backoff");
            now += pause;
            hold.observe(Signal::Mute, now, &jitter());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_success_does_not_end_a_pause() {
        let mut hold = Hold::default();
        let now = Instant::now();
        hold.observe(Signal::Wait(Duration::from_secs(55)), now, &jitter());
        hold.observe(Signal::Fine, now, &jitter());
        hold.observe(Signal::Wait(Duration::from_secs(5)), now, &jitter());
        assert_eq!(hold.remaining(now), Some(Duration::from_secs(55)));
    }

    #[tokio::test(start_paused = true)]
    async fn forgotten_gates_make_room_but_held_ones_stay() {
        let budgets = Budgets::new(jitter());
        let held = budgets.gate(project(0));
        held.hold.lock().unwrap().until = Some(Instant::now() + Duration::from_secs(60));
        drop(held);
        for n in 1..=2 * MANY {
            budgets.gate(project(n));
        }
        assert!(budgets.gates.lock().unwrap().len() <= MANY);
        assert!(budgets.gate(project(0)).held(Instant::now()).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn gates_in_use_stay_however_many_there_are() {
        let budgets = Budgets::new(jitter());
        let used = budgets.gate(project(0));
        for n in 1..=2 * MANY {
            budgets.gate(project(n));
        }
        assert!(Arc::ptr_eq(&used, &budgets.gate(project(0))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_what_the_last_answer_to_somebody_known_tells() {
        let budgets = Budgets::new(jitter());
        let answer = |status: u16, left: Option<&str>| {
            let answer = Response::builder().status(status);
            let answer = match left {
                Some(left) => answer.header("RateLimit-Remaining", left),
                None => answer,
            };
            answer.body(Bytes::new()).unwrap()
        };
        assert_eq!(budgets.left(project(0)), None);
        for (status, told, left) in [(200, Some("7"), 7), (401, Some("3"), 7), (200, None, 7), (500, Some("6"), 6)] {
            budgets.gate(project(0)).observe(&answer(status, told), &Clock::system());
            // Few as they are, nobody's gate is forgotten.
            budgets.gate(project(1));
            assert_eq!(budgets.left(project(0)), Some(left), "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_success_proves_that_there_is_room() {
        let of =
            |status: u16| Signal::of(&Response::builder().status(status).body(Bytes::new()).unwrap(), &Clock::system());
        assert_eq!((of(200), of(202)), (Signal::Fine, Signal::Fine));
        assert_eq!((of(500), of(404), of(503)), (Signal::Mute, Signal::Mute, Signal::Mute));
        assert_eq!(of(429), Signal::SlowDown);
    }
}
