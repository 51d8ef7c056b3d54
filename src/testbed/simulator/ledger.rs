//! Everything that happened, in order: requests with their effects, and effects without a request. Tests judge by it.

use super::{
    lifecycle::{EndpointState, ServiceState},
    regions::Provider,
    route::{Dialect, Operation},
};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::{ops::Deref, sync::Arc};

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Effect {
    None,
    /// With all that the service will be called at its provider.
    ServiceCreated {
        project: String,
        provider: Provider,
        region: String,
        port_mapped: bool,
        service: String,
        #[serde(skip)]
        names: Vec<String>,
    },
    ServiceChanged {
        project: String,
        service: String,
        state: ServiceState,
    },
    ServiceDeleteRequested {
        project: String,
        service: String,
    },
    ServiceGone {
        project: String,
        service: String,
    },
    EndpointAdded {
        project: String,
        service: String,
        endpoint: String,
    },
    EndpointChanged {
        project: String,
        service: String,
        endpoint: String,
        state: EndpointState,
    },
    EndpointDeleteRequested {
        project: String,
        service: String,
        endpoint: String,
    },
    EndpointGone {
        project: String,
        service: String,
        endpoint: String,
    },
    ProjectDeleted {
        project: String,
    },
    ProjectRestored {
        project: String,
    },
    CredentialChanged {
        name: String,
    },
    TokenIssued {
        client: String,
    },
    TokensRevoked,
}

/// Why it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "cause", rename_all = "kebab-case")]
pub enum Cause {
    /// Somebody asked.
    Request(Request),
    /// A delay has passed.
    ByItself,
    /// The test, or the admin API, did it.
    BehindTheBack,
}

/// A request. There is never a secret, a header or a body in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    pub method: String,
    /// Percent-encoded, as it came, without the query.
    pub path: String,
    pub operation: Option<Operation>,
    pub dialect: Option<Dialect>,
    /// The public key or client id that was proved.
    pub caller: Option<String>,
    /// The status that was answered; `None`: no answer (yet).
    pub status: Option<u16>,
    /// Whether the answer was a 401 of the authentication itself.
    pub challenged: bool,
    /// The name of the fault that was applied.
    pub fault: Option<&'static str>,
    pub duration_ms: Option<u64>,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The place in the order in which requests came in and effects were noticed.
    pub order: u64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub cause: Cause,
    pub effect: Effect,
}

impl Entry {
    /// The request, if it was one.
    pub fn request(&self) -> Option<&Request> {
        match &self.cause {
            Cause::Request(request) => Some(request),
            Cause::ByItself | Cause::BehindTheBack => None,
        }
    }
}

/// Project, provider, region, and whether a GCP service is port-mapped: at most one live service may have it.
pub type Key = (String, Provider, String, bool);

/// All lines, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger(Arc<Vec<Entry>>);

impl Serialize for Ledger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_slice().serialize(serializer)
    }
}

impl Deref for Ledger {
    type Target = [Entry];
    fn deref(&self) -> &[Entry] {
        &self.0
    }
}

impl Ledger {
    pub(super) fn push(&mut self, at: Timestamp, cause: Cause, effect: Effect) -> u64 {
        let order = self.0.len() as u64;
        Arc::make_mut(&mut self.0).push(Entry { order, at, cause, effect });
        order
    }

    /// Changes the entry of a request that is under way.
    pub(super) fn amend(&mut self, order: u64, change: impl FnOnce(&mut Request, &mut Effect)) {
        let entry = usize::try_from(order).ok().and_then(|index| Arc::make_mut(&mut self.0).get_mut(index));
        if let Some(Entry { cause: Cause::Request(request), effect, .. }) = entry {
            change(request, effect);
        }
    }

    /// The requests, without those that were only challenged.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.0.iter().filter_map(Entry::request).filter(|request| !request.challenged)
    }

    /// How many requests asked for `operation`, not counting those that were only challenged.
    pub fn count(&self, operation: Operation) -> usize {
        self.requests().filter(|request| request.operation == Some(operation)).count()
    }

    /// How many services requests have made, by key; those made behind the back don't count.
    pub fn creates(&self) -> BTreeMap<Key, usize> {
        let mut creates = BTreeMap::new();
        for entry in self.0.iter().filter(|entry| entry.request().is_some()) {
            if let Some((key, _)) = created(&entry.effect) {
                *creates.entry(key).or_default() += 1;
            }
        }
        creates
    }

    /// The keys of which more than one service ever lived at a time, whoever made them.
    pub fn ever_more_than_one_live(&self) -> BTreeSet<Key> {
        let mut live: BTreeMap<String, Key> = BTreeMap::new();
        let mut more = BTreeSet::new();
        for entry in self.iter() {
            match (&entry.effect, created(&entry.effect)) {
                (_, Some((key, id))) => {
                    if live.values().any(|other| *other == key) {
                        more.insert(key.clone());
                    }
                    live.insert(id, key);
                }
                (Effect::ServiceGone { service, .. }, None) => drop(live.remove(service)),
                (_, None) => {}
            }
        }
        more
    }

    /// The ids of endpoints that requests have attached while they were attached already, wherever that was.
    pub fn ever_attached_twice(&self) -> BTreeSet<&str> {
        let mut live: BTreeSet<(&str, &str)> = BTreeSet::new();
        let mut twice = BTreeSet::new();
        for entry in self.iter() {
            match &entry.effect {
                Effect::EndpointAdded { service, endpoint, .. } => {
                    if entry.request().is_some() && live.iter().any(|(_, other)| other == endpoint) {
                        twice.insert(endpoint.as_str());
                    }
                    live.insert((service, endpoint));
                }
                Effect::EndpointGone { service, endpoint, .. } => drop(live.remove(&(service.as_str(), endpoint))),
                Effect::ServiceGone { service, .. } => live.retain(|(of, _)| of != service),
                _ => {}
            }
        }
        twice
    }

    /// The services whose deletion requests have asked for, and been granted.
    pub fn service_deletes(&self) -> Vec<&str> {
        self.by_request(|effect| match effect {
            Effect::ServiceDeleteRequested { service, .. } => Some(service.as_str()),
            _ => None,
        })
    }

    /// The endpoints whose deletion requests have asked for, and been granted.
    pub fn endpoint_deletes(&self) -> Vec<&str> {
        self.by_request(|effect| match effect {
            Effect::EndpointDeleteRequested { endpoint, .. } => Some(endpoint.as_str()),
            _ => None,
        })
    }

    /// The endpoints that requests have added.
    pub fn endpoint_adds(&self) -> Vec<&str> {
        self.by_request(|effect| match effect {
            Effect::EndpointAdded { endpoint, .. } => Some(endpoint.as_str()),
            _ => None,
        })
    }

    fn by_request<'a>(&'a self, pick: impl Fn(&'a Effect) -> Option<&'a str>) -> Vec<&'a str> {
        self.0.iter().filter(|entry| entry.request().is_some()).filter_map(|entry| pick(&entry.effect)).collect()
    }
}

fn created(effect: &Effect) -> Option<(Key, String)> {
    match effect {
        Effect::ServiceCreated { project, provider, region, port_mapped, service, names: _ } => {
            Some(((project.clone(), *provider, region.clone(), *port_mapped), service.clone()))
        }
        _ => None,
    }
}
