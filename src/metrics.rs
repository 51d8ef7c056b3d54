//! Metrics in OpenMetrics text. Labels are bounded: words of this program, never names from Atlas or the cluster.

use crate::atlas::observe::{CallReport, Observer};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};
use std::{fmt, sync::Arc};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    operation: &'static str,
    class: &'static str,
    dialect: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
    outcome: &'static str,
}

fn durations() -> Histogram {
    Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

/// Everything that is counted.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    calls: Family<CallLabels, Counter>,
    latency: Family<CallLabels, Histogram, fn() -> Histogram>,
    challenges: Counter,
    reconciles: Family<KindLabels, Counter>,
    missing_crds: Gauge,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("atlas_privatelink");
        let latency = Family::new_with_constructor(durations as fn() -> Histogram);
        let metrics = Self {
            registry: Arc::default(),
            calls: Family::default(),
            latency,
            challenges: Counter::default(),
            reconciles: Family::default(),
            missing_crds: Gauge::default(),
            leader: Gauge::default(),
        };
        registry.register("build", "Version of the operator", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("atlas_calls", "Calls of the Atlas API", metrics.calls.clone());
        registry.register(
            "atlas_call_duration_seconds",
            "How long calls of the Atlas API took",
            metrics.latency.clone(),
        );
        registry.register(
            "atlas_digest_challenges",
            "Requests that Atlas answered with a challenge",
            metrics.challenges.clone(),
        );
        registry.register("reconciles", "Reconciles, by how they ended", metrics.reconciles.clone());
        registry.register(
            "crds_missing",
            "CustomResourceDefinitions that are not installed",
            metrics.missing_crds.clone(),
        );
        registry.register("leader", "1 for the operator that works, 0 for a standby", metrics.leader.clone());
        Self { registry: Arc::new(registry), ..metrics }
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

    /// Counts one reconcile.
    pub fn reconciled(&self, kind: &'static str, outcome: &'static str) {
        self.reconciles.get_or_create(&KindLabels { kind, outcome }).inc();
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

impl Observer for Metrics {
    fn finished(&self, report: &CallReport) {
        let labels = CallLabels {
            operation: report.operation,
            class: report.outcome.map_or_else(|class| class.label(), |()| "ok"),
            dialect: report.dialect.as_str(),
        };
        self.calls.get_or_create(&labels).inc();
        self.latency.get_or_create(&labels).observe(report.latency.as_secs_f64());
        self.challenges.inc_by(report.challenges.into());
    }
}
