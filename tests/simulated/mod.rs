//! What is tested in simulated time.

mod conditions;
pub(crate) mod conformance;
mod handover;
mod kubernetes;
mod lifecycle;
mod looks;
mod oracle;
mod ownership;
mod replace;
mod unnamed;
mod world;
