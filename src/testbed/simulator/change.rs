//! Changes behind the operator's back: what people, other tools and Atlas itself do to the same project.

use super::{
    access::Role,
    aws::Standing,
    buckets::BucketSize,
    ids::is_object_id,
    ledger::{Cause, Effect},
    lifecycle::{EndpointState, ServiceState, Timeline},
    regions::{Provider, Region},
    settings::Switches,
    store::{Details, Service, ServiceFailure},
    world::World,
};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use tokio::time::Instant;

/// One such change.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// Somebody else's service; `ready`: at once.
    CreateService {
        project: String,
        provider: Provider,
        region: String,
        #[serde(default)]
        port_mapped: bool,
        #[serde(default)]
        ready: bool,
    },
    /// The service is gone at once, with its endpoints.
    DeleteService {
        project: String,
        service: String,
    },
    /// Somebody else's endpoint, AWS; `ready`: at once.
    AddEndpoint {
        project: String,
        service: String,
        endpoint: String,
        #[serde(default)]
        ready: bool,
    },
    /// The endpoint is gone at once.
    DeleteEndpoint {
        project: String,
        service: String,
        endpoint: String,
    },
    /// The service gets this state and stays in it.
    SetServiceState {
        project: String,
        service: String,
        state: ServiceState,
        error: Option<String>,
    },
    /// The endpoint gets this state and stays in it.
    SetEndpointState {
        project: String,
        service: String,
        endpoint: String,
        state: EndpointState,
        error: Option<String>,
    },
    /// `GROUP_NOT_FOUND` from now on.
    DeleteProject {
        project: String,
    },
    RestoreProject {
        project: String,
    },
    /// Another private key or client secret; an unknown name becomes a new API key.
    Rotate {
        name: String,
        #[serde(deserialize_with = "secret")]
        secret: SecretString,
    },
    Enable {
        name: String,
        enabled: bool,
    },
    SetRole {
        name: String,
        project: String,
        role: Role,
    },
    /// Whether the access list of a key has the caller's address.
    SetAccessList {
        name: String,
        allowed: bool,
    },
    /// What AWS knows of a VPC endpoint.
    DeclareEndpoint {
        endpoint: String,
        standing: Standing,
    },
    /// The next services of a region fail.
    FailServices(ServiceFailure),
    /// As if all requests met another app server.
    ForgetNonces,
    RevokeTokens,
    Switch(Switches),
    SetBucket {
        capacity: u64,
        refill: u64,
        seconds: u64,
    },
}

/// Why a change could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no such service, endpoint or credential")]
    Missing,
    #[error("this is not a project id, a region or a bucket")]
    Invalid,
    #[error("the service has this endpoint already")]
    Attached,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(Into::into)
}

impl World {
    /// Makes a change and writes it into the ledger.
    pub(super) fn change(&mut self, change: Change) -> Result<Option<String>, Refused> {
        let now = Instant::now();
        let (effects, made) = self.make(change, now)?;
        for effect in effects {
            self.ledger.push(self.clock.at(now), Cause::BehindTheBack, effect);
        }
        Ok(made)
    }

    fn make(&mut self, change: Change, now: Instant) -> Result<(Vec<Effect>, Option<String>), Refused> {
        let effect = match change {
            Change::CreateService { project, provider, region, port_mapped, ready } => {
                return self.create_foreign(&project, (provider, &region, port_mapped), ready, now);
            }
            Change::DeleteService { project, service } => self.delete_service(&project, &service)?,
            Change::AddEndpoint { project, service, endpoint, ready } => {
                return Ok((self.add_foreign(&project, &service, &endpoint, ready, now)?, None));
            }
            Change::DeleteEndpoint { project, service, endpoint } => {
                let found = self.find(&project, &service)?;
                found.endpoint(&endpoint).ok_or(Refused::Missing)?;
                found.endpoints.retain(|other| other.id != endpoint);
                found.endpoint_gone(&endpoint)
            }
            Change::SetServiceState { project, service, state, error } => {
                let found = self.find(&project, &service)?;
                found.named |= state == ServiceState::Ready;
                (found.state, found.error, found.timeline) = (state, error, Timeline::still());
                found.changed()
            }
            Change::SetEndpointState { project, service, endpoint, state, error } => {
                let found = self.find(&project, &service)?.endpoint_mut(&endpoint).ok_or(Refused::Missing)?;
                (found.state, found.error, found.timeline) = (state, error, Timeline::still());
                Effect::EndpointChanged { project, service, endpoint, state }
            }
            Change::FailServices(failure) => self.fail_services(failure)?,
            Change::DeclareEndpoint { endpoint, standing } => {
                self.store.aws.declare(&endpoint, standing);
                Effect::None
            }
            Change::DeleteProject { .. }
            | Change::RestoreProject { .. }
            | Change::Rotate { .. }
            | Change::Enable { .. }
            | Change::SetRole { .. }
            | Change::SetAccessList { .. }
            | Change::ForgetNonces
            | Change::RevokeTokens
            | Change::Switch(_)
            | Change::SetBucket { .. } => self.govern(change)?,
        };
        Ok((vec![effect], None))
    }

