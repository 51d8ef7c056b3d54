//! Rate limits, and one write at a time.

use super::harness::*;
use crate::atlas::{
    dialect::Dialect,
    error::{Class, Effect},
    region::Provider,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::advance;

const SECOND: Duration = Duration::from_secs(1);

/// Answers the first request with `first` and all others with an empty list.
fn first_then_list(first: http::Response<bytes::Bytes>) -> Arc<Fake> {
    let asked = AtomicUsize::new(0);
    Fake::new(move |_| if asked.fetch_add(1, Ordering::SeqCst) == 0 { first.clone() } else { answer(200, "[]") })
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_every_call_of_the_project_back() {
    let date = with(refusal(429, "RATE_LIMITED"), "date", "Sat, 21 Nov 2026 20:00:00 GMT");
    for first in [
        with(refusal(429, "RATE_LIMITED_TOKEN_BUCKET"), "retry-after", "55"),
        with(date, "retry-after", "Sat, 21 Nov 2026 20:00:55 GMT"),
        with(answer(503, ""), "retry-after", "55"),
    ] {
        let throttled = first.status() == 429;
        let fake = first_then_list(first);
        let atlas = atlas(Dialect::V2, &fake);
        let failure = atlas.list_services(&key(), Provider::Aws).await.unwrap_err();
        if throttled {
            assert_eq!(failure.error.class, Class::Throttled(Some(SECOND * 55)));
            assert_eq!(failure.error.effect, Effect::None);
        }
        advance(SECOND * 20).await;
        let failure = atlas.list_services(&key(), Provider::Gcp).await.unwrap_err();
        assert_eq!(failure.error.class, Class::Throttled(Some(SECOND * 35)));
        assert_eq!((failure.error.effect, failure.sent), (Effect::NotSent, None));
        let failure = atlas.create_service(&key(), &region(), &basis(&atlas)).await.unwrap_err();
        assert_eq!(failure.error.effect, Effect::NotSent);
        assert_eq!(fake.count(), 1, "nothing reaches Atlas meanwhile");
        // Another project has a budget of its own.
        atlas.list_services(&other_project(&key()), Provider::Aws).await.unwrap();
        advance(SECOND * 35).await;
        atlas.list_services(&key(), Provider::Aws).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_without_retry_after_backs_off_by_itself() {
    let fake = first_then_list(refusal(429, "RATE_LIMITED"));
    let atlas = atlas(Dialect::V2, &fake);
    let failure = atlas.list_services(&key(), Provider::Aws).await.unwrap_err();
    assert_eq!(failure.error.class, Class::Throttled(None));
    advance(SECOND * 9).await;
    let failure = atlas.list_services(&key(), Provider::Aws).await.unwrap_err();
    assert!(matches!(failure.error.class, Class::Throttled(Some(left)) if left >= SECOND));
    assert_eq!(fake.count(), 1);
    advance(SECOND * 4).await;
    atlas.list_services(&key(), Provider::Aws).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_permit_is_followed_by_a_pause() {
    let fake = first_then_list(with(answer(200, "[]"), "ratelimit-remaining", "0"));
    let atlas = atlas(Dialect::V2, &fake);
    let list = atlas.list_services(&key(), Provider::Aws).await.unwrap();
    assert!(atlas.list_services(&key(), Provider::Aws).await.is_err());
    advance(SECOND * 5).await;
    // The read that used it up still carries a write.
    let mut basis = basis(&atlas);
    basis.read = list.sent;
    let failure = atlas.create_service(&key(), &region(), &basis).await.unwrap_err();
    assert_eq!((failure.error.effect, fake.count()), (Effect::Unknown, 2), "it was sent (and answered with a list)");
}

#[tokio::test(start_paused = true)]
async fn writes_of_one_project_take_turns_and_reads_do_not_wait() {
    let under_way = Arc::new(AtomicUsize::new(0));
    let fake = {
        let under_way = under_way.clone();
        Fake::new(move |request| {
            if request.method() == "GET" {
                return Reply::Now(answer(200, "[]"));
            }
            assert_eq!(under_way.fetch_add(1, Ordering::SeqCst), 0, "two writes at a time");
            let under_way = under_way.clone();
            tokio::spawn(async move {
                tokio::time::sleep(SECOND * 2).await;
                under_way.fetch_sub(1, Ordering::SeqCst);
            });
            Reply::After(SECOND * 2 + SECOND / 100, answer(201, SERVICE_BODY))
        })
    };
    let atlas = atlas(Dialect::V2, &fake);
    let write = |region: &'static str| {
        let atlas = atlas.clone();
        async move {
            let region = crate::atlas::region::Region::parse(Provider::Aws, region).unwrap();
            let mut basis = basis(&atlas);
            basis.key = crate::atlas::WriteKey::Service(PROJECT.parse().unwrap(), region.clone());
            atlas.create_service(&key(), &region, &basis).await
        }
    };
    let started = tokio::time::Instant::now();
    let read = async {
        tokio::time::sleep(SECOND).await;
        atlas.list_services(&key(), Provider::Aws).await.unwrap();
        assert_eq!(started.elapsed(), SECOND);
    };
    let _ = tokio::join!(write("us-east-1"), write("us-west-1"), write("us-west-2"), read);
    assert_eq!(fake.count(), 4);
    assert!(started.elapsed() >= SECOND * 6);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_waited_too_long_is_dropped_and_one_that_is_abandoned_gives_its_turn_up() {
    let fake = Fake::new(|_| Reply::After(SECOND * 11, answer(201, SERVICE_BODY)));
    let atlas = atlas(Dialect::V2, &fake);
    let (caller, region, first_basis, second_basis) = (key(), region(), basis(&atlas), endpoint_basis(&atlas));
    let (service, endpoint) = (service(), endpoint());
    let first = atlas.create_service(&caller, &region, &first_basis);
    let second = atlas.add_endpoint(&caller, service, &endpoint, &second_basis);
    let (first, second) = tokio::join!(first, second);
    first.unwrap();
    let failure = second.unwrap_err();
    assert_eq!((failure.error.class, failure.error.effect, failure.sent), (Class::Outdated, Effect::NotSent, None));
    assert_eq!(fake.count(), 1);
    let abandoned = basis(&atlas);
    let dropped = tokio::time::timeout(SECOND, atlas.create_service(&caller, &region, &abandoned)).await;
    assert!(dropped.is_err());
    let fresh = basis(&atlas);
    atlas.create_service(&caller, &region, &fresh).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pause_learnt_during_a_challenge_holds_the_retry_back() {
    let fake = Fake::new(|request| match request.uri().path().contains("GCP") {
        true => Reply::After(SECOND, with(refusal(429, "RATE_LIMITED"), "retry-after", "60")),
        false => Reply::After(SECOND * 2, challenge("abc", false)),
    });
    let atlas = atlas(Dialect::V2, &fake);
    let (caller, region, basis) = (key(), region(), basis(&atlas));
    let write = atlas.create_service(&caller, &region, &basis);
    let (write, read) = tokio::join!(write, atlas.list_services(&caller, Provider::Gcp));
    assert_eq!(read.unwrap_err().error.class, Class::Throttled(Some(SECOND * 60)));
    let failure = write.unwrap_err();
    assert_eq!((failure.error.class, failure.error.effect), (Class::Throttled(Some(SECOND * 59)), Effect::None));
    assert_eq!((fake.count(), failure.sent.is_some()), (2, true));
}

#[tokio::test(start_paused = true)]
async fn a_held_write_does_not_queue_behind_one_that_hangs() {
    let fake = Fake::new(|request| match request.method().as_str() {
        "GET" => Reply::Now(with(refusal(429, "RATE_LIMITED"), "retry-after", "60")),
        _ => Reply::Never,
    });
    let atlas = atlas(Dialect::V2, &fake);
    let (caller, region, first, second) = (key(), region(), basis(&atlas), endpoint_basis(&atlas));
    let (service, endpoint, started) = (service(), endpoint(), tokio::time::Instant::now());
    let held = async {
        assert!(atlas.list_services(&caller, Provider::Aws).await.is_err());
        let failure = atlas.add_endpoint(&caller, service, &endpoint, &second).await.unwrap_err();
        assert_eq!((failure.error.class, started.elapsed()), (Class::Throttled(Some(SECOND * 60)), Duration::ZERO));
    };
    let (hanging, ()) = tokio::join!(atlas.create_service(&caller, &region, &first), held);
    assert_eq!(hanging.unwrap_err().error.effect, Effect::Unknown);
}
