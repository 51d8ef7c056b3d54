//! Tokens of service accounts.

use super::harness::*;
use crate::atlas::{
    dialect::Dialect,
    error::{Class, Denial, Effect},
    region::Provider,
};
use bytes::Bytes;
use http::Request;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);

fn is_token(request: &Request<Bytes>) -> bool {
    request.uri().path() == "/api/oauth/token"
}

fn granted(n: usize, life: u64) -> http::Response<Bytes> {
    answer(200, &format!(r#"{{"access_token":"token-{n}","expires_in":{life},"token_type":"Bearer"}}"#))
}

/// Grants token after token, each of which must be used.
fn granting(life: u64) -> Arc<Fake> {
    let granted_so_far = AtomicUsize::new(0);
    Fake::new(move |request| {
        if is_token(request) {
            Reply::After(SECOND / 10, granted(granted_so_far.fetch_add(1, Ordering::SeqCst) + 1, life))
        } else {
            let expected = format!("Bearer token-{}", granted_so_far.load(Ordering::SeqCst));
            assert_eq!(request.headers()["authorization"], expected.as_str());
            assert!(request.headers()["authorization"].is_sensitive());
            Reply::Now(answer(200, "[]"))
        }
    })
}

fn tokens(fake: &Fake) -> usize {
    fake.seen().iter().filter(|seen| seen.target == "/api/oauth/token").count()
}

#[tokio::test(start_paused = true)]
async fn the_token_request_is_the_documented_one() {
    let fake = granting(3600);
    atlas(Dialect::V2, &fake).list_services(&account(), Provider::Aws).await.unwrap();
    let seen = &fake.seen()[0];
    assert_eq!((seen.method.as_str(), seen.body.as_ref()), ("POST", b"grant_type=client_credentials".as_ref()));
    assert_eq!(seen.headers["content-type"], "application/x-www-form-urlencoded");
    // base64 of mdb_sa_id_1:hunter2
    assert_eq!(seen.headers["authorization"], "Basic bWRiX3NhX2lkXzE6aHVudGVyMg==");
    assert!(seen.headers["authorization"].is_sensitive());
}

#[tokio::test(start_paused = true)]
async fn sixty_four_users_fetch_one_token() {
    let fake = granting(3600);
    let atlas = atlas(Dialect::V2, &fake);
    let tasks = (0..64).map(|_| {
        let atlas = atlas.clone();
        tokio::spawn(async move { atlas.list_services(&account(), Provider::Aws).await.unwrap() })
    });
    futures::future::join_all(tasks).await.into_iter().for_each(|task| drop(task.unwrap()));
    assert_eq!((tokens(&fake), fake.count()), (1, 65));
}

#[tokio::test(start_paused = true)]
async fn sixty_four_users_share_one_failure() {
    let fake = Fake::new(|_| Reply::After(SECOND, answer(503, "upstream connect error")));
    let atlas = atlas(Dialect::V2, &fake);
    let tasks = (0..64).map(|_| {
        let atlas = atlas.clone();
        tokio::spawn(async move { atlas.list_services(&account(), Provider::Aws).await.unwrap_err() })
    });
    for task in futures::future::join_all(tasks).await {
        let failure = task.unwrap();
        assert_eq!((failure.error.class, failure.error.effect), (Class::Transient, Effect::NotSent));
        assert_eq!(failure.sent, None);
    }
    assert_eq!(fake.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_expires() {
    for (life, kept, renewed) in [(3600, 2999, 3001), (60, 47, 49)] {
        let fake = granting(life);
        let atlas = atlas(Dialect::V2, &fake);
        atlas.list_services(&account(), Provider::Aws).await.unwrap();
        tokio::time::advance(Duration::from_secs(kept) - SECOND / 5).await;
        atlas.list_services(&account(), Provider::Aws).await.unwrap();
        assert_eq!(tokens(&fake), 1, "{life}");
        tokio::time::advance(Duration::from_secs(renewed - kept)).await;
        atlas.list_services(&account(), Provider::Aws).await.unwrap();
        assert_eq!(tokens(&fake), 2, "{life}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_leaves_the_old_token_in_use() {
    let asked = AtomicUsize::new(0);
    let fake = Fake::new(move |request| match (is_token(request), asked.load(Ordering::SeqCst)) {
        (true, 0) => {
            asked.store(1, Ordering::SeqCst);
            granted(1, 3600)
        }
        (true, _) => answer(500, ""),
        (false, _) => answer(200, "[]"),
    });
    let atlas = atlas(Dialect::V2, &fake);
    for (pause, requests) in [(0, 1), (3100, 2), (10, 2), (25, 3)] {
        tokio::time::advance(Duration::from_secs(pause)).await;
        atlas.list_services(&account(), Provider::Aws).await.unwrap();
        assert_eq!(tokens(&fake), requests, "after {pause} s");
    }
    tokio::time::advance(Duration::from_secs(600)).await;
    let failure = atlas.list_services(&account(), Provider::Aws).await.unwrap_err();
    assert_eq!(failure.error.class, Class::Transient);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_fetched_again_once() {
    let granted_so_far = AtomicUsize::new(0);
    let fake = Fake::new(move |request| {
        if is_token(request) {
            return granted(granted_so_far.fetch_add(1, Ordering::SeqCst) + 1, 3600);
        }
        match request.headers()["authorization"].to_str().unwrap() {
            // Revoked after its first use.
            "Bearer token-1" if granted_so_far.fetch_add(100, Ordering::SeqCst) == 1 => answer(200, "[]"),
            "Bearer token-1" => answer(401, CHALLENGE_BODY),
            _ => answer(200, "[]"),
        }
    });
    let atlas = atlas(Dialect::V2, &fake);
    atlas.list_services(&account(), Provider::Aws).await.unwrap();
    tokio::time::advance(SECOND).await;
    atlas.list_services(&account(), Provider::Aws).await.unwrap();
    assert_eq!((tokens(&fake), fake.count()), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn a_new_token_that_is_refused_is_not_replaced() {
    let fake = Fake::new(|request| if is_token(request) { granted(1, 3600) } else { answer(401, CHALLENGE_BODY) });
    let failure = atlas(Dialect::V2, &fake).list_services(&account(), Provider::Aws).await.unwrap_err();
    assert_eq!(failure.error.class, Class::Denied(Denial::Credentials));
    assert_eq!(tokens(&fake), 1);
}

#[tokio::test(start_paused = true)]
async fn a_401_about_the_project_keeps_the_token() {
    let fake = Fake::new(|request| if is_token(request) { granted(1, 3600) } else { refusal(401, "NOT_IN_GROUP") });
    let atlas = atlas(Dialect::V2, &fake);
    for _ in 0..2 {
        let failure = atlas.list_services(&account(), Provider::Aws).await.unwrap_err();
        assert_eq!(failure.error.class, Class::Denied(Denial::Project));
        tokio::time::advance(SECOND).await;
    }
    assert_eq!((tokens(&fake), fake.count()), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn refusals_of_a_token_have_their_class() {
    for (status, body, class) in [
        (401, r#"{"error":"invalid_client","error_description":"no hunter2"}"#, Class::Denied(Denial::Credentials)),
        (400, r#"{"error":"invalid_client"}"#, Class::Denied(Denial::Credentials)),
        (
            403,
            r#"{"error":403,"errorCode":"access_denied","detail":"Access Token limit reached."}"#,
            Class::Denied(Denial::Access),
        ),
        (429, "{}", Class::Throttled(None)),
        (500, "<html>", Class::Transient),
        (302, "", Class::Transient),
        (200, "<html>", Class::Transient),
        (200, r#"{"access_token":"a\nb","expires_in":60}"#, Class::Transient),
        (200, r#"{"access_token":"","expires_in":60}"#, Class::Transient),
        (200, r#"{"access_token":"a","token_type":"mac"}"#, Class::Transient),
        (200, r#"{"access_token":"a","expires_in":0}"#, Class::Transient),
    ] {
        let fake = Fake::new(move |_| answer(status, body));
        let failure = atlas(Dialect::V2, &fake).list_services(&account(), Provider::Aws).await.unwrap_err();
        assert_eq!(failure.error.class, class, "{status} {body}");
        assert_eq!((failure.error.effect, failure.sent, fake.count()), (Effect::NotSent, None, 1));
        assert!(!format!("{failure} {failure:?}").contains("hunter2"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_token_endpoint_is_left_alone() {
    let fake = Fake::new(|_| with(answer(429, ""), "retry-after", "60"));
    let atlas = atlas(Dialect::V2, &fake);
    for expected in [60, 50] {
        let failure = atlas.list_services(&account(), Provider::Aws).await.unwrap_err();
        assert_eq!(failure.error.class, Class::Throttled(Some(Duration::from_secs(expected))));
        tokio::time::advance(SECOND * 10).await;
    }
    assert_eq!(fake.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_hangs_costs_ten_seconds() {
    let fake = Fake::new(|_| Reply::Never);
    let started = tokio::time::Instant::now();
    let failure = atlas(Dialect::V2, &fake).list_services(&account(), Provider::Aws).await.unwrap_err();
    assert_eq!((failure.error.effect, started.elapsed().as_secs()), (Effect::NotSent, 10));
}

#[tokio::test(start_paused = true)]
async fn v1_takes_no_service_account() {
    let fake = Fake::new(|_| answer(200, "[]"));
    let failure = atlas(Dialect::V1, &fake).list_services(&account(), Provider::Aws).await.unwrap_err();
    assert_eq!(failure.error.class, Class::Denied(Denial::Credentials));
    assert_eq!((failure.error.effect, failure.sent, fake.count()), (Effect::NotSent, None, 0));
    assert!(failure.error.detail.contains("publicKey"));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_learns_of_a_pause_while_it_waits_fetches_no_token() {
    let fake = Fake::new(|request| match is_token(request) {
        true => Reply::Now(granted(1, 3)),
        false => Reply::After(SECOND * 5, with(refusal(429, "RATE_LIMITED"), "retry-after", "60")),
    });
    let atlas = atlas(Dialect::V2, &fake);
    let (caller, region, service, endpoint) = (account(), region(), service(), endpoint());
    let (first, second) = (basis(&atlas), endpoint_basis(&atlas));
    let (first, second) = tokio::join!(
        atlas.create_service(&caller, &region, &first),
        atlas.add_endpoint(&caller, service, &endpoint, &second),
    );
    assert_eq!(first.unwrap_err().error.effect, Effect::None);
    let held = second.unwrap_err().error;
    assert_eq!((held.class, held.effect), (Class::Throttled(Some(SECOND * 60)), Effect::NotSent));
    assert_eq!((tokens(&fake), fake.count()), (1, 2));
}