    /// Changes of who may do what, and how much.
    fn govern(&mut self, change: Change) -> Result<Effect, Refused> {
        let credential =
            |known: bool, name| if known { Ok(Effect::CredentialChanged { name }) } else { Err(Refused::Missing) };
        match change {
            Change::DeleteProject { project } => {
                self.access.set_project(&project, false);
                Ok(Effect::ProjectDeleted { project })
            }
            Change::RestoreProject { project } => {
                self.access.set_project(&project, true);
                Ok(Effect::ProjectRestored { project })
            }
            Change::Rotate { name, secret } => {
                self.access.set_secret(&name, secret);
                credential(true, name)
            }
            Change::Enable { name, enabled } => {
                let known = self.access.credential_mut(&name).map(|found| found.enabled = enabled).is_some();
                credential(known, name)
            }
            Change::SetRole { name, project, role } => credential(self.access.set_role(&name, &project, role), name),
            Change::SetAccessList { name, allowed } => {
                let known = self.access.credential_mut(&name).map(|found| found.on_access_list = allowed).is_some();
                credential(known, name)
            }
            Change::ForgetNonces => {
                self.nonces.forget();
                Ok(Effect::None)
            }
            Change::RevokeTokens => {
                self.tokens.forget();
                Ok(Effect::TokensRevoked)
            }
            Change::Switch(switches) => {
                self.store.settings.switches = switches;
                Ok(Effect::None)
            }
            Change::SetBucket { capacity, refill, seconds } if seconds > 0 => {
                self.buckets.resize(BucketSize { capacity, refill, seconds });
                Ok(Effect::None)
            }
            _ => Err(Refused::Invalid),
        }
    }

    fn create_foreign(
        &mut self,
        project: &str,
        (provider, region, port_mapped): (Provider, &str, bool),
        ready: bool,
        now: Instant,
    ) -> Result<(Vec<Effect>, Option<String>), Refused> {
        let region = Region::parse(provider, region).filter(|_| is_object_id(project)).ok_or(Refused::Invalid)?;
        let moment = (&mut self.mint, self.clock.at(now), now);
        let service = self.store.create_service(project, provider, region, port_mapped, moment);
        let (mut effects, id) = (vec![service.created()], service.id.clone());
        if ready {
            let service = self.find(project, &id)?;
            (service.state, service.named, service.timeline) = (ServiceState::Ready, true, Timeline::still());
            effects.push(service.changed());
        }
        Ok((effects, Some(id)))
    }

    fn delete_service(&mut self, project: &str, id: &str) -> Result<Effect, Refused> {
        let gone = self.find(project, id)?.gone();
        self.store.services.retain(|service| !(service.project == project && service.id == id));
        Ok(gone)
    }

    fn add_foreign(
        &mut self,
        project: &str,
        service: &str,
        endpoint: &str,
        ready: bool,
        now: Instant,
    ) -> Result<Vec<Effect>, Refused> {
        if self.find(project, service)?.endpoint(endpoint).is_some() {
            return Err(Refused::Attached);
        }
        self.store.add_endpoint(project, service, endpoint, Details::Aws, now);
        let found = self.find(project, service)?;
        let mut effects = vec![found.endpoint_added(endpoint)];
        if let Some(added) = found.endpoint_mut(endpoint).filter(|_| ready) {
            let state = EndpointState::Available;
            (added.state, added.timeline) = (state, Timeline::still());
            let (project, service, endpoint) = (project.to_owned(), service.to_owned(), endpoint.to_owned());
            effects.push(Effect::EndpointChanged { project, service, endpoint, state });
        }
        Ok(effects)
    }

    fn fail_services(&mut self, failure: ServiceFailure) -> Result<Effect, Refused> {
        let region = Region::parse(failure.provider, &failure.region).ok_or(Refused::Invalid)?;
        self.store.failures.push(ServiceFailure { region: region.atlas, ..failure });
        Ok(Effect::None)
    }

    fn find(&mut self, project: &str, service: &str) -> Result<&mut Service, Refused> {
        self.store.service_mut(project, service).ok_or(Refused::Missing)
    }
}
