//! Services and endpoints as JSON, in the recorded shapes (DOC in atlas-api.md §1, REC in §2 "responses").

use super::{
    lifecycle::{EndpointState, ServiceState},
    regions::Provider,
    route::{Dialect, Shape},
    settings::Switches,
    store::{Details, Endpoint, Names, Service},
};
use serde_json::{Value, json};

/// Who is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) dialect: Dialect,
    pub(super) shape: Shape,
    pub(super) switches: Switches,
}

impl View {
    pub(super) fn service(self, service: &Service) -> Value {
        let ids: Vec<&str> = service.endpoints.iter().map(|endpoint| endpoint.id.as_str()).collect();
        let status = self.service_word(service.state);
        let region = &service.region.atlas;
        let (error, id) = (&service.error, &service.id);
        match (&service.names, self.shape) {
            (Names::Aws(name), Shape::Legacy) => json!({
                "endpointServiceName": service.named.then_some(name),
                "errorMessage": error,
                "id": id,
                "interfaceEndpoints": ids,
                "status": status,
            }),
            (Names::Aws(name), Shape::Cloud) => json!({
                "cloudProvider": "AWS",
                "endpointServiceName": service.named.then_some(name),
                "errorMessage": error,
                "id": id,
                "interfaceEndpoints": ids,
                "regionName": region,
                "status": status,
                "supportedRemoteRegions": service.remote_regions,
            }),
            (Names::Azure { name, resource }, _) => json!({
                "cloudProvider": "AZURE",
                "errorMessage": error,
                "id": id,
                "privateEndpoints": ids,
                "privateLinkServiceName": service.named.then_some(name),
                "privateLinkServiceResourceId": service.named.then_some(resource),
                "regionName": region,
                "status": status,
            }),
            (Names::Gcp(attachments), _) => json!({
                "cloudProvider": "GCP",
                "endpointGroupNames": ids,
                "errorMessage": error,
                "id": id,
                "portMappingEnabled": service.port_mapped,
                "regionName": region,
                "serviceAttachmentNames": if service.named { attachments.as_slice() } else { &[] },
                "status": status,
            }),
        }
    }

    pub(super) fn endpoint(self, service: &Service, endpoint: &Endpoint) -> Value {
        let status = self.endpoint_word(service.provider, endpoint.state);
        let (error, deleting) = (&endpoint.error, endpoint.delete_requested);
        match (&endpoint.details, self.shape) {
            (Details::Aws, Shape::Legacy) => json!({
                "connectionStatus": status,
                "deleteRequested": deleting,
                "errorMessage": error,
                "interfaceEndpointId": endpoint.id,
            }),
            (Details::Aws, Shape::Cloud) => json!({
                "cloudProvider": "AWS",
                "connectionStatus": status,
                "deleteRequested": deleting,
                "errorMessage": error,
                "interfaceEndpointId": endpoint.id,
            }),
            (Details::Azure { ip, connection }, _) => json!({
                "cloudProvider": "AZURE",
                "deleteRequested": deleting,
                "errorMessage": error,
                "privateEndpointConnectionName": connection,
                "privateEndpointIPAddress": ip,
                "privateEndpointResourceId": endpoint.id,
                "status": status,
            }),
            (Details::Gcp { gcp_project, endpoints }, _) => json!({
                "cloudProvider": "GCP",
                "deleteRequested": deleting,
                "endpointGroupName": endpoint.id,
                "endpoints": endpoints.iter().map(|(name, ip)| json!({
                    "endpointName": name,
                    "ipAddress": ip,
                    "status": part_word(endpoint.state),
                })).collect::<Vec<_>>(),
                "errorMessage": error,
                "gcpProjectId": gcp_project,
                "portMappingEnabled": service.port_mapped,
                "status": status,
            }),
        }
    }

    fn service_word(self, state: ServiceState) -> &'static str {
        match (state, self.dialect) {
            (ServiceState::Initiating, _) => "INITIATING",
            (ServiceState::Ready, Dialect::V2) if !self.switches.v2_waiting_for_user => "AVAILABLE",
            (ServiceState::Ready, _) => "WAITING_FOR_USER",
            (ServiceState::Failed, _) => "FAILED",
            (ServiceState::Deleting, _) => "DELETING",
        }
    }

    /// NONE exists in v1.0 only (atlas-api.md §9.10).
    fn endpoint_word(self, provider: Provider, state: EndpointState) -> &'static str {
        match (state, self.dialect, provider) {
            (EndpointState::None, Dialect::V2, Provider::Aws) => EndpointState::PendingAcceptance.word(),
            (state, _, _) => state.word(),
        }
    }
}

/// The words of the single endpoints of a GCP group (atlas-api.md §2).
fn part_word(state: EndpointState) -> &'static str {
    match state {
        EndpointState::Available | EndpointState::Failed | EndpointState::Deleting => state.word(),
        EndpointState::None
        | EndpointState::PendingAcceptance
        | EndpointState::Pending
        | EndpointState::Initiating
        | EndpointState::Verified
        | EndpointState::Rejected => EndpointState::Initiating.word(),
    }
}
