//! No secret in anything that can be printed.

use super::harness::*;
use crate::atlas::{
    Atlas, AtlasConfig,
    dialect::Dialect,
    https::{Https, HttpsOptions},
    region::Provider,
    url::BaseUrl,
};
use std::sync::{Arc, Mutex};

#[tokio::test(start_paused = true)]
async fn an_atlas_that_repeats_the_secret_is_not_quoted() {
    for (caller, status) in [(key(), 403), (key(), 400), (account(), 403), (key(), 200)] {
        let fake = Fake::new(move |request| match request.uri().path() {
            "/api/oauth/token" => answer(200, r#"{"access_token":"hunter2token","expires_in":60}"#),
            _ => answer(status, r#"{"errorCode":"hunter2_CODE","detail":"the key hunter2 is not welcome"}"#),
        });
        let failure = atlas(Dialect::V2, &fake).list_services(&caller, Provider::Aws).await.unwrap_err();
        assert!(!format!("{failure} {failure:?} {:?}", caller.credential).contains("hunter2"), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_request_that_repeats_the_secret_is_not_quoted() {
    for body in [
        r#"{"errorCode":"hunter2_CODE","detail":"the secret hunter2 is not welcome"}"#,
        r#"{"error":"hunter2","error_description":"hun\u200bter2"}"#,
    ] {
        let fake = Fake::new(move |_| answer(401, body));
        let failure = atlas(Dialect::V2, &fake).list_services(&account(), Provider::Aws).await.unwrap_err();
        assert!(!format!("{failure} {failure:?}").contains("hunter2"), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_repeats_what_was_sent_as_proof_is_not_quoted() {
    fn repeating(request: &http::Request<bytes::Bytes>) -> http::Response<bytes::Bytes> {
        let proof = request.headers().get("authorization").map_or("", |proof| proof.to_str().unwrap());
        let body =
            serde_json::json!({ "error": 403, "errorCode": "FORBIDDEN", "detail": format!("not welcome: {proof}") });
        answer(403, &body.to_string())
    }
    let token = |request: &http::Request<bytes::Bytes>| match request.uri().path() {
        "/api/oauth/token" => answer(200, r#"{"access_token":"granted-token","expires_in":60}"#),
        _ => repeating(request),
    };
    let digest = behind(DigestServer::forever(), repeating);
    for (fake, caller, secrets) in [
        (Fake::new(token), account(), ["granted-token", "granted"]),
        (Fake::new(repeating), account(), ["bWRiX3NhX2lk", "aHVudGVyMg"]),
        (digest, key(), ["response=", "nonce="]),
    ] {
        let failure = atlas(Dialect::V2, &fake).list_services(&caller, Provider::Aws).await.unwrap_err();
        let told = format!("{failure} {failure:?}");
        assert!(told.contains("not welcome: ") && !secrets.iter().any(|secret| told.contains(secret)), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_shows_its_authorization() {
    let fake = behind(DigestServer::forever(), |_| answer(200, "[]"));
    atlas(Dialect::V2, &fake).list_services(&key(), Provider::Aws).await.unwrap();
    let debug = format!("{:?}", fake.seen());
    assert!(debug.contains("Sensitive") && !debug.contains("username") && !debug.contains("response="));
}

/// Everything that is logged while it is set, at any level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_log_level_shows_a_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // With one dispatcher only, tracing asks the thread that comes first whether a place is of interest, and that may
    // be another test's; with two it asks both.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let app = axum::Router::new().fallback(async |request: axum::extract::Request| {
        match (request.uri().path(), request.headers().contains_key("authorization")) {
            ("/api/oauth/token", _) => answer(200, r#"{"access_token":"hunter2token","expires_in":60}"#),
            (_, true) => answer(200, "[]"),
            (_, false) => challenge("abc", false),
        }
        .map(axum::body::Body::from)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = BaseUrl::parse(&format!("http://{}", listener.local_addr().unwrap()), false).unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let https = Arc::new(Https::new(&HttpsOptions::default()).unwrap());
    let atlas = Atlas::new(AtlasConfig::new(base, Dialect::V2), https);
    let read = || String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // Tests beside this one may have had a place registered as of no interest at this very moment.
    for _ in 0..100 {
        tracing::callsite::rebuild_interest_cache();
        for caller in [key(), account()] {
            atlas.list_services(&caller, Provider::Aws).await.unwrap();
        }
        if read().contains("list_services") {
            break;
        }
    }
    let text = read();
    assert!(text.contains("list_services") && text.contains("TRACE"), "the log is looked at: {text}");
    for secret in ["hunter2", "aHVudGVyMg", "response=", "Bearer ", "groups/"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
