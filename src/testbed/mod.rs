//! What the demo and the tests run against.

pub mod control_plane;
pub mod demo;
pub mod door;
pub mod kubernetes;
pub mod simulator;
pub mod start;
