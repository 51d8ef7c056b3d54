//! `AtlasInterfaceEndpoint`: one endpoint attached to the service of a link.

mod case;
mod connection;
pub mod delete;
#[cfg(test)]
mod fixture;
mod kind;
pub mod link;
pub mod plan;
pub mod resolve;
mod sharers;
pub mod status;
#[cfg(test)]
mod tests;

use super::{
    Farewell, Look, Subject,
    attempt::Attempt,
    ownership::{Claim, Heir, ObjectName},
    policy::Disposal,
};
use crate::{
    api::{Origin, Verdict},
    atlas::{
        Sent,
        ids::{EndpointId, ProjectId, ServiceId},
        inventory::{Services, View},
        model::Endpoint,
    },
};

/// An endpoint of a service: the key of this kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    pub service: ServiceId,
    pub endpoint: EndpointId,
}

/// An id is not changed again while so many old endpoints are attached. Status has room for one more (CRD,
/// `status.retiring`): what an unanswered request turns out to have attached.
pub const MOST_RETIRING: usize = 15;

/// One that the object has, or had, and how it came by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub attachment: Attachment,
    pub origin: Origin,
}

impl Held {
    /// Why it stays attached: those with these names would be cut off.
    fn stays_for(&self, names: &str) -> String {
        format!(
            "{} stays attached for {names}, where what replaces it is not connected yet, or it is wanted back",
            self.attachment.endpoint
        )
    }
}

impl Recorded {
    /// All that it has.
    pub fn all(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().chain(&self.retiring)
    }
}

/// What is wanted, checked, and what the object records of the past.
#[derive(Debug, Clone)]
pub struct Desired {
    pub subject: Subject,
    /// The link's; `None` while it isn't looked for.
    pub project: Option<ProjectId>,
    /// What is to be attached; `None` while an object is being deleted that never knew it.
    pub target: Option<Attachment>,
    /// Whether the link is being deleted, and nothing new is to be attached to it.
    pub link_leaving: bool,
    /// The id is read from a ConfigMap, which nobody watches.
    pub id_may_change: bool,
    pub disposal: Disposal,
    pub recorded: Recorded,
}

/// What the object's status and annotations say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// The project of what it has.
    pub project: Option<ProjectId>,
    pub held: Option<Held>,
    /// Whether status shows a connection of it.
    pub connected: bool,
    pub retiring: Vec<Held>,
    pub attempt: Option<Attempt>,
    /// How many times a rejected endpoint has been taken away to be added again.
    pub tries: u32,
}

/// What is there.
#[derive(Debug, Clone)]
pub struct Observed {
    pub services: Services,
    /// The endpoint in question (the held one, else the target), if the service lists it: `None` if it doesn't.
    pub endpoint: Option<View<Endpoint>>,
    /// The other objects that name one of the attachments in question.
    pub others: Vec<(Attachment, Claim)>,
    /// Other objects of which it is not known yet what they name.
    pub unheard: Vec<Claim>,
}

impl Observed {
    /// The older of the looks at list and connection.
    pub fn oldest(&self) -> Sent {
        let list = self.services.read;
        let endpoint = self.endpoint.as_ref().map(|endpoint| endpoint.read);
        endpoint.filter(|read| read.sequence < list.sequence).unwrap_or(list)
    }

    /// The look at Atlas that the next one is aligned with.
    pub fn read(&self) -> Sent {
        match &self.endpoint {
            Some(endpoint) => endpoint.read,
            None => self.services.read,
        }
    }
}

/// Whether Atlas lists the endpoint, in whatever state.
fn lists(services: &Services, attachment: &Attachment) -> bool {
    let service = services.value.iter().find(|service| service.id == attachment.service);
    service.is_some_and(|service| service.has_endpoint(&attachment.endpoint))
}

/// The one next thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Set the finalizer, before status records an origin.
    Protect,
    /// Record in status that the old endpoint is to be detached later, or is wanted again, or that it has vanished, or
    /// whose the new one is.
    Retire,
    /// The same, of an old endpoint that this object also has, and goes on to look after.
    Leave(ObjectName),
    /// Record the attempt, then attach the endpoint.
    Add(Attachment, Attempt),
    /// Record the attempt, then detach a rejected endpoint in order to attach it again.
    RemoveFailed(Attachment, Attempt),
    /// Record the attempt, then detach an endpoint that was replaced.
    RemoveRetired(Attachment, Attempt),
    /// Write into the attempt that Atlas refused it, or that nothing has come of it.
    RecordRefusal(Attempt),
    /// Detach an endpoint, because the resource is being deleted.
    Remove(Attachment),
    /// Record in the heir's status that the attachment is now its own.
    HandOver(Heir, Held),
    /// Remove the finalizer; this is what became of each attachment.
    LetGo(Vec<Parting>),
}

impl Step {
    fn writes_to_atlas(&self) -> bool {
        match self {
            Self::Add(..) | Self::RemoveFailed(..) | Self::RemoveRetired(..) | Self::Remove(_) => true,
            Self::Protect
            | Self::Retire
            | Self::Leave(_)
            | Self::RecordRefusal(_)
            | Self::HandOver(..)
            | Self::LetGo(_) => false,
        }
    }
}

/// What became of one attachment when the object went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parting {
    pub attachment: Attachment,
    pub farewell: Farewell,
}

/// What status is to show of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Facts {
    /// What it showed before.
    Unchanged,
    /// This endpoint.
    Seen(Held, Box<Endpoint>),
    /// The recorded endpoint is not attached any more; its id stays recorded.
    Vanished,
    /// This one is held again, after it had gone to `retiring`.
    Restored(Held),
    /// Nothing is held (the old endpoint has gone to `retiring`).
    Nothing,
}

/// A decision: at most one step, and what to say and when to look again if that step isn't taken or changes nothing.
#[derive(Debug, Clone)]
pub struct Plan {
    pub step: Option<Step>,
    pub facts: Facts,
    pub retiring: Vec<Held>,
    pub verdict: Verdict,
    pub look: Look,
    /// See [`Recorded::tries`].
    pub tries: u32,
}

/// When an attachment has its turn, of several that an object gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// What asks nothing of Atlas goes on while nothing may be asked of it: a hand-over, above all.
    Recorded,
    InOrder,
    /// Others need it, which may be long.
    HeldBack,
}

impl Plan {
    /// With the turn of what nobody else needs.
    fn in_turn(self) -> (Turn, Self) {
        let recorded = self.step.as_ref().is_some_and(|step| !step.writes_to_atlas());
        (if recorded { Turn::Recorded } else { Turn::InOrder }, self)
    }

    /// Of plans for one attachment each, the one whose turn it is.
    fn foremost(plans: impl IntoIterator<Item = (Turn, Self)>) -> Option<Self> {
        plans.into_iter().min_by_key(|(turn, _)| *turn).map(|(_, plan)| plan)
    }
}
