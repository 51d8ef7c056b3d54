//! What is, as opposed to what happened: read from its source at each scrape.

use crate::atlas::{ids::ProjectId, region::Provider};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

/// One object.
#[derive(Debug, Clone)]
pub struct ObjectState {
    pub kind: &'static str,
    pub namespace: String,
    pub name: String,
    pub ready: bool,
    pub conditions: Vec<Condition>,
    pub suspended: bool,
    /// It waits longer and longer between tries.
    pub in_backoff: bool,
    pub deletion_asked_at: Option<Timestamp>,
    /// How often what was gone from Atlas has been made again for it.
    pub drift_repaired: u64,
}

/// What is known of one project at one provider.
#[derive(Debug, Clone)]
pub struct ProjectState {
    pub project: ProjectId,
    pub provider: Provider,
    /// What Atlas' last answer left of the project's budget.
    pub budget: Option<u64>,
    /// How old the last list is.
    pub age: Option<Duration>,
}

/// Everything that is.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub objects: Vec<ObjectState>,
    pub projects: Vec<ProjectState>,
}

/// Who knows the state.
pub trait Source: Send + Sync {
    /// The state now.
    fn state(&self) -> State;
}

/// Where the state is read from: nowhere, until there is a source.
#[derive(Clone, Default)]
pub(super) struct Collected(Arc<Mutex<Option<Weak<dyn Source>>>>);

impl Collected {
    pub(super) fn read_from(&self, source: Weak<dyn Source>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    fn state(&self) -> Option<State> {
        let source = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        source?.upgrade().map(|source| source.state())
    }
}

impl fmt::Debug for Collected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collected")
    }
}

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let state = self.state().unwrap_or_default();
        objects(&mut encoder, &state.objects)?;
        projects(&mut encoder, &state.projects)
    }
}

fn objects(encoder: &mut DescriptorEncoder, all: &[ObjectState]) -> Result<(), fmt::Error> {
    let mut ready = family(encoder, "resource_ready", "1 if the resource is Ready, else 0", None)?;
    all.iter().try_for_each(|object| gauge(&mut ready, &labels(object), u32::from(object.ready)))?;
    let mut conditions = family(encoder, "resource_condition", "1 for each condition that the resource has", None)?;
    for object in all {
        object.conditions.iter().try_for_each(|condition| tell(&mut conditions, object, condition))?;
    }
    let mut suspended = family(encoder, "resource_suspended", "1 if the resource is suspended, else 0", None)?;
    all.iter().try_for_each(|object| gauge(&mut suspended, &labels(object), u32::from(object.suspended)))?;
    let what = "When the deletion of the resource was asked for, in Unix time; absent before";
    let mut deletion = family(encoder, "resource_deletion_timestamp", what, Some(&Unit::Seconds))?;
    for (object, at) in all.iter().filter_map(|object| Some((object, object.deletion_asked_at?))) {
        gauge(&mut deletion, &labels(object), at.as_second())?;
    }
    let what = "How often what had gone from Atlas was there again for the resource, since the operator started";
    let mut repaired = encoder.encode_descriptor("resource_drift_repaired", what, None, MetricType::Counter)?;
    all.iter().try_for_each(|object| counter(&mut repaired, &labels(object), object.drift_repaired))?;
    let mut backoff = family(encoder, "resources_in_backoff", "Resources that wait before they are tried again", None)?;
    in_backoff(all).into_iter().try_for_each(|(kind, count)| gauge(&mut backoff, &[("kind", kind)], count))
}

fn projects(encoder: &mut DescriptorEncoder, all: &[ProjectState]) -> Result<(), fmt::Error> {
    let what = "What the last answer of Atlas left of the project's rate limit";
    let mut budget = family(encoder, "atlas_rate_limit_remaining", what, None)?;
    // One budget serves all providers of a project.
    let left: BTreeMap<_, _> =
        all.iter().filter_map(|state| Some((state.project.to_string(), state.budget?))).collect();
    left.iter().try_for_each(|(project, left)| gauge(&mut budget, &[("project", project.as_str())], *left))?;
    let what = "Time since the last list of the project's services was asked for";
    let mut ages = family(encoder, "inventory_age", what, Some(&Unit::Seconds))?;
    for (state, age) in all.iter().filter_map(|state| Some((state, state.age?))) {
        let project = state.project.to_string();
        gauge(&mut ages, &[("project", project.as_str()), ("provider", state.provider.as_str())], age.as_secs_f64())?;
    }
    Ok(())
}

fn labels(object: &ObjectState) -> [(&'static str, &str); 3] {
    [("kind", object.kind), ("namespace", &object.namespace), ("name", &object.name)]
}

fn tell(family: &mut MetricEncoder, object: &ObjectState, condition: &Condition) -> Result<(), fmt::Error> {
    let [kind, namespace, name] = labels(object);
    let (type_, status) = (("type", condition.type_.as_str()), ("status", condition.status.as_str()));
    gauge(family, &[kind, namespace, name, type_, status, ("reason", condition.reason.as_str())], 1_u32)
}

fn in_backoff(all: &[ObjectState]) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for object in all {
        *counts.entry(object.kind).or_default() += u64::from(object.in_backoff);
    }
    counts
}

fn family<'s>(
    encoder: &'s mut DescriptorEncoder,
    name: &'s str,
    help: &str,
    unit: Option<&'s Unit>,
) -> Result<MetricEncoder<'s>, fmt::Error> {
    encoder.encode_descriptor(name, help, unit, MetricType::Gauge)
}

fn gauge<L: EncodeLabelSet>(
    family: &mut MetricEncoder,
    labels: &L,
    value: impl EncodeGaugeValue,
) -> Result<(), fmt::Error> {
    family.encode_family(labels)?.encode_gauge(&value)
}

fn counter<L: EncodeLabelSet>(
    family: &mut MetricEncoder,
    labels: &L,
    value: impl EncodeCounterValue,
) -> Result<(), fmt::Error> {
    family.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
}
