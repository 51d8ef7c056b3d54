//! What can be told about a call without telling secrets, for metrics.

use super::{dialect::Dialect, error::Class};
use std::time::Duration;

/// One finished call. A call whose caller went away is not reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallReport {
    /// A stable word: `list_services`, `add_endpoint` and so on.
    pub operation: &'static str,
    pub dialect: Dialect,
    /// `Err` with what kind of failure it was.
    pub outcome: Result<(), Class>,
    /// The last HTTP status, if there was an answer; that of the token request, if no token was given.
    pub status: Option<u16>,
    /// From the call, waiting for the project's turn included, to its end.
    pub latency: Duration,
    /// How many requests were handed to the transport, and not withheld there; token requests aside.
    pub requests: u32,
    /// How many of them were answered 401 and sent again.
    pub challenges: u32,
    /// The project's rate limit kept a request from being handed over.
    pub held_back: bool,
}

/// One look at Atlas through a shared view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadReport {
    /// A stable word: `services` or `endpoint`.
    pub view: &'static str,
    /// Atlas had to be asked: what was known was not recent enough.
    pub asked: bool,
}

/// Is told of every finished call, and of every look at a shared view.
pub trait Observer: Send + Sync + 'static {
    /// Must not block.
    fn finished(&self, report: &CallReport);
    /// A shared view was looked at. Must not block either.
    fn read(&self, report: ReadReport);
}

/// Lets every report pass.
pub(super) struct Unobserved;

impl Observer for Unobserved {
    fn finished(&self, _: &CallReport) {}

    fn read(&self, _: ReadReport) {}
}
