//! What is tested in simulated time.

mod bereft;
mod beside;
mod blips;
mod capture;
mod conditions;
pub(crate) mod conformance;
mod crashes;
mod credentials;
mod death;
mod events;
mod faults;
mod handover;
mod isolation;
mod kubernetes;
mod lease;
mod life;
mod lifecycle;
mod logs;
mod looks;
mod matrix;
mod notes;
mod oracle;
mod ownership;
mod past;
mod proofs;
mod replace;
mod restart;
mod retry;
mod secrets;

mod unnamed;
mod world;
