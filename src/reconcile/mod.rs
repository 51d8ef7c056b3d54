//! Decisions. One object at a time goes through four phases, always in this order; the signature says what a phase may
//! touch:
//!
//! | phase | touches | gives |
//! |---|---|---|
//! | `resolve` | Kubernetes and Atlas, reads only | what is wanted and what is there, or why that cannot be told |
//! | `plan` | nothing: pure | at most one next step, what to say about the object, and when to look again |
//! | `apply` | that one step: its record in Kubernetes, then its write to Atlas | its outcome |
//! | `status` | nothing: pure | the new status |
//!
//! [`crate::controller::driver`] runs them. What both kinds share stands beside `link` and `endpoint`, once.

pub mod attempt;
pub mod blocked;
pub mod endpoint;
#[cfg(test)]
mod fixture;
pub mod link;
pub mod ownership;
pub mod policy;
pub mod report;
pub mod retry;

use crate::{
    api::{FINALIZER, LONGEST_STATUS_TEXT, RECONCILE_ANNOTATION},
    atlas::ids::{EndpointId, ServiceId},
    reconcile::{
        attempt::{AttemptMemory, Holder},
        ownership::ObjectName,
    },
};
use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use std::collections::BTreeSet;
use tokio::time::Instant;

/// What the metadata of an object says that decisions rest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub object: ObjectName,
    pub uid: String,
    pub generation: Option<i64>,
    pub created: Timestamp,
    /// With deletionTimestamp.
    pub deleting: bool,
    /// Has our finalizer.
    pub protected: bool,
    pub suspended: bool,
    /// The value of the annotation that asks for a reconcile.
    pub request: Option<String>,
}

impl Subject {
    pub fn of(object: &impl Resource, suspended: bool) -> Self {
        let meta = object.meta();
        Self {
            object: ObjectName { namespace: object.namespace().unwrap_or_default(), name: object.name_any() },
            uid: meta.uid.clone().unwrap_or_default(),
            generation: meta.generation,
            created: meta.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            deleting: meta.deletion_timestamp.is_some(),
            protected: meta.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER),
            suspended,
            request: meta
                .annotations
                .as_ref()
                .and_then(|all| all.get(RECONCILE_ANNOTATION))
                .map(|value| value.chars().take(LONGEST_STATUS_TEXT).collect()),
        }
    }
}

/// Who decides, when, and what it remembers of the object: the only inputs of a plan that are not observations.
#[derive(Debug, Clone)]
pub struct Moment {
    pub holder: Holder,
    pub now: Instant,
    /// Atlas' wall time now.
    pub atlas_time: Timestamp,
    pub attempt: AttemptMemory,
    /// Since when the object has been seen failed (service FAILED, endpoint REJECTED).
    pub failed_since: Option<Instant>,
    /// The endpoints whose removal Atlas has confirmed to this process on behalf of the object.
    pub removed: BTreeSet<(ServiceId, EndpointId)>,
}

/// When to look again, if nothing happens before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Something moves in Atlas: at the next aligned poll.
    Poll,
    /// Nothing moves: at the next aligned resync.
    Resync,
    /// Something in this cluster is about to come: shortly.
    Shortly,
    /// At this instant, or at the next poll if that is later.
    At(Instant),
    /// Only when something changes.
    Never,
}

/// What a deletion says that the operator has done with, and others have not.
const RELEASED: &str =
    "the operator has done with it: it goes as soon as nobody else holds it (see metadata.finalizers)";
/// What a deletion says that leaves Atlas as it is, while an earlier request may still arrive there.
const STAYS: &str = "what it has stays in Atlas; the resource goes as soon as no earlier request to Atlas can be under way any more, within two minutes";

/// What became of Atlas' side when the resource went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    NothingWasThere,
    Deleted,
    Kept,
    HandedOver,
}
