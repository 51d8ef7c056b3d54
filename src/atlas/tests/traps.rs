//! One test for each trap of atlas-api.md §9.

use super::harness::*;
use crate::atlas::{
    dialect::Dialect,
    error::{Class, Denial, Effect},
    ids::EndpointId,
    model::{ConnectionStatus, ServiceState},
    region::Provider,
};

async fn list_refused(refused: http::Response<bytes::Bytes>) -> Class {
    let fake = Fake::new(move |_| refused.clone());
    atlas(Dialect::V2, &fake).list_services(&key(), Provider::Aws).await.unwrap_err().error.class
}

#[tokio::test(start_paused = true)]
async fn trap_1_a_challenge_whose_body_has_a_code_is_still_a_challenge() {
    let fake = behind(DigestServer::forever(), |_| answer(200, "[]"));
    atlas(Dialect::V2, &fake).list_services(&key(), Provider::Aws).await.unwrap();
    assert!(CHALLENGE_BODY.contains("UNEXPECTED_ERROR"));
}

#[tokio::test(start_paused = true)]
async fn trap_2_a_404_or_405_is_not_always_absence_or_refusal() {
    for (status, code, class) in [
        (404, "PRIVATELINK_NOT_FOUND", Class::Missing),
        (404, "PRIVATELINK_INTERFACE_ENDPOINT_ID_MALFORMED", Class::Invalid),
        (404, "INVALID_GROUP_ID", Class::Denied(Denial::Project)),
        (404, "PROVIDER_UNSUPPORTED", Class::Invalid),
        (405, "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES", Class::Transient),
        (405, "METHOD_NOT_ALLOWED", Class::Invalid),
    ] {
        assert_eq!(list_refused(refusal(status, code)).await, class, "{code}");
    }
    assert_eq!(list_refused(answer(404, "<html>")).await, Class::Transient);
}

#[tokio::test(start_paused = true)]
async fn trap_3_a_missing_service_and_a_missing_endpoint_are_one_class() {
    let fake = Fake::new(|_| refusal(404, "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND"));
    let atlas = atlas(Dialect::V2, &fake);
    let service_gone = atlas.get_service(&key(), Provider::Aws, service()).await.unwrap_err();
    let endpoint_gone = atlas.get_endpoint(&key(), service(), &endpoint()).await.unwrap_err();
    assert_eq!((service_gone.error.class, endpoint_gone.error.class), (Class::Missing, Class::Missing));
}

#[test]
fn trap_4_two_kinds_of_gcp_service_in_one_region_are_told_apart() {
    let list = r#"[
        {"cloudProvider":"GCP","id":"5df264b8f10fab7d2cad2f01","portMappingEnabled":false,"regionName":"US_EAST_4","status":"AVAILABLE"},
        {"cloudProvider":"GCP","id":"5df264b8f10fab7d2cad2f02","portMappingEnabled":true,"regionName":"US_EAST_4","status":"AVAILABLE"}]"#;
    let services = Dialect::V2.services(Provider::Gcp, list.as_bytes()).unwrap();
    assert_eq!(services.iter().map(|service| service.port_mapping).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test(start_paused = true)]
async fn trap_5_a_service_may_go_with_its_last_endpoint() {
    let fake = Fake::new(|request| match request.uri().path().contains("vpce-") {
        true => answer(202, "{}"),
        false => refusal(404, "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND"),
    });
    let atlas = atlas(Dialect::V2, &fake);
    atlas.remove_endpoint(&key(), service(), &endpoint(), &endpoint_basis(&atlas)).await.unwrap();
    let gone = atlas.delete_service(&key(), Provider::Aws, service(), &basis(&atlas)).await.unwrap_err();
    assert_eq!((gone.error.class, gone.error.effect), (Class::Missing, Effect::None));
}

