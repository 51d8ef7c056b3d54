//! The Atlas Administration API: typed calls in, typed answers out, whichever dialect Atlas speaks.
//!
//! A call goes: [`Atlas`] (one method for each operation) → dialect (path and body) → project gate (rate budget, one
//! write at a time) → authentication → [`transport::Transport`] → decoding or [`error::AtlasError`].

pub mod credential;
pub mod error;
pub mod ids;
pub mod model;
pub mod region;
pub mod transport;

use credential::Credential;
use error::AtlasError;
use ids::{EndpointId, ProjectId, ServiceId};
use jiff::Timestamp;
use model::{Endpoint, Service};
use region::{Provider, Region};
use std::sync::Arc;
use tokio::time::Instant;

/// The place of an event in the order of this process; later is greater. Requests take one when they are handed to
/// the transport, and whatever else must be compared with them takes one when it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u64);

/// When a request was handed to the transport (the last time, if authentication took two).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub sequence: Sequence,
    pub at: Instant,
}

/// A successful answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    pub value: T,
    pub sent: Sent,
    /// The answer's `Date` header: Atlas' wall time.
    pub date: Option<Timestamp>,
}

/// On whose behalf a call is made.
#[derive(Clone)]
pub struct Caller {
    pub credential: Arc<Credential>,
    pub project: ProjectId,
}

/// What a write changes; two writes of the same key are never decided on the same read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum WriteKey {
    Service(ProjectId, Region),
    Endpoint(ServiceId, EndpointId),
}

/// What a write rests on (design.md, safety rule 1): it is dropped, not sent, if that read is more than ten seconds
/// old, or another write of the same key was sent since.
#[derive(Debug, Clone)]
pub struct Basis {
    pub key: WriteKey,
    pub read: Sent,
}

/// A failed call, and when it was handed to the transport (`None`: it never was).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    pub error: AtlasError,
    pub sent: Option<Sent>,
}

/// The client. Cheap to clone; clones share sessions, tokens, budgets and the order of requests.
#[derive(Clone)]
pub struct Atlas {}

#[allow(unused_variables)]
impl Atlas {
    /// Takes the next place in the order.
    pub fn sequence(&self) -> Sequence {
        unimplemented!()
    }

    /// All services of the caller's project at `provider` (v1.0: AWS).
    pub async fn list_services(&self, caller: &Caller, provider: Provider) -> Result<Answer<Vec<Service>>, Failure> {
        unimplemented!()
    }

    pub async fn get_service(
        &self,
        caller: &Caller,
        provider: Provider,
        id: ServiceId,
    ) -> Result<Answer<Service>, Failure> {
        unimplemented!()
    }

    /// Creates the service of `region`; GCP with port mapping.
    pub async fn create_service(
        &self,
        caller: &Caller,
        region: &Region,
        basis: &Basis,
    ) -> Result<Answer<Service>, Failure> {
        unimplemented!()
    }

    pub async fn delete_service(
        &self,
        caller: &Caller,
        provider: Provider,
        id: ServiceId,
        basis: &Basis,
    ) -> Result<Answer<()>, Failure> {
        unimplemented!()
    }

    pub async fn get_endpoint(
        &self,
        caller: &Caller,
        service: ServiceId,
        id: &EndpointId,
    ) -> Result<Answer<Endpoint>, Failure> {
        unimplemented!()
    }

    pub async fn add_endpoint(
        &self,
        caller: &Caller,
        service: ServiceId,
        id: &EndpointId,
        basis: &Basis,
    ) -> Result<Answer<Endpoint>, Failure> {
        unimplemented!()
    }

    pub async fn remove_endpoint(
        &self,
        caller: &Caller,
        service: ServiceId,
        id: &EndpointId,
        basis: &Basis,
    ) -> Result<Answer<()>, Failure> {
        unimplemented!()
    }
}
