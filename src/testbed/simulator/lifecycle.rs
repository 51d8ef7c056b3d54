//! What a service and an endpoint go through, and when. Nothing ticks: every object carries its coming steps with
//! their instants, and they are taken when somebody looks.

use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// The state of a service (atlas-api.md §1, §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceState {
    Initiating,
    /// `WAITING_FOR_USER` in v1.0, `AVAILABLE` in v2 (a switch).
    Ready,
    Failed,
    Deleting,
}

/// The state of an endpoint: AWS' `connectionStatus`, the other providers' `status` (atlas-api.md §1, §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EndpointState {
    /// v1.0 only (atlas-api.md §9.10).
    None,
    PendingAcceptance,
    Pending,
    Initiating,
    Verified,
    Available,
    Rejected,
    Failed,
    Deleting,
}

impl EndpointState {
    /// Atlas' word.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::PendingAcceptance => "PENDING_ACCEPTANCE",
            Self::Pending => "PENDING",
            Self::Initiating => "INITIATING",
            Self::Verified => "VERIFIED",
            Self::Available => "AVAILABLE",
            Self::Rejected => "REJECTED",
            Self::Failed => "FAILED",
            Self::Deleting => "DELETING",
        }
    }
}

/// Something that happens to an object by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step<S> {
    /// It gets a state and, perhaps, an error message.
    Become(S, Option<String>),
    /// It is gone.
    Vanish,
}

/// The steps that are still to come.
#[derive(Debug, Clone)]
pub(super) struct Timeline<S>(VecDeque<(Instant, Step<S>)>);

impl<S> Timeline<S> {
    /// Nothing will happen.
    pub(super) fn still() -> Self {
        Self(VecDeque::new())
    }

    /// Each step after its delay from `now`; delays don't decrease.
    pub(super) fn from(now: Instant, steps: impl IntoIterator<Item = (Duration, Step<S>)>) -> Self {
        Self(steps.into_iter().map(|(delay, step)| (now + delay, step)).collect())
    }

    /// When the next step is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.front().map(|(due, _)| *due)
    }

    /// Takes the next step if it is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<(Instant, Step<S>)> {
        self.next_due().filter(|due| *due <= now)?;
        self.0.pop_front()
    }
}

/// How long things take in the real Atlas, in seconds; divided by the time scale.
pub(super) mod delays {
    use super::super::regions::Provider;

    /// From INITIATING to ready, the recorded medians (atlas-api.md §4, REC).
    pub(in super::super) fn service_ready(provider: Provider) -> u32 {
        match provider {
            Provider::Aws => 165,
            Provider::Azure => 61,
            Provider::Gcp => 310,
        }
    }

    /// From DELETING to gone (INF).
    pub(in super::super) const SERVICE_GONE: u32 = 30;
    /// From DELETING to gone (INF).
    pub(in super::super) const ENDPOINT_GONE: u32 = 20;
    /// From NONE to PENDING_ACCEPTANCE (INF).
    pub(in super::super) const ENDPOINT_NOTICED: u32 = 10;
    /// To PENDING, VERIFIED or REJECTED (INF).
    pub(in super::super) const ENDPOINT_DECIDED: u32 = 30;
    /// To AVAILABLE (INF).
    pub(in super::super) const ENDPOINT_READY: u32 = 60;
}
