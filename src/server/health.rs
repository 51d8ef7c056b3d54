//! What the probes tell, and what they tell it by.

use http::StatusCode;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How far the operator has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    Starting,
    /// These CustomResourceDefinitions are not installed yet.
    WaitingForCrds(Vec<String>),
    /// They are, and cannot be listed: why not.
    CannotList(Vec<String>),
    /// Another works, the one named here if any is known: this one waits to take over.
    Standby(Option<String>),
    /// Nobody can be elected: why not.
    CannotLead(String),
    /// It works, and leads.
    Leading,
    /// It works, without election.
    Running,
    Stopping,
    /// A controller has ended on its own: only a restart helps.
    Broken(String),
}

/// How long a watch may be silent before the process is restarted. One that is open and tells nothing begins anew long
/// before, without that; and where the API server is known not to be reached, a restart would only make that longer.
pub const SILENCE: Duration = Duration::from_secs(270);

/// How long a watch may be silent before the process no longer counts as ready: two minutes after it was to be begun anew.
pub const BLINDNESS: Duration = Duration::from_secs(240);

/// When a watch last had a sign of life. Clones are the same.
#[derive(Debug, Clone)]
pub struct Pulse {
    name: Arc<str>,
    last: Arc<Mutex<Answers>>,
}

#[derive(Debug, Clone, Copy)]
struct Answers {
    /// Of any kind, a connection that never came about among them.
    any: Instant,
    success: Option<Instant>,
}

impl Answers {
    fn is_blind(self) -> bool {
        self.success.is_none_or(|last| last.elapsed() > BLINDNESS)
    }
}

impl Pulse {
    /// There was an answer, with this status.
    pub fn beat(&self, status: StatusCode) {
        self.hear(status.is_success());
    }

    /// There was no answer, and that is known: it does not hang, and is tried again.
    pub fn fails(&self) {
        self.hear(false);
    }

    fn hear(&self, success: bool) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.any = Instant::now();
        if success {
            last.success = Some(last.any);
        }
    }

    fn last(&self) -> Answers {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct State {
    phase: Phase,
    watches: Vec<Pulse>,
}

/// Shared between the operator, which sets it, and the server, which tells it.
#[derive(Debug, Clone)]
pub struct Health(Arc<Mutex<State>>);

impl Default for Health {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { phase: Phase::Starting, watches: Vec::new() })))
    }
}

impl Health {
    pub fn set(&self, phase: Phase) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).phase = phase;
    }

    pub fn phase(&self) -> Phase {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).phase.clone()
    }

    /// One more watch begins, and is expected to be heard of.
    pub fn watch(&self, name: String) -> Pulse {
        let pulse =
            Pulse { name: name.into(), last: Arc::new(Mutex::new(Answers { any: Instant::now(), success: None })) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).watches.push(pulse.clone());
        pulse
    }

    /// Why the process should be restarted.
    pub fn fault(&self) -> Option<String> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Phase::Broken(why) = &state.phase {
            return Some(why.clone());
        }
        let silences = state.watches.iter().map(|pulse| (&pulse.name, pulse.last().any.elapsed()));
        let (name, silence) = silences.into_iter().find(|(_, silence)| *silence > SILENCE)?;
        Some(format!("the watch of {name} has been silent for {} s", silence.as_secs()))
    }

    /// Why it does not see its objects. That may be mended without a restart: a permission is granted, say.
    pub fn blindness(&self) -> Option<String> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watches = state.watches.iter().map(|pulse| (&pulse.name, pulse.last()));
        let (name, Answers { any, success }) = watches.find(|(_, last)| last.is_blind())?;
        Some(match success {
            Some(last) if last == any => {
                format!("the watch of {name} has told nothing for {} s: see the log", last.elapsed().as_secs())
            }
            Some(_) | None => {
                format!(
                    "the watch of {name} has not begun, or the API server refuses it or is not reached: see the log"
                )
            }
        })
    }
}
