//! Every example of the original pages, and every recorded body.

use super::harness::{CHALLENGE_BODY, answer};
use crate::atlas::{
    classify,
    credential::Hidden,
    dialect::Dialect,
    error::{Class, Denial},
    model::{ConnectionStatus, ServiceState},
    region::Provider,
};
use crate::clock::Clock;
use serde_json::json;

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

/// The challenge's body until August 2026.
const OLD_CHALLENGE_BODY: &str =
    r#"{"error" : 401, "reason" : "Unauthorized", "detail" : "You are not authorized for this resource."}"#;

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

/// The facts leave out what was told before (`…`): those places are filled with what they name elsewhere.
#[test]
fn recorded_services_of_azure() {
    let read = |body: &str| Dialect::V2.service(Provider::Azure, body.as_bytes()).unwrap();
    let initiating = read(
        r#"{"cloudProvider":"AZURE","errorMessage":null,"id":"6a793f68c0eb9e7a17715835","privateEndpoints":[],"privateLinkServiceName":null,"privateLinkServiceResourceId":null,"regionName":"ASIA_SOUTH_EAST","status":"INITIATING"}"#,
    );
    assert_eq!(initiating.region.unwrap().cloud_name().as_deref(), Some("southeastasia"));
    assert_eq!(
        (initiating.private_link_service_name, initiating.private_link_service_resource_id, initiating.error_message),
        (None, None, None)
    );
    assert_eq!((initiating.state, initiating.endpoints), (ServiceState::Initiating, vec![]));
    const RESOURCE: &str = "/subscriptions/93b54ac5-1f0c-4b5b-9b4e-6a2d6d2f5c11/resourceGroups/rg_6a793f68c0eb9e7a17715800_x1y2z3w4/providers/Microsoft.Network/privateLinkServices/pls_6a793f68c0eb9e7a17715835";
    let ready = read(&format!(
        r#"{{"cloudProvider":"AZURE","errorMessage":null,"id":"6a793f68c0eb9e7a17715835","privateEndpoints":[],"privateLinkServiceName":"pls_6a793f68c0eb9e7a17715835","privateLinkServiceResourceId":"{RESOURCE}","regionName":"ASIA_SOUTH_EAST","status":"AVAILABLE"}}"#
    ));
    assert_eq!(ready.state, ServiceState::Available);
    assert_eq!(ready.private_link_service_name.as_deref(), Some("pls_6a793f68c0eb9e7a17715835"));
    assert_eq!(ready.private_link_service_resource_id.as_deref(), Some(RESOURCE));
    // An id of an endpoint has slashes here.
    let used = r#"[{"cloudProvider":"AZURE","id":"6a793f68c0eb9e7a17715835","privateEndpoints":["/subscriptions/s/x"],"regionName":"ASIA_SOUTH_EAST","status":"AVAILABLE"}]"#;
    let service = Dialect::V2.services(Provider::Azure, used.as_bytes()).unwrap().remove(0);
    assert_eq!(service.endpoints, ["/subscriptions/s/x"]);
}

