//! What is tested in simulated time, one thing at a time; `tests/campaign` disturbs what happens here in every way.

mod bereft;
mod concurrency;
mod conditions;
mod conflicts;
pub(crate) mod conformance;
mod credentials;
mod handover;
mod isolation;
mod json_log;
mod kubernetes;
mod lease;
mod lifecycle;
mod logs;
mod metrics;
mod moving_in;
mod moving_out;
mod notes;
mod ownership;
mod policies;
mod probes;
mod proofs;
mod replace;
mod restart;
mod retry;
mod scopes;
mod secrets;
mod sessions;
mod turns;
mod unnamed;
mod unreadable;
mod waiting;

pub(crate) use crate::harness::*;
