//! What is tested in simulated time.

pub(crate) mod conformance;
mod kubernetes;
mod lifecycle;
mod oracle;
mod world;
