//! What is tested in simulated time.

mod blips;
pub(crate) mod conformance;
mod crashes;
mod death;
mod events;
mod faults;
mod handover;
mod kubernetes;
mod life;
mod lifecycle;
mod looks;
mod matrix;
mod oracle;
mod ownership;
mod past;
mod world;
