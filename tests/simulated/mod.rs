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
mod replace;
mod unnamed;
mod world;
