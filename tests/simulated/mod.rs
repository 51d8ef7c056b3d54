//! What is tested in simulated time.

pub(crate) mod conformance;
mod faults;
mod kubernetes;
mod lifecycle;
mod matrix;
mod oracle;
mod past;
mod world;
