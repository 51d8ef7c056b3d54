//! What tests share, most of them in simulated time: a world, lives in it, and what must hold after anything.

// Each of the binaries that include this uses a part of it.
#![allow(dead_code)]

pub mod alone;
pub mod bounds;
pub mod canary;
pub mod capture;
pub mod chronicle;
pub mod course;
pub mod death;
pub mod grounds;
pub mod hands;
pub mod life;
pub mod looks;
pub mod manifests;
pub mod moving;
pub mod oracle;
pub mod past;
pub mod schema;
pub mod sparing;
pub mod statuses;
pub mod turns;
pub mod way;
pub mod world;
