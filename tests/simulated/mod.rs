//! What is tested in simulated time.

mod blips;
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
mod looks;
mod matrix;
mod oracle;
mod ownership;
mod past;
mod proofs;
mod replace;
mod restart;
mod retry;
mod unnamed;
mod world;
