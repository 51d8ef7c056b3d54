//! atlas-privatelink-operator: private connectivity for MongoDB Atlas projects, from Kubernetes manifests.

pub mod api;
pub mod atlas;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod credentials;
pub mod duration;
pub mod metrics;
pub mod operator;
pub mod reconcile;
pub mod server;
pub mod telemetry;
#[cfg(feature = "testbed")]
pub mod testbed;