#[test]
fn recorded_services_of_gcp() {
    let read = |body: &str| Dialect::V2.service(Provider::Gcp, body.as_bytes()).unwrap();
    let initiating = read(
        r#"{"cloudProvider":"GCP","endpointGroupNames":[],"errorMessage":null,"id":"6a793f68c0eb9e7a17715835","portMappingEnabled":false,"regionName":"US_EAST_4","serviceAttachmentNames":[],"status":"INITIATING"}"#,
    );
    assert_eq!(initiating.region.as_ref().unwrap().cloud_name().as_deref(), Some("us-east4"));
    assert!(!initiating.port_mapping && initiating.service_attachment_names.is_empty());
    assert_eq!((initiating.state, initiating.endpoints), (ServiceState::Initiating, vec![]));
    let ready = read(
        r#"{"cloudProvider":"GCP","endpointGroupNames":["grp"],"errorMessage":null,"id":"6a793f68c0eb9e7a17715835","portMappingEnabled":true,"regionName":"US_EAST_4","serviceAttachmentNames":["projects/p-6a793f68c0eb9e7a17715800/regions/us-east4/serviceAttachments/sa-us-east4-6a793f65c0eb9e7a17715801-0","projects/p-6a793f68c0eb9e7a17715800/regions/us-east4/serviceAttachments/sa-us-east4-6a793f65c0eb9e7a17715801-1"],"status":"AVAILABLE"}"#,
    );
    assert!(ready.port_mapping && ready.state == ServiceState::Available);
    let ends: Vec<_> = ready.service_attachment_names.iter().map(|name| name.chars().last()).collect();
    assert_eq!(ends, [Some('0'), Some('1')], "their order is theirs");
    assert_eq!(ready.endpoints, ["grp"]);
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

/// What Atlas said of endpoints that it could not connect (atlas-api.md §5).
#[test]
fn recorded_error_messages_are_kept_word_for_word() {
    for message in [
        "Interface endpoint vpce-11111111111111111 was not found.",
        "Failed to accept interface endpoint due to an unexpected error with code={InvalidParameter} and message={Cannot modify VPC Endpoint vpce-11111111111111111 at this time because there is an idempotent operation going on} from AWS API. Click 'Edit' to fix the problem.",
        "No dns entries found for endpoint vpce-11111111111111111, your endpoint must be provisioned in at least one subnet Click \"Edit\" to fix the problem",
    ] {
        for dialect in [Dialect::V1, Dialect::V2] {
            let body = json!({"connectionStatus": "REJECTED", "deleteRequested": false, "errorMessage": message,
                "interfaceEndpointId": "vpce-11111111111111111"});
            let endpoint = dialect.endpoint(body.to_string().as_bytes()).unwrap();
            assert_eq!(endpoint.error_message.as_deref(), Some(message));
            assert_eq!(endpoint.status, ConnectionStatus::Rejected);
        }
    }
}

#[test]
fn error_messages_are_put_on_one_line() {
    let body = "{\"connectionStatus\":\"REJECTED\",\"deleteRequested\":null,\"interfaceEndpointId\":\"vpce-11111111\",
        \"errorMessage\":\"Interface endpoint vpce-11111111 was\\n not\\u001b found.\"}";
    let endpoint = Dialect::V1.endpoint(body.as_bytes()).unwrap();
    assert_eq!(endpoint.error_message.as_deref(), Some("Interface endpoint vpce-11111111 was not found."));
    assert_eq!((endpoint.status, endpoint.delete_requested), (ConnectionStatus::Rejected, false));
}

/// Whole bodies of refusals (atlas-api.md §1, §3 and §4), as a caller hears of them.
#[tokio::test]
async fn recorded_refusals() {
    const GROUP: &str = r#"{"detail":"No group with ID 111111111111111111111111 exists.","error":404,"errorCode":"GROUP_NOT_FOUND",
 "parameters":["111111111111111111111111"],"reason":"Not Found"}"#;
    const NO_CODE: &str = r#"{"detail":"No group with ID 111111111111111111111111 exists.","error":404,"errorCode":null,"parameters":null,"reason":"Not Found"}"#;
    const ADDRESS: &str = r#"{"error":403,"errorCode":"IP_ADDRESS_NOT_ON_ACCESS_LIST","reason":"Forbidden","detail":"IP address 203.0.113.9 is not allowed to access this resource.","parameters":["203.0.113.9"]}"#;
    const BUCKET: &str = r#"{"detail":"Rate limit exceeded for api/atlas/v2/orgs. Please retry after 55 seconds. Request capacity: 10. Refill rate: 5 per 60 seconds.","error":429,"errorCode":"RATE_LIMITED_TOKEN_BUCKET","parameters":["api/atlas/v2/orgs",55,10,5,60],"reason":"Too Many Requests"}"#;
    const EXISTS: &str = r#"{"detail":"A private endpoint service already exists for AWS region US_EAST_1.","error":409,"errorCode":"PRIVATE_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION","parameters":["AWS","US_EAST_1"],"reason":"Conflict"}"#;
    const CAPACITY: &str = r#"{"detail":"Reason: No Capacity.","error":400,"errorCode":"ATLAS_GENERAL_ERROR","parameters":["No Capacity"],"reason":"Bad Request"}"#;
    for (status, body, class, detail) in [
        (404, GROUP, Class::Denied(Denial::Project), "No group with ID 111111111111111111111111 exists. Check"),
        (404, NO_CODE, Class::Missing, "No group with ID 111111111111111111111111 exists."),
        (403, ADDRESS, Class::Denied(Denial::Access), "IP address 203.0.113.9 is not allowed to access this resource."),
        (
            429,
            BUCKET,
            Class::Throttled(None),
            "Rate limit exceeded for api/atlas/v2/orgs. Please retry after 55 seconds.",
        ),
        (409, EXISTS, Class::Exists, "A private endpoint service already exists for AWS region US_EAST_1."),
        (400, CAPACITY, Class::Transient, "Reason: No Capacity."),
        (401, CHALLENGE_BODY, Class::Denied(Denial::Credentials), "You are not authorized for this resource."),
        (401, OLD_CHALLENGE_BODY, Class::Denied(Denial::Credentials), "You are not authorized for this resource."),
    ] {
        let hidden = Hidden { secret: &"hunter2".to_owned().into(), sent: None };
        let error = classify::refusal(&answer(status, body), hidden, &Clock::system());
        assert_eq!((error.class, error.status), (class, Some(status)), "{body}");
        assert!(error.detail.starts_with(detail), "{}", error.detail);
        let code: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(error.code.as_deref(), code["errorCode"].as_str(), "{body}");
    }
}

#[test]
fn a_word_nobody_knows_is_kept_and_not_taken_for_ready() {
    let body = r#"{"id":"5df264b8f10fab7d2cad2f0d","status":"QUANTUM"}"#;
    let service = Dialect::V2.service(Provider::Aws, body.as_bytes()).unwrap();
    assert_eq!(service.state, ServiceState::Unknown("QUANTUM".into()));
}

#[test]
fn a_dialect_is_read_from_its_word() {
    for dialect in [Dialect::V1, Dialect::V2] {
        assert_eq!(dialect.to_string().parse(), Ok(dialect));
    }
    assert_eq!((Dialect::V1.as_str(), Dialect::V2.as_str()), ("v1.0", "v2"));
    assert!("v1".parse::<Dialect>().is_err());
}

#[test]
fn what_cannot_be_read_is_told_in_words_without_repeating_it() {
    for (body, words) in [
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("{\"id\":", "its JSON is cut short"),
        ("{\"id\":7}", "another shape"),
        ("<html>", "it is not JSON"),
    ] {
        let error = Dialect::V2.service(Provider::Aws, body.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
