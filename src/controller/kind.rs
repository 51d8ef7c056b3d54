//! What the driver has to know of a kind: one implementation each in `reconcile::link` and `reconcile::endpoint`.

use super::{
    context::{Care, Context, Objects},
    events::News,
};
use crate::{
    api::CommonStatus,
    atlas::{Caller, Failure, Sent, ids::ProjectId},
    reconcile::{Look, Subject, blocked::Blocked},
};
use jiff::Timestamp;
use kube::{Resource, core::NamespaceResourceScope};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt::Debug, future::Future};

/// A decision: at most one step, and the status and the next look if that step isn't taken or changes nothing.
pub struct Decision<K: Kind> {
    pub step: Option<K::Step>,
    pub status: K::Status,
    pub look: Look,
    /// The look at Atlas that it rests on.
    pub read: Option<Sent>,
}

/// What a step asks for before it may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// It writes to Kubernetes only; the object's resourceVersion guards it.
    Record,
    /// It is a write of the decision's status, after which there is more to decide.
    Status,
    /// It writes to Atlas, and must be decided with this care.
    Atlas(Care),
    /// It writes to another object, and must be decided with this care.
    Kubernetes(Care),
}

/// What came of a step.
pub enum Applied<K> {
    /// The object, as it is now; there may be more to do.
    Changed(Box<K>),
    /// The finalizer is off: nothing is left to do.
    Gone,
    /// Atlas did not take the write.
    Failed(Failure, Box<K>),
}

/// The object as it is after a step that only Kubernetes had to take.
pub fn changed<K>(object: K) -> Result<Applied<K>, kube::Error> {
    Ok(Applied::Changed(Box::new(object)))
}

/// A custom resource and its phases.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// A stable word for metrics.
    const NAME: &'static str;

    type Status: CommonStatus + Send + Sync;
    type Case: Send + Sync;
    type Step: Debug + Send + Sync;

    fn status(&self) -> Option<&Self::Status>;
    fn with_status(&self, status: Self::Status) -> Self;
    fn is_suspended(&self) -> bool;
    /// The Secret that messages name, where the kind knows it.
    fn secret(&self, ctx: &Context) -> String;
    /// Project and region, for the log.
    fn whereabouts(&self, ctx: &Context) -> Option<(String, String)>;
    fn objects(ctx: &Context) -> &Objects<Self>;

    /// Reads only.
    fn resolve(
        &self,
        ctx: &Context,
        subject: Subject,
        care: Care,
    ) -> impl Future<Output = Result<Self::Case, Blocked>> + Send;
    /// Pure: plan and status.
    fn decide(before: &Self::Status, case: &Self::Case, now: Timestamp) -> Decision<Self>;
    fn demand(step: &Self::Step) -> Demand;
    /// The project whose resync interval the object follows.
    fn project(case: &Self::Case) -> Option<ProjectId> {
        Self::caller(case).map(|caller| caller.project)
    }
    /// On whose behalf Atlas is asked in this case.
    fn caller(case: &Self::Case) -> Option<&Caller>;
    /// Takes one step.
    fn apply(
        &self,
        ctx: &Context,
        case: &Self::Case,
        step: Self::Step,
    ) -> impl Future<Output = Result<Applied<Self>, kube::Error>> + Send;

    /// Whether it has, or may have, something in Atlas that it must not go without.
    fn must_be_protected(&self) -> bool;
    /// Whether what is in Atlas has failed or vanished, so that a pause runs before it is made again.
    fn has_failed(status: &Self::Status) -> bool;
    /// What is worth telling about the change from one status to the next.
    fn news(&self, after: &Self::Status) -> Vec<News>;
}
