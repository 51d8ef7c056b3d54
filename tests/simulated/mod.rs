//! What is tested in simulated time.

mod conditions;
pub(crate) mod conformance;
mod credentials;
mod faults;
mod handover;
mod isolation;
mod kubernetes;
mod lifecycle;
mod looks;
mod matrix;
mod oracle;
mod ownership;
mod past;
mod proofs;
mod replace;
mod retry;
mod unnamed;
mod world;
