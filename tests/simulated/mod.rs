//! What is tested in simulated time.

pub(crate) mod conformance;
mod faults;
mod handover;
mod kubernetes;
mod lifecycle;
mod looks;
mod matrix;
mod oracle;
mod ownership;
mod past;
mod world;
