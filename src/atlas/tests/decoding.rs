//! Every example of the original pages, and every recorded body.

use crate::atlas::{
    dialect::Dialect,
    model::{ConnectionStatus, ServiceState},
    region::Provider,
};

/// Pages "Get One", "Create One": the same example.
const ONE: &str = super::harness::SERVICE_BODY;

const ALL: &str = r#"[
  {"endpointServiceName": "com.amazonaws.vpce.us-east-1.vpce-svc-0aee615d3fe32c14e", "errorMessage": null,
   "id": "5df264b8f10fab7d2cad2f0d", "interfaceEndpoints": ["vpce-05934e68436496102"], "status": "WAITING_FOR_USER"},
  {"endpointServiceName": "com.amazonaws.vpce.us-west-1.vpce-svc-4fbdd5faa86d2e7538", "errorMessage": null,
   "id": "5758160cc363b548152501c2", "interfaceEndpoints": ["vpce-08fb7e9319909ec7b"], "status": "WAITING_FOR_USER"}]"#;

/// Pages "Get One Interface Endpoint" and "Add One Interface Endpoint".
const ENDPOINT: &str = r#"{"connectionStatus": "PENDING", "deleteRequested": false, "errorMessage": null,
  "interfaceEndpointId": "vpce-08fb7e9319909ec7b"}"#;

#[test]
fn the_examples_of_the_original_pages() {
    let service = Dialect::V1.service(Provider::Aws, ONE.as_bytes()).unwrap();
    assert_eq!(service.id.to_string(), "5df264b8f10fab7d2cad2f0d");
    assert_eq!(service.region.unwrap().atlas_name(), "US_EAST_1");
    assert_eq!(
        (service.state, service.endpoints),
        (ServiceState::WaitingForUser, vec!["vpce-08fb7e9319909ec7b".into()])
    );
    let all = Dialect::V1.services(Provider::Aws, ALL.as_bytes()).unwrap();
    let regions: Vec<_> = all.iter().map(|service| service.region.as_ref().unwrap().atlas_name()).collect();
    assert_eq!(regions, ["US_EAST_1", "US_WEST_1"]);
    let endpoint = Dialect::V1.endpoint(ENDPOINT.as_bytes()).unwrap();
    assert_eq!((endpoint.status, endpoint.delete_requested), (ConnectionStatus::Pending, false));
}

#[test]
fn an_unnamed_service_of_v1_has_no_region() {
    for body in [
        r#"{"endpointServiceName":null,"errorMessage":null,"id":"5df264b8f10fab7d2cad2f0d","interfaceEndpoints":[],"status":"INITIATING"}"#,
        r#"{"id":"5df264b8f10fab7d2cad2f0d","interfaceEndpoints":null,"status":"INITIATING","future":{"a":[1]}}"#,
        r#"{"id":"5df264b8f10fab7d2cad2f0d","endpointServiceName":"","status":"INITIATING"}"#,
        r#"{"id":"5df264b8f10fab7d2cad2f0d","endpointServiceName":"com.example.us-east-1.vpce-svc-0","status":"INITIATING"}"#,
    ] {
        let service = Dialect::V1.service(Provider::Aws, body.as_bytes()).unwrap();
        assert_eq!((service.region, service.state, service.endpoints), (None, ServiceState::Initiating, vec![]));
    }
}

#[test]
fn recorded_services_of_aws() {
    let read = |body: &str| Dialect::V2.service(Provider::Aws, body.as_bytes()).unwrap();
    let initiating = read(
        r#"{"cloudProvider":"AWS","endpointServiceName":null,"errorMessage":null,"id":"6a793f68c0eb9e7a17715835","interfaceEndpoints":[],"regionName":"EU_WEST_1","status":"INITIATING","supportedRemoteRegions":null}"#,
    );
    assert_eq!(
        (initiating.state, initiating.region.unwrap().cloud_name().unwrap()),
        (ServiceState::Initiating, "eu-west-1".into())
    );
    let ready = read(
        r#"{"cloudProvider":"AWS","endpointServiceName":"com.amazonaws.vpce.eu-west-1.vpce-svc-0667f4ca6f4a2bbc8","errorMessage":null,"id":"6a793f68c0eb9e7a17715835","interfaceEndpoints":[],"regionName":"EU_WEST_1","status":"AVAILABLE","supportedRemoteRegions":null}"#,
    );
    assert_eq!(ready.state, ServiceState::Available);
    assert!(ready.endpoint_service_name.unwrap().ends_with("vpce-svc-0667f4ca6f4a2bbc8"));
}

