//! What is tested in simulated time.

mod blips;
pub(crate) mod conformance;
mod crashes;
mod death;
mod events;
mod faults;
mod kubernetes;
mod life;
mod lifecycle;
mod matrix;
mod oracle;
mod past;
mod world;
