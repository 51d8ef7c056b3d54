//! What is tested in simulated time.

mod conformance;
mod kubernetes;
