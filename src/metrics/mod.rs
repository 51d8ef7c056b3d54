//! Metrics in OpenMetrics text. What happens is counted where it happens; what is, is read at each scrape from the stores
//! and memories that know it ([`state`]), so that a deleted object leaves no series behind.
//!
//! Labels are bounded: words of this program, the names of the custom resources, and the projects that these name.

mod calls;
mod reconciles;
pub mod state;

pub use reconciles::ErrorClass;

use calls::Calls;
use prometheus_client::{
    encoding::text::encode,
    metrics::{gauge::Gauge, info::Info},
    registry::Registry,
};
use reconciles::Reconciles;
use state::{Collected, Source};
use std::{
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

const PREFIX: &str = "atlas_privatelink";

/// Everything that is measured.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    calls: Calls,
    reconciles: Reconciles,
    state: Collected,
    missing_crds: Gauge,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let (missing_crds, leader) = (Gauge::default(), Gauge::default());
        registry.register("build", "Version of the operator", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("leader", "1 for the operator that works, 0 for a standby", leader.clone());
        registry.register("crds_missing", "CustomResourceDefinitions that are not installed", missing_crds.clone());
        let (calls, reconciles) = (Calls::registered(&mut registry), Reconciles::registered(&mut registry));
        let state = Collected::default();
        registry.register_collector(Box::new(state.clone()));
        Self { registry: Arc::new(registry), calls, reconciles, state, missing_crds, leader }
    }
}

impl Metrics {
    /// All metrics as text.
    ///
    /// # Errors
    /// When they cannot be formatted.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Reads the state of all objects from there, as long as it lives.
    pub fn read_from(&self, source: Weak<dyn Source>) {
        self.state.read_from(source);
    }

    /// One reconcile has ended, well or not.
    pub fn reconciled(&self, kind: &'static str, took: Duration) {
        self.reconciles.took(kind, took);
    }

    /// A reconcile ended in an error.
    pub fn reconcile_failed(&self, class: ErrorClass) {
        self.reconciles.failed(class);
    }

    /// An object has become Ready.
    pub fn became_ready(&self, kind: &'static str, after: Duration) {
        self.reconciles.became_ready(kind, after);
    }

    /// A deleted object has gone.
    pub fn deleted(&self, kind: &'static str, after: Duration) {
        self.reconciles.deleted(kind, after);
    }

    /// Tells how many CRDs are missing.
    pub fn crds_missing(&self, count: usize) {
        self.missing_crds.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Tells whether this process works.
    pub fn leader(&self, leads: bool) {
        self.leader.set(leads.into());
    }
}
