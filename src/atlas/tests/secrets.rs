//! No secret in anything that can be printed.

use super::harness::*;
use crate::atlas::{dialect::Dialect, region::Provider};

#[tokio::test(start_paused = true)]
async fn an_atlas_that_repeats_the_secret_is_not_quoted() {
    for (caller, status) in [(key(), 403), (key(), 400), (account(), 403), (key(), 200)] {
        let fake = Fake::new(move |request| match request.uri().path() {
            "/api/oauth/token" => answer(200, r#"{"access_token":"hunter2token","expires_in":60}"#),
            _ => refusal(status, "hunter2_CODE").map(|_| {
                r#"{"error":403,"errorCode":"ACCESS_FORBIDDEN","detail":"the key hunter2 is not welcome"}"#.into()
            }),
        });
        let failure = atlas(Dialect::V2, &fake).list_services(&caller, Provider::Aws).await.unwrap_err();
        assert!(!format!("{failure} {failure:?} {:?}", caller.credential).contains("hunter2"), "{failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_shows_its_authorization() {
    let fake = behind(DigestServer::forever(), |_| answer(200, "[]"));
    atlas(Dialect::V2, &fake).list_services(&key(), Provider::Aws).await.unwrap();
    let debug = format!("{:?}", fake.seen());
    assert!(debug.contains("Sensitive") && !debug.contains("username") && !debug.contains("response="));
}