#[test]
fn recorded_services_of_azure_and_gcp() {
    let azure = r#"{"cloudProvider":"AZURE","errorMessage":null,"id":"6a793f68c0eb9e7a17715835","privateEndpoints":[],"privateLinkServiceName":null,"privateLinkServiceResourceId":null,"regionName":"ASIA_SOUTH_EAST","status":"INITIATING"}"#;
    let service = Dialect::V2.service(Provider::Azure, azure.as_bytes()).unwrap();
    assert_eq!(service.region.unwrap().cloud_name().as_deref(), Some("southeastasia"));
    assert_eq!(service.private_link_service_name, None);
    let azure = r#"[{"cloudProvider":"AZURE","id":"6a793f68c0eb9e7a17715835","privateEndpoints":["/subscriptions/s/x"],"privateLinkServiceName":"pls_6a793f68c0eb9e7a17715835","privateLinkServiceResourceId":"/subscriptions/s/y","regionName":"ASIA_SOUTH_EAST","status":"AVAILABLE"}]"#;
    let service = Dialect::V2.services(Provider::Azure, azure.as_bytes()).unwrap().remove(0);
    assert_eq!(service.private_link_service_name.as_deref(), Some("pls_6a793f68c0eb9e7a17715835"));
    assert_eq!(
        (service.private_link_service_resource_id.as_deref(), service.endpoints.len()),
        (Some("/subscriptions/s/y"), 1)
    );
    let gcp = r#"{"cloudProvider":"GCP","endpointGroupNames":["grp"],"errorMessage":null,"id":"6a793f68c0eb9e7a17715835","portMappingEnabled":true,"regionName":"US_EAST_4","serviceAttachmentNames":["projects/p-a/regions/us-east4/serviceAttachments/sa-us-east4-x-0"],"status":"AVAILABLE"}"#;
    let service = Dialect::V2.service(Provider::Gcp, gcp.as_bytes()).unwrap();
    assert!(service.port_mapping && service.service_attachment_names.len() == 1);
    assert_eq!(service.endpoints, ["grp"]);
}

#[test]
fn an_answer_about_another_provider_is_unreadable() {
    let body = r#"{"cloudProvider":"GCP","id":"6a793f68c0eb9e7a17715835","status":"AVAILABLE"}"#;
    assert!(Dialect::V2.service(Provider::Aws, body.as_bytes()).is_err());
}

#[test]
fn endpoints_of_v2_under_either_name_of_the_status() {
    for (body, status) in [
        (
            r#"{"cloudProvider":"AWS","connectionStatus":"AVAILABLE","deleteRequested":true,"errorMessage":null,"interfaceEndpointId":"vpce-11111111"}"#,
            "AVAILABLE",
        ),
        (
            r#"{"status":"PENDING_ACCEPTANCE","deleteRequested":true,"interfaceEndpointId":"vpce-11111111"}"#,
            "PENDING_ACCEPTANCE",
        ),
        (
            r#"{"connectionStatus":"SOMETHING_NEW","deleteRequested":true,"interfaceEndpointId":"vpce-11111111"}"#,
            "SOMETHING_NEW",
        ),
        (r#"{"connectionStatus":null,"deleteRequested":true,"interfaceEndpointId":"vpce-11111111"}"#, "UNKNOWN"),
    ] {
        let endpoint = Dialect::V2.endpoint(body.as_bytes()).unwrap();
        assert_eq!((endpoint.status.as_str(), endpoint.delete_requested), (status, true));
    }
}

#[test]
fn recorded_error_messages_are_kept_on_one_line() {
    let body = "{\"connectionStatus\":\"REJECTED\",\"deleteRequested\":null,\"interfaceEndpointId\":\"vpce-11111111\",
        \"errorMessage\":\"Interface endpoint vpce-11111111 was\\n not\\u001b found.\"}";
    let endpoint = Dialect::V1.endpoint(body.as_bytes()).unwrap();
    assert_eq!(endpoint.error_message.as_deref(), Some("Interface endpoint vpce-11111111 was not found."));
    assert_eq!((endpoint.status, endpoint.delete_requested), (ConnectionStatus::Rejected, false));
}

#[test]
fn a_word_nobody_knows_is_kept_and_not_taken_for_ready() {
    let body = r#"{"id":"5df264b8f10fab7d2cad2f0d","status":"QUANTUM"}"#;
    let service = Dialect::V2.service(Provider::Aws, body.as_bytes()).unwrap();
    assert_eq!(service.state, ServiceState::Unknown("QUANTUM".into()));
}
