//! What the demo and the tests run against.

pub mod simulator;
