//! The Atlas Administration API: typed calls in, typed answers out, whichever dialect Atlas speaks.
//!
//! A call goes: [`Atlas`] (one method for each operation) → dialect (path and body) → project gate (rate budget, one
//! write at a time) → authentication → [`transport::Transport`] → decoding or [`error::AtlasError`].

mod auth;
mod budget;
mod call;
mod classify;
pub mod credential;
mod detail;
pub mod dialect;
pub mod error;
mod headers;
pub mod https;
pub mod ids;
pub mod inventory;
pub mod model;
pub mod observe;
pub(crate) mod order;
pub mod region;
mod shared;
#[cfg(test)]
mod tests;
pub mod transport;
mod turnstile;
pub mod url;

use crate::clock::Clock;
use auth::Authenticator;
use budget::{Budgets, Jitter};
use call::{Call, Told};
use credential::Credential;
use dialect::{Dialect, Operation, Unreadable};
use error::AtlasError;
use ids::{EndpointId, ProjectId, ServiceId};
use jiff::Timestamp;
use model::{Endpoint, Service};
use observe::{Observer, Unobserved};
use order::Order;
use region::{Provider, Region};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use transport::Transport;
use url::BaseUrl;

/// The place of an event in the order of this process; later is greater. Requests take one when they are handed to
/// the transport, and whatever else must be compared with them takes one when it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(u64);

impl Sequence {
    /// Before every request.
    pub const FIRST: Self = Self(0);

    /// A place made by hand, for tests of what is decided on it.
    #[cfg(test)]
    pub fn fixture(place: u64) -> Self {
        Self(place)
    }
}

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
    pub error: Box<AtlasError>,
    pub sent: Option<Sent>,
    /// When it was known to have failed.
    pub at: Instant,
}

/// How the client is to behave.
#[derive(Clone)]
pub struct AtlasConfig {
    pub base: BaseUrl,
    pub dialect: Dialect,
    /// How long a call may take: authentication included, waiting for the project's turn to write excluded. 30 s.
    pub deadline: Duration,
    /// How long a digest nonce is used. 45 s, for Atlas' own limit is taken to be 60 s (atlas-api.md §3).
    pub session_lifetime: Duration,
    /// Tells the time where an answer doesn't.
    pub clock: Clock,
    /// Spreads retries; a constant makes a test repeatable.
    pub jitter_seed: u64,
    /// Is told of every finished call.
    pub observer: Arc<dyn Observer>,
}

impl AtlasConfig {
    /// The defaults.
    pub fn new(base: BaseUrl, dialect: Dialect) -> Self {
        Self {
            base,
            dialect,
            deadline: Duration::from_secs(30),
            session_lifetime: Duration::from_secs(45),
            clock: Clock::system(),
            jitter_seed: rand::random(),
            observer: Arc::new(Unobserved),
        }
    }
}

/// The client. Cheap to clone; clones share sessions, tokens, budgets and the order of requests.
#[derive(Clone)]
pub struct Atlas {
    inner: Arc<Inner>,
}

struct Inner {
    config: AtlasConfig,
    transport: Arc<dyn Transport>,
    auth: Authenticator,
    budgets: Budgets,
    jitter: Jitter,
    order: Order,
}

