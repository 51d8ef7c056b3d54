//! Carries out what is asked for, on the store (atlas-api.md §5, §8).

use super::{
    body::{NewEndpoint, NewService},
    ids::Mint,
    ledger::Effect,
    lifecycle::{ServiceState, delays},
    problem::Problem,
    regions::Provider,
    render::View,
    route::{Action, Dialect, Shape},
    store::{Names, Service, Store},
};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

/// A yes.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    pub(super) effect: Effect,
    /// The `X-Java-Method`, where it was recorded.
    pub(super) java_method: Option<&'static str>,
}

/// What an operation works with.
pub(super) struct Context<'a> {
    pub(super) store: &'a mut Store,
    pub(super) mint: &'a mut Mint,
    pub(super) wall: Timestamp,
    pub(super) now: Instant,
    pub(super) project: &'a str,
    pub(super) view: View,
}

impl Context<'_> {
    pub(super) fn carry_out(mut self, action: &Action, body: &[u8]) -> Result<Reply, Problem> {
        match action {
            Action::GetProject => Ok(self.project()),
            Action::GetRegionalMode => Ok(read(json!({"enabled": false}), Some("getRegionalizedPrivateLinkEnabled"))),
            Action::ListServices(provider) => Ok(self.list(*provider)),
            Action::CreateService => self.create(body),
            Action::GetService(provider, id) => {
                let service = self.find(*provider, id)?;
                Ok(read(self.view.service(service), Some("getEndPointService")))
            }
            Action::DeleteService(provider, id) => self.delete(*provider, id),
            Action::AddEndpoint(provider, id) => self.add_endpoint(*provider, id, body),
            Action::GetEndpoint(provider, id, endpoint) => {
                let service = self.find(*provider, id)?;
                let found = service.endpoint(endpoint).ok_or_else(|| self.endpoint_missing(endpoint))?;
                Ok(read(self.view.endpoint(service, found), None))
            }
            Action::DeleteEndpoint(provider, id, endpoint) => self.delete_endpoint(*provider, id, endpoint),
        }
    }

    /// atlas-api.md §7 (REC).
    fn project(&self) -> Reply {
        let project = self.project;
        let second = u32::from_str_radix(project.get(..8).unwrap_or_default(), 16).unwrap_or_default();
        let created = Timestamp::from_second(second.into()).unwrap_or(Timestamp::UNIX_EPOCH);
        read(
            json!({
                "clusterCount": 0,
                "created": created.to_string(),
                "id": project,
                "links": [],
                "name": format!("project-{project}"),
                "orgId": project.chars().rev().collect::<String>(),
                "withDefaultAlertsSettings": true,
            }),
            None,
        )
    }

    /// A bare array, unpaged (atlas-api.md §2 "Lists").
    fn list(&self, provider: Provider) -> Reply {
        let mine = |service: &&Service| service.project == self.project && service.provider == provider;
        // The legacy API knows no port-mapped anything; it shows AWS only.
        let services: Vec<Value> =
            self.store.services.iter().filter(mine).map(|service| self.view.service(service)).collect();
        read(Value::Array(services), Some("getEndPointServices"))
    }

    fn create(&mut self, body: &[u8]) -> Result<Reply, Problem> {
        let NewService { provider, region, port_mapped, remote_regions } = NewService::parse(body, self.view.shape)?;
        let unique = !self.store.settings.switches.duplicate_services;
        if unique && self.store.occupant(self.project, provider, &region, port_mapped).is_some() {
            return Err(self.service_exists(provider, &region.atlas));
        }
        let moment = (&mut *self.mint, self.wall, self.now);
        let service = self.store.create_service(self.project, provider, region, port_mapped, moment);
        service.remote_regions = remote_regions;
        Ok(Reply {
            status: StatusCode::CREATED,
            body: self.view.service(service),
            effect: service.created(),
            java_method: Some("addEndpointService"),
        })
    }

    fn delete(&mut self, provider: Provider, id: &str) -> Result<Reply, Problem> {
        let gone = self.now + self.store.settings.scaled(delays::SERVICE_GONE);
        if !self.find(provider, id)?.endpoints.is_empty() {
            // v2's code is not recorded (INF).
            let detail = "A PrivateLink with endpoints cannot be deleted. Please delete all endpoints and retry.";
            return Err(Problem::conflict("CANNOT_DELETE_PRIVATELINK_WITH_ENDPOINTS", detail));
        }
        let missing = self.service_missing(id);
        let service = self.store.service_mut(self.project, id).ok_or(missing)?;
        Ok(accepted(service.begin_deletion(gone), Some("deleteEndpointService")))
    }

    fn add_endpoint(&mut self, provider: Provider, id: &str, body: &[u8]) -> Result<Reply, Problem> {
        let service = self.find(provider, id)?;
        let attachments = match &service.names {
            Names::Gcp(attachments) => attachments.len(),
            Names::Aws(_) | Names::Azure { .. } => 0,
        };
        let new = NewEndpoint::parse(body, self.view.shape, provider, service.port_mapped, attachments)?;
        self.may_add(service, &new.id)?;
        let project = self.project;
        self.store.add_endpoint(project, id, &new.id, new.details, self.now);
        let service = self.find(provider, id)?;
        let added = service.endpoint(&new.id).ok_or_else(|| self.endpoint_missing(&new.id))?;
        Ok(Reply {
            // Inferred from its siblings (atlas-api.md, Unknowns 1).
            status: StatusCode::CREATED,
            body: self.view.endpoint(service, added),
            effect: service.endpoint_added(&new.id),
            java_method: None,
        })
    }

    /// The reasons for which Atlas refuses an endpoint at once (atlas-api.md §1 table, §5).
    fn may_add(&self, service: &Service, endpoint: &str) -> Result<(), Problem> {
        if service.endpoint(endpoint).is_some() {
            let detail =
                format!("The PrivateLink already contains an interface endpoint with the specified id {endpoint}.");
            return Err(Problem::conflict("PRIVATELINK_INTERFACE_ENDPOINT_ALREADY_EXISTS", detail).with([endpoint]));
        }
        if service.state != ServiceState::Ready {
            return Err(Problem::cannot_accept(service.id.as_str()));
        }
        if self.store.settings.switches.single_endpoint && !service.endpoints.is_empty() {
            let detail = "Projects with multiple private endpoints in the same region cannot support private \
                          endpoints in other regions.";
            return Err(Problem::conflict("MULTIPLE_PRIVATE_ENDPOINTS_RESTRICTED_TO_SINGLE_REGION", detail));
        }
        Ok(())
    }

    fn delete_endpoint(&mut self, provider: Provider, id: &str, endpoint: &str) -> Result<Reply, Problem> {
        let gone = self.now + self.store.settings.scaled(delays::ENDPOINT_GONE);
        self.find(provider, id)?;
        let missing = self.endpoint_missing(endpoint);
        let service = self.store.service_mut(self.project, id);
        let found = service.and_then(|service| service.endpoint_mut(endpoint)).ok_or(missing)?;
        found.begin_deletion(gone);
        let effect = Effect::EndpointDeleteRequested {
            project: self.project.to_owned(),
            service: id.to_owned(),
            endpoint: endpoint.to_owned(),
        };
        Ok(accepted(effect, None))
    }

    fn find(&self, provider: Provider, id: &str) -> Result<&Service, Problem> {
        self.store
            .service(self.project, id)
            .filter(|service| service.provider == provider)
            .ok_or_else(|| self.service_missing(id))
    }

    /// v2's text is inferred, its code is not (atlas-api.md §2 "v2 error codes seen").
    fn service_missing(&self, id: &str) -> Problem {
        match self.view.shape {
            Shape::Legacy => {
                Problem::not_found("PRIVATELINK_NOT_FOUND", format!("A PrivateLink with id {id} does not exist."))
            }
            Shape::Cloud => Problem::not_found(
                "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND",
                format!("A private endpoint service with id {id} does not exist."),
            ),
        }
        .with([id])
    }

    /// In v2 the same code as for a service (atlas-api.md §9.3).
    fn endpoint_missing(&self, id: &str) -> Problem {
        match self.view.shape {
            Shape::Legacy => Problem::not_found(
                "PRIVATELINK_INTERFACE_ENDPOINT_NOT_FOUND",
                format!("A PrivateLink interface endpoint with id {id} does not exist."),
            ),
            Shape::Cloud => Problem::not_found(
                "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND",
                format!("A private endpoint with id {id} does not exist."),
            ),
        }
        .with([id])
    }

    fn service_exists(&self, provider: Provider, region: &str) -> Problem {
        match self.view.shape {
            Shape::Legacy => Problem::conflict(
                "PRIVATELINK_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION",
                format!("A PrivateLink Endpoint Service already exists for AWS region {region}."),
            )
            .with([region]),
            Shape::Cloud => Problem::conflict(
                "PRIVATE_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION",
                format!("A private endpoint service already exists for {provider} region {region}."),
            )
            .with([provider.word(), region]),
        }
    }
}

fn read(body: Value, java_method: Option<&'static str>) -> Reply {
    Reply { status: StatusCode::OK, body, effect: Effect::None, java_method }
}

/// 202 with an empty object (REC in atlas-api.md §2; DOC and INF in §1).
fn accepted(effect: Effect, java_method: Option<&'static str>) -> Reply {
    Reply { status: StatusCode::ACCEPTED, body: json!({}), effect, java_method }
}

/// The system status (atlas-api.md §7): who is asking, and with which roles.
pub(super) fn system_status<'a>(
    dialect: Dialect,
    caller: &str,
    is_key: bool,
    projects: impl Iterator<Item = &'a String>,
) -> Value {
    let roles: Vec<Value> = projects.map(|project| json!({"groupId": project, "roleName": "GROUP_OWNER"})).collect();
    let key = json!({"accessList": [], "id": "5df264b8f10fab7d2cad2f0e", "publicKey": caller, "roles": roles});
    let build = match dialect {
        Dialect::V1 => "v1.0",
        Dialect::V2 => "v2",
    };
    json!({
        "apiKey": is_key.then_some(key),
        "appName": "MongoDB Atlas",
        "build": format!("simulator-{build}"),
        "links": [],
        "throttling": false,
    })
}
