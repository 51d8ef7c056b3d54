//! What a call sends, when it is dropped, and what is known when no answer comes.

use super::harness::*;
use crate::atlas::{
    Atlas, Basis, Sent, WriteKey,
    dialect::Dialect,
    error::{Class, Effect},
    observe::{CallReport, Observer, ReadReport},
    region::{Provider, Region},
    transport::TransportError,
};
use bytes::Bytes;
use http::Request;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);
const ENDPOINT_BODY: &str = r#"{"connectionStatus":"PENDING","deleteRequested":false,"errorMessage":null,
    "interfaceEndpointId":"vpce-08fb7e9319909ec7b"}"#;

fn plausible(request: &Request<Bytes>) -> http::Response<Bytes> {
    let path = request.uri().path();
    match (request.method().as_str(), path.contains("ndpoints/vpce") || path.contains("/endpoint/")) {
        ("DELETE", _) => answer(202, "{}"),
        ("POST", _) if path.ends_with("interfaceEndpoints") || path.ends_with("/endpoint") => {
            answer(201, ENDPOINT_BODY)
        }
        ("POST", _) => answer(201, SERVICE_BODY),
        (_, true) => answer(200, ENDPOINT_BODY),
        (_, false) if path.ends_with(SERVICE) => answer(200, SERVICE_BODY),
        (_, false) => answer(200, "[]"),
    }
}