#[tokio::test(start_paused = true)]
async fn trap_6_any_2xx_is_success() {
    for status in [200, 201, 202, 204, 299] {
        let fake = Fake::new(move |request| match request.method().as_str() {
            "DELETE" => answer(status, ""),
            _ => answer(status, SERVICE_BODY),
        });
        let atlas = atlas(Dialect::V2, &fake);
        atlas.create_service(&key(), &region(), &basis(&atlas)).await.unwrap();
        let fresh = basis(&atlas);
        atlas.delete_service(&key(), Provider::Aws, service(), &fresh).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn trap_7_the_examples_of_the_pages_contradict_their_texts() {
    // 003: a create answered as ready, with endpoints.
    let fake = Fake::new(|_| answer(201, SERVICE_BODY));
    let client = atlas(Dialect::V1, &fake);
    let created = client.create_service(&key(), &region(), &basis(&client)).await.unwrap().value;
    assert_eq!((created.state, created.endpoints.len()), (ServiceState::WaitingForUser, 1));
    // 004: answers with another endpoint than was sent. It decodes, but the call doesn't believe it.
    let body = r#"{"connectionStatus":"PENDING","deleteRequested":false,"errorMessage":null,"interfaceEndpointId":"vpce-08fb7e9319909ec7b"}"#;
    assert!(Dialect::V1.endpoint(body.as_bytes()).is_ok());
    let fake = Fake::new(move |_| answer(201, body));
    let client = atlas(Dialect::V1, &fake);
    let sent: EndpointId = "vpce-0b9c5701325cb15dd".parse().unwrap();
    let failure = client.add_endpoint(&key(), service(), &sent, &endpoint_basis(&client)).await.unwrap_err();
    assert_eq!((failure.error.class, failure.error.effect), (Class::Transient, Effect::Unknown));
    // 001: a service number with a digit too many.
    let body = SERVICE_BODY.replace("us-east-1.vpce-svc-0aee615d3fe32c14e", "us-west-1.vpce-svc-4fbdd5faa86d2e7538");
    let service = Dialect::V1.service(Provider::Aws, body.as_bytes()).unwrap();
    assert_eq!(service.region.unwrap().atlas_name(), "US_WEST_1");
}

#[test]
fn trap_8_old_endpoint_ids_have_eight_digits() {
    for id in ["vpce-11111111", "vpce-0b9c5701325cb15dd"] {
        let body = format!(r#"{{"interfaceEndpointId":"{id}","connectionStatus":"NONE"}}"#);
        assert_eq!(Dialect::V1.endpoint(body.as_bytes()).unwrap().id.as_str(), id);
    }
    let body = br#"{"interfaceEndpointId":"vpce-../..","connectionStatus":"NONE"}"#;
    assert!(Dialect::V1.endpoint(body).is_err());
}

#[tokio::test(start_paused = true)]
async fn trap_9_no_envelope_and_no_pages_are_asked_for() {
    let fake = Fake::new(|_| answer(200, "[]"));
    for dialect in [Dialect::V1, Dialect::V2] {
        atlas(dialect, &fake).list_services(&key(), Provider::Aws).await.unwrap();
    }
    assert!(fake.seen().iter().all(|seen| !seen.target.contains('?')));
}

#[test]
fn trap_10_none_is_a_word_of_v1_only_but_read_in_both() {
    let body = br#"{"interfaceEndpointId":"vpce-11111111","connectionStatus":"NONE"}"#;
    for dialect in [Dialect::V1, Dialect::V2] {
        assert_eq!(dialect.endpoint(body).unwrap().status, ConnectionStatus::None);
    }
}

#[tokio::test(start_paused = true)]
async fn trap_11_the_pause_is_the_headers_not_a_rate_computed_from_the_text() {
    let body = r#"{"detail":"Rate limit exceeded for api/atlas/v2/orgs. Please retry after 55 seconds. Request capacity: 10. Refill rate: 5 per 60 seconds.","error":429,"errorCode":"RATE_LIMITED_TOKEN_BUCKET","parameters":["api/atlas/v2/orgs",55,10,5,60],"reason":"Too Many Requests"}"#;
    assert_eq!(list_refused(answer(429, body)).await, Class::Throttled(None));
    let told = list_refused(with(answer(429, body), "retry-after", "57")).await;
    assert_eq!(told, Class::Throttled(Some(std::time::Duration::from_secs(57))));
}

#[test]
fn trap_12_an_id_tells_its_second() {
    let body = SERVICE_BODY.replace(SERVICE, "6a793f68c0eb9e7a17715835");
    let service = Dialect::V1.service(Provider::Aws, body.as_bytes()).unwrap();
    assert_eq!(service.id.created(), "2026-08-10T03:03:04Z".parse().unwrap());
}
