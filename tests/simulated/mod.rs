//! What is tested in simulated time.

pub(crate) mod conformance;
mod handover;
mod kubernetes;
mod lifecycle;
mod looks;
mod oracle;
mod ownership;
mod replace;
mod world;