async fn all_operations(atlas: &Atlas, caller: &crate::atlas::Caller) {
    let (aws, service, endpoint) = (Provider::Aws, service(), endpoint());
    atlas.list_services(caller, aws).await.unwrap();
    atlas.create_service(caller, &region(), &basis(atlas)).await.unwrap();
    atlas.get_service(caller, aws, service).await.unwrap();
    atlas.add_endpoint(caller, service, &endpoint, &endpoint_basis(atlas)).await.unwrap();
    atlas.get_endpoint(caller, service, &endpoint).await.unwrap();
    atlas.remove_endpoint(caller, service, &endpoint, &endpoint_basis(atlas)).await.unwrap();
    atlas.delete_service(caller, aws, service, &basis(atlas)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_operation_of_both_dialects_asks_as_documented() {
    let root = format!("/groups/{PROJECT}/privateEndpoint");
    for (dialect, media_type, expected) in [
        (
            Dialect::V1,
            "application/json",
            [
                ("GET", String::new(), ""),
                ("POST", String::new(), r#"{"providerName":"AWS","region":"us-east-1"}"#),
                ("GET", format!("/{SERVICE}"), ""),
                (
                    "POST",
                    format!("/{SERVICE}/interfaceEndpoints"),
                    r#"{"interfaceEndpointId":"vpce-08fb7e9319909ec7b"}"#,
                ),
                ("GET", format!("/{SERVICE}/interfaceEndpoints/{ENDPOINT}"), ""),
                ("DELETE", format!("/{SERVICE}/interfaceEndpoints/{ENDPOINT}"), ""),
                ("DELETE", format!("/{SERVICE}"), ""),
            ],
        ),
        (
            Dialect::V2,
            "application/vnd.atlas.2023-01-01+json",
            [
                ("GET", "/AWS/endpointService".into(), ""),
                ("POST", "/endpointService".into(), r#"{"providerName":"AWS","region":"US_EAST_1"}"#),
                ("GET", format!("/AWS/endpointService/{SERVICE}"), ""),
                ("POST", format!("/AWS/endpointService/{SERVICE}/endpoint"), r#"{"id":"vpce-08fb7e9319909ec7b"}"#),
                ("GET", format!("/AWS/endpointService/{SERVICE}/endpoint/{ENDPOINT}"), ""),
                ("DELETE", format!("/AWS/endpointService/{SERVICE}/endpoint/{ENDPOINT}"), ""),
                ("DELETE", format!("/AWS/endpointService/{SERVICE}"), ""),
            ],
        ),
    ] {
        let fake = Fake::new(plausible);
        all_operations(&atlas(dialect, &fake), &key()).await;
        let seen = fake.seen();
        assert_eq!(seen.len(), expected.len());
        for (seen, (method, tail, body)) in seen.iter().zip(expected) {
            assert_eq!(seen.method, method);
            assert_eq!(seen.target, format!("/api/atlas/{dialect}{root}{tail}"));
            assert_eq!(seen.body, body);
            assert_eq!(seen.headers["accept"], media_type);
            assert_eq!(seen.headers.get("content-type").is_some(), !body.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn gcp_services_are_made_with_port_mapping_and_azure_by_atlas_name() {
    for (provider, region, body) in [
        (Provider::Gcp, "us-east4", r#"{"portMappingEnabled":true,"providerName":"GCP","region":"US_EAST_4"}"#),
        (Provider::Azure, "eastus2", r#"{"providerName":"AZURE","region":"US_EAST_2"}"#),
    ] {
        let fake = Fake::new(|_| answer(201, r#"{"id":"5df264b8f10fab7d2cad2f0d","status":"INITIATING"}"#));
        let atlas = atlas(Dialect::V2, &fake);
        let region = Region::parse(provider, region).unwrap();
        let created = atlas.create_service(&key(), &region, &basis(&atlas)).await.unwrap();
        assert_eq!((created.value.provider, fake.seen()[0].body.as_ref()), (provider, body.as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn v1_refuses_what_it_cannot_say_without_asking() {
    let fake = Fake::new(plausible);
    let atlas = atlas(Dialect::V1, &fake);
    let (gcp, far) = (Region::parse(Provider::Gcp, "us-east4"), Region::parse(Provider::Aws, "af-south-1"));
    for failure in [
        atlas.list_services(&key(), Provider::Azure).await.unwrap_err(),
        atlas.create_service(&key(), &gcp.unwrap(), &basis(&atlas)).await.unwrap_err(),
        atlas.create_service(&key(), &far.unwrap(), &basis(&atlas)).await.unwrap_err(),
        atlas.delete_service(&key(), Provider::Gcp, service(), &basis(&atlas)).await.unwrap_err(),
    ] {
        assert_eq!((failure.error.class, failure.error.effect), (Class::Invalid, Effect::NotSent));
        assert!(failure.error.detail.contains("v2"), "{failure}");
    }
    assert_eq!(fake.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_on_an_old_read_is_dropped() {
    let fake = Fake::new(plausible);
    let atlas = atlas(Dialect::V2, &fake);
    let old = basis(&atlas);
    advance(SECOND * 10).await;
    atlas.create_service(&key(), &region(), &old).await.unwrap();
    let old = basis(&atlas);
    advance(SECOND * 10 + SECOND / 1000).await;
    let failure = atlas.create_service(&key(), &region(), &old).await.unwrap_err();
    assert_eq!((failure.error.class, failure.error.effect, failure.sent), (Class::Outdated, Effect::NotSent, None));
    assert_eq!(fake.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_write_on_a_read_before_another_write_of_its_key_is_dropped() {
    let fake = Fake::new(plausible);
    let atlas = atlas(Dialect::V2, &fake);
    let shared = basis(&atlas);
    let of_another_key = Basis { key: WriteKey::Endpoint(service(), endpoint()), ..shared.clone() };
    let sent = atlas.create_service(&key(), &region(), &shared).await.unwrap().sent;
    assert!(sent.sequence > shared.read.sequence);
    let failure = atlas.delete_service(&key(), Provider::Aws, service(), &shared).await.unwrap_err();
    assert_eq!((failure.error.class, failure.error.effect), (Class::Outdated, Effect::NotSent));
    atlas.add_endpoint(&key(), service(), &endpoint(), &of_another_key).await.unwrap();
    let fresh = Basis { read: atlas.list_services(&key(), Provider::Aws).await.unwrap().sent, ..shared };
    atlas.delete_service(&key(), Provider::Aws, service(), &fresh).await.unwrap();
    assert_eq!(fake.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_counts_too() {
    let fake = Fake::new(|_| Reply::Lost(TransportError::NoAnswer("cut".into())));
    let atlas = atlas(Dialect::V2, &fake);
    let shared = basis(&atlas);
    assert!(atlas.create_service(&key(), &region(), &shared).await.is_err());
    assert!(atlas.create_service(&key(), &region(), &shared).await.is_err());
    assert_eq!(fake.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_retry_after_a_challenge_is_not_in_its_own_way_but_must_be_fresh() {
    let server = DigestServer::forever();
    let fake = Fake::new(move |request| match server.check(request) {
        Some(challenge) => Reply::After(SECOND * 6, challenge),
        None => plausible(request).into(),
    });
    let atlas = atlas(Dialect::V2, &fake);
    let created = atlas.create_service(&key(), &region(), &basis(&atlas)).await.unwrap();
    assert_eq!(created.sent.at, fake.seen()[1].at, "the last handing counts");

    let server = DigestServer::forever();
    let fake = Fake::new(move |request| match server.check(request) {
        Some(challenge) => Reply::After(SECOND * 11, challenge),
        None => panic!("sent on a read that is 11 s old"),
    });
    let atlas = Atlas::new(config(Dialect::V2), fake.clone());
    let failure = atlas.create_service(&key(), &region(), &basis(&atlas)).await.unwrap_err();
    // The request that was challenged has done nothing.
    assert_eq!((failure.error.class, failure.error.effect), (Class::Outdated, Effect::None));
    assert_eq!(failure.sent.map(|sent| sent.at), Some(fake.seen()[0].at));
}

#[tokio::test(start_paused = true)]
async fn no_call_outlasts_its_deadline() {
    let fake = Fake::new(|_| Reply::Never);
    let atlas = atlas(Dialect::V2, &fake);
    let started = Instant::now();
    let failure = atlas.create_service(&key(), &region(), &basis(&atlas)).await.unwrap_err();
    assert_eq!(started.elapsed(), SECOND * 30);
    assert_eq!((failure.error.class, failure.error.effect), (Class::Transient, Effect::Unknown));
    assert_eq!(failure.sent.map(|sent| sent.at), Some(started));
    assert_eq!(failure.error.detail, "Atlas did not answer within 30 s");
}

#[tokio::test(start_paused = true)]
async fn a_challenge_and_its_retry_share_one_deadline() {
    let fake = Fake::new(|_| Reply::After(SECOND * 29, challenge("abc", false)));
    let atlas = atlas(Dialect::V2, &fake);
    let started = Instant::now();
    let failure = atlas.list_services(&key(), Provider::Aws).await.unwrap_err();
    assert_eq!((started.elapsed(), fake.count()), (SECOND * 30, 2));
    assert_eq!(failure.error.effect, Effect::Unknown);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_write_without_an_answer() {
    for (error, effect) in [
        (TransportError::NotConnected("refused".into()), Effect::None),
        (TransportError::NoAnswer("cut".into()), Effect::Unknown),
        (TransportError::TooLarge(5), Effect::Unknown),
    ] {
        let told = error.to_string();
        let fake = Fake::new(move |_| Reply::Lost(error.clone()));
        let atlas = atlas(Dialect::V2, &fake);
        let failure = atlas.create_service(&key(), &region(), &basis(&atlas)).await.unwrap_err();
        assert_eq!((failure.error.class, failure.error.effect), (Class::Transient, effect));
        assert_eq!((failure.error.detail, failure.sent.is_some()), (told, true));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_success_leaves_the_effect_unknown() {
    for body in [
        b"".as_ref(),
        b"<html>hello</html>",
        b"{\"id\":\"5df264b8f10fab7d2ca",
        b"\xff\xfe",
        b"{\"id\":\"../groups\",\"status\":\"AVAILABLE\"}",
        b"{\"id\":7}",
        b"[]",
    ] {
        let fake = Fake::new(move |_| {
            let mut answer = answer(201, "");
            *answer.body_mut() = Bytes::from_static(body);
            answer
        });
        let atlas = atlas(Dialect::V2, &fake);
        let failure = atlas.create_service(&key(), &region(), &basis(&atlas)).await.unwrap_err();
        assert_eq!((failure.error.class, failure.error.effect), (Class::Transient, Effect::Unknown), "{body:?}");
        assert!(failure.error.detail.contains("unreadable") && !failure.error.detail.contains("html"), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_may_be_answered_with_nothing() {
    for (status, body, ok) in [(202, "{}", true), (204, "", true), (200, " \n", true), (200, "<html>", false)] {
        let fake = Fake::new(move |_| answer(status, body));
        let atlas = atlas(Dialect::V2, &fake);
        let outcome = atlas.remove_endpoint(&key(), service(), &endpoint(), &endpoint_basis(&atlas)).await;
        assert_eq!(outcome.is_ok(), ok, "{status} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_unreadable_service_spoils_a_list() {
    let list = format!("[{SERVICE_BODY}, {{\"id\":\"not an id\"}}]");
    let fake = Fake::new(move |_| answer(200, &list));
    assert!(atlas(Dialect::V2, &fake).list_services(&key(), Provider::Aws).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_another_object_is_not_believed() {
    let fake = Fake::new(|request| match request.uri().path().contains("vpce") {
        true => answer(200, &ENDPOINT_BODY.replace("08fb", "0000")),
        false => answer(200, &SERVICE_BODY.replace("5df264b8", "00000000").replace("us-east-1", "us-west-1")),
    });
    let atlas = atlas(Dialect::V2, &fake);
    let failure = atlas.get_service(&key(), Provider::Aws, service()).await.unwrap_err();
    assert_eq!(failure.error.class, Class::Transient);
    let failure = atlas.get_endpoint(&key(), service(), &endpoint()).await.unwrap_err();
    assert_eq!(failure.error.class, Class::Transient);
    let failure = atlas.create_service(&key(), &region(), &basis(&atlas)).await.unwrap_err();
    assert_eq!(failure.error.effect, Effect::Unknown);
}

#[tokio::test(start_paused = true)]
async fn what_answers_a_creation_was_made_just_now() {
    // The second that the id tells: 2026-11-21T20:00:00Z.
    let made = r#"{"id":"6b01f8400000000000000001","status":"INITIATING"}"#;
    for (date, believed) in [
        ("Sat, 21 Nov 2026 19:57:59 GMT", false),
        ("Sat, 21 Nov 2026 19:58:00 GMT", true),
        ("Sat, 21 Nov 2026 20:02:00 GMT", true),
        ("Sat, 21 Nov 2026 20:02:01 GMT", false),
    ] {
        let fake = Fake::new(move |_| with(answer(201, made), "date", date));
        for dialect in [Dialect::V1, Dialect::V2] {
            let atlas = atlas(dialect, &fake);
            let outcome = atlas.create_service(&key(), &region(), &basis(&atlas)).await;
            assert_eq!(outcome.is_ok(), believed, "{date}");
            let effect = outcome.err().map(|failure| failure.error.effect);
            assert!(effect.is_none_or(|effect| effect == Effect::Unknown), "{effect:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_tell_when_they_were_asked_for_and_atlas_time() {
    let fake = Fake::new(|_| with(answer(200, "[]"), "date", "Sat, 21 Nov 2026 20:00:00 GMT"));
    let atlas = atlas(Dialect::V2, &fake);
    let before = atlas.sequence();
    advance(SECOND).await;
    let answer = atlas.list_services(&key(), Provider::Aws).await.unwrap();
    assert_eq!(answer.date, Some("2026-11-21T20:00:00Z".parse().unwrap()));
    assert_eq!(answer.sent.at, Instant::now());
    assert!(before < answer.sent.sequence && answer.sent.sequence < atlas.sequence());
}

#[derive(Default)]
struct Ledger(Mutex<Vec<CallReport>>);

impl Observer for Ledger {
    fn finished(&self, report: &CallReport) {
        self.0.lock().unwrap().push(*report);
    }

    fn read(&self, _: ReadReport) {}
}

#[tokio::test(start_paused = true)]
async fn the_observer_is_told_of_every_call() {
    let server = DigestServer::forever();
    let asked = AtomicUsize::new(0);
    let fake = Fake::new(move |request| match server.check(request) {
        Some(challenge) => challenge,
        None if asked.fetch_add(1, Ordering::SeqCst) == 0 => answer(200, "[]"),
        None => refusal(404, "GROUP_NOT_FOUND"),
    });
    let ledger = Arc::new(Ledger::default());
    let mut config = config(Dialect::V2);
    config.observer = ledger.clone();
    let atlas = Atlas::new(config, fake);
    atlas.list_services(&key(), Provider::Aws).await.unwrap();
    assert!(atlas.create_service(&key(), &region(), &basis(&atlas)).await.is_err());
    let stale = Sent { sequence: atlas.sequence(), at: Instant::now() };
    advance(SECOND * 11).await;
    assert!(atlas.create_service(&key(), &region(), &Basis { read: stale, ..basis(&atlas) }).await.is_err());
    let reports = ledger.0.lock().unwrap().clone();
    let summary: Vec<_> = reports
        .iter()
        .map(|r| (r.operation, r.outcome.err().map(Class::label), r.status, r.requests, r.challenges))
        .collect();
    assert_eq!(
        summary,
        [
            ("list_services", None, Some(200), 2, 1),
            ("create_service", Some("denied_project"), Some(404), 1, 0),
            ("create_service", Some("outdated"), None, 0, 0),
        ]
    );
}
