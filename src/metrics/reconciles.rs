//! Reconciles, and how long objects take to come and to go.

use crate::{
    api::{AtlasInterfaceEndpoint, AtlasPrivateLink},
    atlas::error::Class,
    controller::kind::Kind,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};
use std::time::Duration;

/// Why a reconcile did not come to the end that it was after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Atlas did not answer as hoped, now or so recently that it was not asked again.
    Atlas(Class),
    /// Somebody else changed the object meanwhile.
    Conflict,
    /// The Kubernetes API did not take a request.
    Kubernetes,
    /// A watch of the Kubernetes API failed.
    Watch,
    Timeout,
    Panic,
    /// The controller's own queue failed.
    Queue,
}

impl ErrorClass {
    fn label(self) -> &'static str {
        match self {
            Self::Atlas(class) => class.label(),
            Self::Conflict => "conflict",
            Self::Kubernetes => "kubernetes",
            Self::Watch => "watch",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
            Self::Queue => "queue",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failed {
    class: &'static str,
}

type Histograms = Family<Of, Histogram, fn() -> Histogram>;

/// One reconcile, calls of Atlas included.
fn work() -> Histogram {
    Histogram::new([0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 180.0])
}

/// What Atlas needs to make or to remove something.
fn life() -> Histogram {
    Histogram::new([15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0])
}

/// What is counted of reconciles.
#[derive(Clone)]
pub(super) struct Reconciles {
    duration: Histograms,
    errors: Family<Failed, Counter>,
    time_to_ready: Histograms,
    time_to_delete: Histograms,
}

impl Reconciles {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let all = Self {
            duration: Family::new_with_constructor(work as fn() -> Histogram),
            errors: Family::default(),
            time_to_ready: Family::new_with_constructor(life as fn() -> Histogram),
            time_to_delete: Family::new_with_constructor(life as fn() -> Histogram),
        };
        let mut timed = |name, help, histograms: &Histograms| {
            registry.register_with_unit(name, help, Unit::Seconds, histograms.clone());
        };
        timed("reconcile_duration", "How long reconciles took", &all.duration);
        timed(
            "resource_time_to_ready",
            "How long a resource took to become Ready since it was created, or was Ready last",
            &all.time_to_ready,
        );
        timed(
            "resource_time_to_delete",
            "How long a resource took to go after its deletion was asked for",
            &all.time_to_delete,
        );
        // An event that makes its own series cannot be seen as a change: they are all there before it.
        for kind in [AtlasPrivateLink::NAME, AtlasInterfaceEndpoint::NAME] {
            for histograms in [&all.duration, &all.time_to_ready, &all.time_to_delete] {
                drop(histograms.get_or_create(&Of { kind }));
            }
        }
        registry.register("reconcile_errors", "Reconciles that ended in an error", all.errors.clone());
        all
    }

    pub(super) fn took(&self, kind: &'static str, took: Duration) {
        self.duration.get_or_create(&Of { kind }).observe(took.as_secs_f64());
    }

    pub(super) fn failed(&self, class: ErrorClass) {
        self.errors.get_or_create(&Failed { class: class.label() }).inc();
    }

    pub(super) fn became_ready(&self, kind: &'static str, after: Duration) {
        self.time_to_ready.get_or_create(&Of { kind }).observe(after.as_secs_f64());
    }

    pub(super) fn deleted(&self, kind: &'static str, after: Duration) {
        self.time_to_delete.get_or_create(&Of { kind }).observe(after.as_secs_f64());
    }
}
