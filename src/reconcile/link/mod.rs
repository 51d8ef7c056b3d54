//! `AtlasPrivateLink`: one endpoint service for each (project, provider, region).

mod case;
mod create;
pub mod delete;
#[cfg(test)]
mod fixture;
mod kind;
#[cfg(test)]
mod model;
pub mod plan;
pub mod resolve;
pub mod status;
#[cfg(test)]
mod tests;

use super::{
    Farewell, Look, Moment, Subject,
    attempt::{Attempt, AttemptedWrite},
    ownership::{Claim, Heir, ObjectName},
    policy::Disposal,
};
use crate::{
    api::{AdoptionPolicy, Origin, Verdict},
    atlas::{
        ids::{ProjectId, ServiceId},
        inventory::Services,
        model::Service,
        region::Region,
    },
};
use std::collections::BTreeSet;

/// What is wanted, checked, and what the object records of the past.
#[derive(Debug, Clone)]
pub struct Desired {
    pub subject: Subject,
    pub project: ProjectId,
    pub region: Region,
    pub adoption: AdoptionPolicy,
    pub disposal: Disposal,
    pub recorded: Recorded,
}

/// What the object's status and annotations say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    pub service: Option<ServiceId>,
    /// Whether status shows a state of it.
    pub stands: bool,
    pub origin: Option<Origin>,
    pub attempt: Option<Attempt>,
    /// How many times a failed service has been taken away to be made again.
    pub tries: u32,
    /// The name of the service, where it has one.
    pub service_name: Option<String>,
}

impl Recorded {
    /// The attempt to create a service, unless it is known what came of it. That status records a service is no proof: one
    /// that it has adopted is another's work, found while the attempt's own request was still on its way; and of several
    /// requests it may be the first work of two, if it was taken away before the next one arrived.
    pub fn unsettled_creation(&self, moment: &Moment) -> Option<&Attempt> {
        let attempt = self.attempt.as_ref().filter(|attempt| attempt.write == AttemptedWrite::CreateService)?;
        let is_all = || self.origin == Some(Origin::Created) && !attempt.is_repeat() && attempt.is_over(moment);
        let settles = |id| attempt.refusal.is_some() || !attempt.may_have_made(id) || is_all();
        let settled = self.service.is_some_and(|id| !attempt.shown.contains(&id) && settles(id));
        (!settled).then_some(attempt)
    }
}

/// What is there.
#[derive(Debug, Clone)]
pub struct Observed {
    pub services: Services,
    /// The other links of the same key.
    pub others: Vec<Sharer>,
    /// The services that any other link of the project records.
    pub recorded_elsewhere: BTreeSet<ServiceId>,
    /// The endpoints that name this link.
    pub dependents: Vec<Dependent>,
}

/// Another link of the same key, and what it records.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sharer {
    pub service: Option<ServiceId>,
    pub attempt: Option<Attempt>,
    pub claim: Claim,
}

impl Sharer {
    /// Whether it will never record this service as it is: it is suspended, and has another one.
    fn stays_with_another(&self, id: ServiceId) -> bool {
        self.claim.suspended && self.service.is_some_and(|service| service != id) && !self.may_have_made(id)
    }

    /// Whether it has asked for a service of which it does not know what came, and this may be it.
    fn may_have_made(&self, id: ServiceId) -> bool {
        let unknown = |attempt: &&Attempt| {
            let recorded = self.service.is_some_and(|service| !attempt.shown.contains(&service));
            attempt.write == AttemptedWrite::CreateService && attempt.refusal.is_none() && !recorded
        };
        self.attempt.as_ref().filter(unknown).is_some_and(|attempt| attempt.may_have_made(id))
    }
}

/// An `AtlasInterfaceEndpoint` that names the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    pub object: ObjectName,
    pub live: bool,
    /// Whether it still has something in Atlas that it has to take away through this link.
    pub has_ours: bool,
}

/// The one next thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Set the finalizer, before status records an origin.
    Protect,
    /// Record the attempt, then create the service.
    Create(Attempt),
    /// Record the attempt, then delete a failed service in order to create it again.
    DeleteFailed(ServiceId, Attempt),
    /// Write into the attempt that Atlas refused it.
    RecordRefusal(Attempt),
    /// Record in status which service is about to be deleted, or that one is gone.
    RecordService,
    /// Delete the service, because the resource is being deleted.
    Delete(ServiceId),
    /// Record in the heir's status that the service is now its own.
    HandOver(Heir, ServiceId, Origin),
    /// Remove the finalizer.
    LetGo(Farewell),
}

/// What status is to show of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facts {
    /// What it showed before.
    Unchanged,
    /// This service.
    Seen(Box<Service>, Origin),
    /// The recorded service is gone from Atlas; its id stays recorded until it is replaced.
    Vanished,
}

/// A decision: at most one step, and what to say and when to look again if that step isn't taken or changes nothing.
#[derive(Debug, Clone)]
pub struct Plan {
    pub step: Option<Step>,
    pub facts: Facts,
    pub verdict: Verdict,
    pub look: Look,
    /// See [`Recorded::tries`].
    pub tries: u32,
}
