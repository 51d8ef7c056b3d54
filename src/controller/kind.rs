//! What the driver has to know of a kind: one implementation each in `reconcile::link` and `reconcile::endpoint`.

use super::{
    context::{Care, Context},
    events::News,
    objects::Objects,
};
use crate::{
    api::CommonStatus,
    atlas::{Caller, Failure, Sent},
    reconcile::{Look, Moment, Subject, blocked::Blocked},
};
use jiff::Timestamp;
use kube::{Resource, core::NamespaceResourceScope};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt::Debug, future::Future};

/// What a decision on an object rests on.
pub struct Situation<K: Kind> {
    pub desired: K::Desired,
    pub moment: Moment,
    pub seen: Seen<K>,
}

/// How much had to be looked at.
pub enum Seen<K: Kind> {
    /// The cluster alone decides.
    Cluster(Box<K::Plan>),
    /// Atlas, too, on behalf of this caller.
    Atlas(Box<K::Observed>, Caller),
}

impl<K: Kind> Situation<K> {
    /// On whose behalf Atlas was asked.
    pub fn caller(&self) -> Option<&Caller> {
        match &self.seen {
            Seen::Cluster(_) => None,
            Seen::Atlas(_, caller) => Some(caller),
        }
    }

    /// What to do, and the look at Atlas that it rests on. Pure.
    pub fn decide(&self, before: &K::Status, now: Timestamp) -> (Decision<K>, Option<Sent>) {
        let (plan, read) = match &self.seen {
            Seen::Cluster(plan) => (K::Plan::clone(plan), None),
            Seen::Atlas(observed, _) => (K::plan(&self.desired, observed, &self.moment), Some(K::read(observed))),
        };
        (K::conclude(before, &self.desired, plan, now), read)
    }
}

/// A decision: at most one step, and the status and the next look if that step isn't taken or changes nothing.
pub struct Decision<K: Kind> {
    pub step: Option<K::Step>,
    pub status: K::Status,
    pub look: Look,
}

/// What a step writes, and the care with which it must be decided. What rests on a look at Atlas with more than
/// [`Care::Normal`] is decided, and done, in the project's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// To Kubernetes; the object's resourceVersion guards what it says of itself.
    Kubernetes(Care),
    /// The decision's status, after which there is more to decide.
    Status(Care),
    /// To Atlas.
    Atlas(Care),
}

impl Demand {
    /// The care with which the step must be decided.
    pub fn care(self) -> Care {
        match self {
            Self::Kubernetes(care) | Self::Status(care) | Self::Atlas(care) => care,
        }
    }
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
    /// The Kubernetes kind, as metrics name it.
    const NAME: &'static str;

    type Status: CommonStatus + Send + Sync;
    /// What is wanted, checked, and what the object records of the past.
    type Desired: Send + Sync;
    /// What is there.
    type Observed: Send + Sync;
    type Plan: Clone + Send + Sync;
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
    ) -> impl Future<Output = Result<Situation<Self>, Blocked>> + Send;
    /// Pure: the next step.
    fn plan(desired: &Self::Desired, observed: &Self::Observed, moment: &Moment) -> Self::Plan;
    /// Whether its deletion leaves Atlas as it is, and so goes on while it is suspended.
    fn keeps_all(desired: &Self::Desired) -> bool;
    /// The look at Atlas that the next one is aligned with.
    fn read(observed: &Self::Observed) -> Sent;
    /// Pure: the status that tells the plan.
    fn conclude(before: &Self::Status, desired: &Self::Desired, plan: Self::Plan, now: Timestamp) -> Decision<Self>;
    fn demand(step: &Self::Step) -> Demand;
    /// Takes one step.
    fn apply(
        &self,
        ctx: &Context,
        situation: &Situation<Self>,
        step: Self::Step,
    ) -> impl Future<Output = Result<Applied<Self>, kube::Error>> + Send;

    /// Whether it has, or may have, something in Atlas that it must not go without.
    fn must_be_protected(&self) -> bool;
    /// Whether what is in Atlas has failed or vanished, so that a pause runs before it is made again.
    fn has_failed(status: &Self::Status) -> bool;
    /// What is worth telling about the change from one status to the next, at this time.
    fn news(&self, after: &Self::Status, now: Timestamp) -> Vec<News>;
}
