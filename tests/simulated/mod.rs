//! What is tested in simulated time.

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
mod unnamed;
mod world;
