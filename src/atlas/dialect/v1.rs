//! v1.0, the legacy resource `privateEndpoint`: AWS only (atlas-api.md §1 and the five original pages).

use super::{Operation, Unreadable, all_shown, id, or_default, shown, unspeakable, word};
use crate::atlas::{
    error::AtlasError,
    ids::ProjectId,
    model::{Endpoint, Service},
    region::{Provider, Region},
    url::Path,
};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) const MEDIA_TYPE: &str = "application/json";

pub(super) fn check(operation: &Operation<'_>) -> Result<(), AtlasError> {
    let provider = operation.provider();
    if provider != Provider::Aws {
        return Err(unspeakable(format!(
            "Atlas' API v1.0 knows AWS only: {provider} needs an operator that runs with --atlas-api-version v2"
        )));
    }
    match operation {
        Operation::CreateService(region) if !region.accepted_by_v1() => Err(unspeakable(format!(
            "Atlas' API v1.0 has no region {}: check its spelling; regions that are newer than this API need an operator that runs with --atlas-api-version v2",
            region.atlas_name()
        ))),
        Operation::CreateService(_)
        | Operation::ListServices(_)
        | Operation::GetService(..)
        | Operation::DeleteService(..)
        | Operation::GetEndpoint(..)
        | Operation::AddEndpoint(..)
        | Operation::RemoveEndpoint(..) => Ok(()),
    }
}

pub(super) fn path(project: ProjectId, operation: &Operation<'_>) -> Path {
    let all = Path::new("/api/atlas/v1.0").literal("groups").segment(&project).literal("privateEndpoint");
    match operation {
        Operation::ListServices(_) | Operation::CreateService(_) => all,
        Operation::GetService(_, service) | Operation::DeleteService(_, service) => all.segment(service),
        Operation::AddEndpoint(service, _) => all.segment(service).literal("interfaceEndpoints"),
        Operation::GetEndpoint(service, endpoint) | Operation::RemoveEndpoint(service, endpoint) => {
            all.segment(service).literal("interfaceEndpoints").segment(*endpoint)
        }
    }
}

pub(super) fn body(operation: &Operation<'_>) -> Option<Value> {
    match operation {
        Operation::CreateService(region) => Some(json!({
            "providerName": region.provider().as_str(),
            "region": region.cloud_name(),
        })),
        Operation::AddEndpoint(_, endpoint) => Some(json!({ "interfaceEndpointId": endpoint })),
        Operation::ListServices(_)
        | Operation::GetService(..)
        | Operation::DeleteService(..)
        | Operation::GetEndpoint(..)
        | Operation::RemoveEndpoint(..) => None,
    }
}

/// "Private endpoint connection": its answer has neither region nor provider.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Connection {
    id: String,
    endpoint_service_name: Option<String>,
    error_message: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    interface_endpoints: Vec<Option<String>>,
    status: Option<String>,
}

impl Connection {
    pub(super) fn into_service(self) -> Result<Service, Unreadable> {
        let endpoint_service_name = shown(self.endpoint_service_name);
        Ok(Service {
            id: id(&self.id, "service id")?,
            provider: Provider::Aws,
            region: endpoint_service_name.as_deref().and_then(region_of),
            state: word(self.status).as_str().into(),
            endpoint_service_name,
            private_link_service_name: None,
            private_link_service_resource_id: None,
            service_attachment_names: Vec::new(),
            port_mapping: false,
            endpoints: all_shown(self.interface_endpoints),
            error_message: shown(self.error_message),
        })
    }
}

/// The region in `com.amazonaws.vpce.<region>.vpce-svc-…`. The number is not looked at: one of the pages' examples has
/// a digit too many (atlas-api.md §9.7).
pub(super) fn region_of(endpoint_service_name: &str) -> Option<Region> {
    let (region, service) = endpoint_service_name.strip_prefix("com.amazonaws.vpce.")?.split_once('.')?;
    if service.starts_with("vpce-svc-") { Region::parse(Provider::Aws, region).ok() } else { None }
}

/// "Interface endpoint"; v2's AWS endpoint has the same fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InterfaceEndpoint {
    interface_endpoint_id: String,
    connection_status: Option<String>,
    /// What the other providers' endpoints call it.
    status: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    delete_requested: bool,
    error_message: Option<String>,
}

impl InterfaceEndpoint {
    pub(super) fn into_endpoint(self) -> Result<Endpoint, Unreadable> {
        Ok(Endpoint {
            id: id(&self.interface_endpoint_id, "interface endpoint id")?,
            status: word(self.connection_status.or(self.status)).as_str().into(),
            delete_requested: self.delete_requested,
            error_message: shown(self.error_message),
        })
    }
}