impl Atlas {
    /// A client that sends through `transport`.
    pub fn new(config: AtlasConfig, transport: Arc<dyn Transport>) -> Self {
        let jitter = Jitter::new(config.jitter_seed);
        let inner = Inner {
            auth: Authenticator::new(config.session_lifetime),
            budgets: Budgets::new(jitter.clone()),
            order: Order::default(),
            jitter,
            config,
            transport,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The dialect it speaks.
    pub fn dialect(&self) -> Dialect {
        self.inner.config.dialect
    }

    /// Forgets sessions and tokens whose time is over.
    pub fn forget_expired_secrets(&self) {
        self.inner.auth.forget_expired(Instant::now());
    }

    /// Takes the next place in the order.
    pub fn sequence(&self) -> Sequence {
        self.inner.order.next()
    }

    /// All services of the caller's project at `provider` (v1.0: AWS).
    ///
    /// # Errors
    /// As [`error::Class`] says. One service that can't be read fails the whole list.
    pub async fn list_services(&self, caller: &Caller, provider: Provider) -> Result<Answer<Vec<Service>>, Failure> {
        let call = Call { caller, operation: Operation::ListServices(provider), basis: None };
        self.inner.call(call, |told| self.dialect().services(provider, told.body)).await
    }

    /// One service.
    ///
    /// # Errors
    /// As [`error::Class`] says; `Missing` merely asks for a LIST.
    pub async fn get_service(
        &self,
        caller: &Caller,
        provider: Provider,
        id: ServiceId,
    ) -> Result<Answer<Service>, Failure> {
        let call = Call { caller, operation: Operation::GetService(provider, id), basis: None };
        let read = |told: Told<'_>| {
            let service = self.dialect().service(provider, told.body)?;
            same(&service.id, &id).map(|()| service)
        };
        self.inner.call(call, read).await
    }

    /// Creates the service of `region`; GCP with port mapping.
    ///
    /// # Errors
    /// As [`error::Class`] and [`error::Effect`] say.
    pub async fn create_service(
        &self,
        caller: &Caller,
        region: &Region,
        basis: &Basis,
    ) -> Result<Answer<Service>, Failure> {
        let call = Call { caller, operation: Operation::CreateService(region), basis: Some(basis) };
        let read = |told: Told<'_>| {
            let service = self.dialect().service(region.provider(), told.body)?;
            let elsewhere = service.region.as_ref().is_some_and(|named| named != region);
            if elsewhere || !told.is_recent(&service.id) { Err(another()) } else { Ok(service) }
        };
        self.inner.call(call, read).await
    }

    /// Deletes a service. Atlas takes its time: it is gone when a LIST doesn't show it any more.
    ///
    /// # Errors
    /// As [`error::Class`] and [`error::Effect`] say.
    pub async fn delete_service(
        &self,
        caller: &Caller,
        provider: Provider,
        id: ServiceId,
        basis: &Basis,
    ) -> Result<Answer<()>, Failure> {
        let call = Call { caller, operation: Operation::DeleteService(provider, id), basis: Some(basis) };
        self.inner.call(call, |told| self.dialect().nothing(told.body)).await
    }

    /// One AWS endpoint of a service.
    ///
    /// # Errors
    /// As [`error::Class`] says; `Missing` merely asks for a LIST, and does not tell whether the endpoint or its
    /// service is missing (atlas-api.md §9.3).
    pub async fn get_endpoint(
        &self,
        caller: &Caller,
        service: ServiceId,
        id: &EndpointId,
    ) -> Result<Answer<Endpoint>, Failure> {
        let call = Call { caller, operation: Operation::GetEndpoint(service, id), basis: None };
        self.inner.call(call, |told| self.endpoint(told.body, id)).await
    }

    /// Attaches an AWS endpoint to a service.
    ///
    /// # Errors
    /// As [`error::Class`] and [`error::Effect`] say; an answer about another endpoint than the one sent leaves the
    /// effect unknown.
    pub async fn add_endpoint(
        &self,
        caller: &Caller,
        service: ServiceId,
        id: &EndpointId,
        basis: &Basis,
    ) -> Result<Answer<Endpoint>, Failure> {
        let call = Call { caller, operation: Operation::AddEndpoint(service, id), basis: Some(basis) };
        self.inner.call(call, |told| self.endpoint(told.body, id)).await
    }

    /// Detaches an AWS endpoint. Atlas takes its time, and may remove the service with its last endpoint.
    ///
    /// # Errors
    /// As [`error::Class`] and [`error::Effect`] say.
    pub async fn remove_endpoint(
        &self,
        caller: &Caller,
        service: ServiceId,
        id: &EndpointId,
        basis: &Basis,
    ) -> Result<Answer<()>, Failure> {
        let call = Call { caller, operation: Operation::RemoveEndpoint(service, id), basis: Some(basis) };
        self.inner.call(call, |told| self.dialect().nothing(told.body)).await
    }

    fn endpoint(&self, body: &[u8], asked: &EndpointId) -> Result<Endpoint, Unreadable> {
        let endpoint = self.dialect().endpoint(body)?;
        same(&endpoint.id, asked).map(|()| endpoint)
    }
}

/// An answer about one object must be about the one asked for: an example of the original pages isn't
/// (atlas-api.md §9.7), and to believe it would be to take another's object for ours.
fn same<T: PartialEq>(told: &T, asked: &T) -> Result<(), Unreadable> {
    if told == asked { Ok(()) } else { Err(another()) }
}

fn another() -> Unreadable {
    Unreadable("it is about another object than the one asked for".into())
}
