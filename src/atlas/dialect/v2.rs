//! v2: endpoint services of AWS, Azure and GCP (atlas-api.md §2).

use super::{Operation, Unreadable, all_shown, id, or_default, shown, v1, word};
use crate::atlas::{
    ids::ProjectId,
    model,
    region::{Provider, Region},
    url::Path,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Every private endpoint operation has this one version.
pub(super) const MEDIA_TYPE: &str = "application/vnd.atlas.2023-01-01+json";

pub(super) fn path(project: ProjectId, operation: &Operation<'_>) -> Path {
    let all = Path::new("/api/atlas/v2").literal("groups").segment(&project).literal("privateEndpoint");
    match operation {
        Operation::CreateService(_) => all.literal("endpointService"),
        Operation::ListServices(provider) => all.segment(provider).literal("endpointService"),
        Operation::GetService(provider, service) | Operation::DeleteService(provider, service) => {
            all.segment(provider).literal("endpointService").segment(service)
        }
        Operation::AddEndpoint(service, _) => {
            all.segment(&Provider::Aws).literal("endpointService").segment(service).literal("endpoint")
        }
        Operation::GetEndpoint(service, endpoint) | Operation::RemoveEndpoint(service, endpoint) => {
            let service = all.segment(&Provider::Aws).literal("endpointService").segment(service);
            service.literal("endpoint").segment(*endpoint)
        }
    }
}

pub(super) fn body(operation: &Operation<'_>) -> Option<Value> {
    match operation {
        Operation::CreateService(region) => Some(match region.provider() {
            Provider::Aws | Provider::Azure => {
                json!({ "providerName": region.provider().as_str(), "region": region.atlas_name() })
            }
            // The other kind of GCP service is switched off in April 2027.
            Provider::Gcp => {
                json!({ "providerName": "GCP", "region": region.atlas_name(), "portMappingEnabled": true })
            }
        }),
        Operation::AddEndpoint(_, endpoint) => Some(json!({ "id": endpoint })),
        Operation::ListServices(_)
        | Operation::GetService(..)
        | Operation::DeleteService(..)
        | Operation::GetEndpoint(..)
        | Operation::RemoveEndpoint(..) => None,
    }
}

/// `EndpointService` of any provider.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Service {
    id: String,
    cloud_provider: Option<String>,
    region_name: Option<String>,
    status: Option<String>,
    error_message: Option<String>,
    endpoint_service_name: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    interface_endpoints: Vec<Option<String>>,
    private_link_service_name: Option<String>,
    private_link_service_resource_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    private_endpoints: Vec<Option<String>>,
    #[serde(default, deserialize_with = "or_default")]
    endpoint_group_names: Vec<Option<String>>,
    #[serde(default, deserialize_with = "or_default")]
    service_attachment_names: Vec<Option<String>>,
    #[serde(default, deserialize_with = "or_default")]
    port_mapping_enabled: bool,
}

impl Service {
    pub(super) fn into_service(self, provider: Provider) -> Result<model::Service, Unreadable> {
        if self.cloud_provider.as_deref().is_some_and(|told| told != provider.as_str()) {
            return Err(Unreadable(format!("it is about another provider than {provider}")));
        }
        let endpoint_service_name = shown(self.endpoint_service_name);
        let told = self.region_name.as_deref().and_then(|region| Region::parse(provider, region).ok());
        let endpoints = match provider {
            Provider::Aws => self.interface_endpoints,
            Provider::Azure => self.private_endpoints,
            Provider::Gcp => self.endpoint_group_names,
        };
        Ok(model::Service {
            id: id(&self.id, "service id")?,
            provider,
            region: told.or_else(|| endpoint_service_name.as_deref().and_then(v1::region_of)),
            state: word(self.status).as_str().into(),
            endpoint_service_name,
            private_link_service_name: shown(self.private_link_service_name),
            private_link_service_resource_id: shown(self.private_link_service_resource_id),
            service_attachment_names: all_shown(self.service_attachment_names),
            port_mapping: self.port_mapping_enabled,
            endpoints: all_shown(endpoints),
            error_message: shown(self.error_message),
        })
    }
}
