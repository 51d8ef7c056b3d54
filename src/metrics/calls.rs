//! Calls of Atlas, and the reads that spared some.

use super::Metrics;
use crate::atlas::{
    error::{Class, Denial},
    observe::{CallReport, Observer, ReadReport},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    operation: &'static str,
    class: &'static str,
    dialect: &'static str,
}

/// Without the class: a histogram is a dozen series, and how long failures took is rarely asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    operation: &'static str,
    dialect: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Read {
    view: &'static str,
    result: &'static str,
}

fn latency() -> Histogram {
    Histogram::new([0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

/// What is counted of calls.
#[derive(Clone)]
pub(super) struct Calls {
    calls: Family<Outcome, Counter>,
    latency: Family<Kind, Histogram, fn() -> Histogram>,
    challenges: Counter,
    held_back: Counter,
    refused: Counter,
    reads: Family<Read, Counter>,
}

impl Calls {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let all = Self {
            calls: Family::default(),
            latency: Family::new_with_constructor(latency as fn() -> Histogram),
            challenges: Counter::default(),
            held_back: Counter::default(),
            refused: Counter::default(),
            reads: Family::default(),
        };
        registry.register("atlas_calls", "Calls of the Atlas API", all.calls.clone());
        registry.register_with_unit(
            "atlas_call_duration",
            "How long calls of the Atlas API took",
            Unit::Seconds,
            all.latency.clone(),
        );
        registry.register(
            "atlas_digest_challenges",
            "Requests that Atlas answered with a challenge and that were sent again",
            all.challenges.clone(),
        );
        registry.register(
            "atlas_calls_held_back",
            "Calls that were not sent because Atlas limits the project's rate",
            all.held_back.clone(),
        );
        registry.register(
            "atlas_credentials_refused",
            "Calls that Atlas refused because of the credential",
            all.refused.clone(),
        );
        registry.register(
            "inventory_reads",
            "Looks at Atlas on behalf of an object: hit if a shared view was recent enough, miss if Atlas was asked",
            all.reads.clone(),
        );
        all
    }
}

impl Observer for Metrics {
    fn finished(&self, report: &CallReport) {
        let (calls, operation, dialect) = (&self.calls, report.operation, report.dialect.as_str());
        let class = report.outcome.map_or_else(Class::label, |()| "ok");
        calls.calls.get_or_create(&Outcome { operation, class, dialect }).inc();
        if report.requests > 0 {
            calls.latency.get_or_create(&Kind { operation, dialect }).observe(report.latency.as_secs_f64());
        }
        calls.challenges.inc_by(report.challenges.into());
        calls.held_back.inc_by(report.held_back.into());
        let refused = report.outcome == Err(Class::Denied(Denial::Credentials)) && report.status.is_some();
        calls.refused.inc_by(refused.into());
    }

    fn read(&self, report: ReadReport) {
        let result = if report.asked { "miss" } else { "hit" };
        self.calls.reads.get_or_create(&Read { view: report.view, result }).inc();
    }
}
