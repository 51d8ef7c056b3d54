//! What HTTP digest costs and survives.

use super::harness::*;
use crate::atlas::{
    dialect::Dialect,
    error::{Class, Denial, Effect},
    region::Provider,
};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn five_calls_in_a_row_cost_six_requests() {
    let fake = behind(DigestServer::new(MINUTE, 1024), |_| answer(200, "[]"));
    let atlas = atlas(Dialect::V2, &fake);
    for _ in 0..5 {
        atlas.list_services(&key(), Provider::Aws).await.unwrap();
    }
    assert_eq!(fake.count(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_stale_nonce_costs_two_requests() {
    let fake = behind(DigestServer::new(MINUTE, 2), |_| answer(200, "[]"));
    let atlas = atlas(Dialect::V2, &fake);
    let mut costs = Vec::new();
    for _ in 0..6 {
        let before = fake.count();
        atlas.list_services(&key(), Provider::Aws).await.unwrap();
        costs.push(fake.count() - before);
    }
    assert_eq!(costs, [2, 1, 2, 1, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_nonce_is_dropped_before_atlas_drops_it() {
    let fake = behind(DigestServer::new(MINUTE, 1024), |_| answer(200, "[]"));
    let atlas = atlas(Dialect::V2, &fake);
    for pause in [0, 44, 2] {
        tokio::time::advance(Duration::from_secs(pause)).await;
        atlas.list_services(&key(), Provider::Aws).await.unwrap();
    }
    let signed: Vec<bool> = fake.seen().iter().map(|seen| seen.headers.contains_key("authorization")).collect();
    assert_eq!(signed, [false, true, true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn sixty_four_tasks_over_short_nonces_lose_no_call() {
    let fake = behind(DigestServer::new(MINUTE, 3), |_| Reply::After(Duration::from_millis(20), answer(200, "[]")));
    let atlas = atlas(Dialect::V2, &fake);
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let atlas = atlas.clone();
            tokio::spawn(async move {
                for _ in 0..20 {
                    atlas.list_services(&key(), Provider::Aws).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(fake.seen().iter().filter(|seen| seen.method == "GET").count(), fake.count());
    // One challenge for three uses of a nonce, rounded up.
    assert!(fake.count() <= 64 * 20 + 64 * 7, "{}", fake.count());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_is_refused_after_two_requests() {
    let fake = Fake::new(|_| challenge("abc+/=", false));
    let atlas = atlas(Dialect::V2, &fake);
    for requests in [2, 4] {
        let failure = atlas.list_services(&key(), Provider::Aws).await.unwrap_err();
        assert_eq!(failure.error.class, Class::Denied(Denial::Credentials));
        assert!(failure.error.detail.contains("Secret"), "{failure}");
        assert_eq!(fake.count(), requests);
    }
    // One signature for a call, not two: Atlas may count wrong ones.
    let signed: Vec<bool> = fake.seen().iter().map(|seen| seen.headers.contains_key("authorization")).collect();
    assert_eq!(signed, [false, true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn a_401_about_the_project_is_not_answered_with_another_signature() {
    for (code, denial) in [
        ("NOT_IN_GROUP", Denial::Project),
        ("USER_CANNOT_ACCESS_GROUP", Denial::Project),
        ("USER_UNAUTHORIZED", Denial::Access),
    ] {
        let fake = behind(DigestServer::forever(), move |_| refusal(401, code));
        let atlas = atlas(Dialect::V1, &fake);
        for requests in [2, 3] {
            let failure = atlas.list_services(&key(), Provider::Aws).await.unwrap_err();
            assert_eq!((failure.error.class, fake.count()), (Class::Denied(denial), requests), "{code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_challenge_is_found_beside_other_schemes() {
    for merged in [false, true] {
        let fake = Fake::new(move |request| {
            let signed =
                request.headers().get("authorization").is_some_and(|value| value.as_bytes().starts_with(b"Digest "));
            let digest = r#"DIGEST realm="MMS Public API", nonce="abc", algorithm=MD5, qop="auth""#;
            match (signed, merged) {
                (true, _) => answer(200, "[]"),
                (false, true) => with(answer(401, ""), "www-authenticate", &format!(r#"Basic realm="x", {digest}"#)),
                (false, false) => {
                    with(with(answer(401, ""), "www-authenticate", r#"Basic realm="x""#), "www-authenticate", digest)
                }
            }
        });
        atlas(Dialect::V2, &fake).list_services(&key(), Provider::Aws).await.unwrap();
        assert_eq!(fake.count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn another_algorithm_is_answered_afresh_each_time() {
    let fake = Fake::new(|request| {
        let signed = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        match signed {
            Some(text) if text.contains("algorithm=SHA-256") && text.contains("nc=00000001") => answer(200, "[]"),
            Some(text) => panic!("{text}"),
            None => {
                let value = r#"Digest realm="MMS Public API", nonce="abc", algorithm=SHA-256, qop="auth""#;
                with(answer(401, ""), "www-authenticate", value)
            }
        }
    });
    let atlas = atlas(Dialect::V2, &fake);
    for requests in [2, 4, 6] {
        atlas.list_services(&key(), Provider::Aws).await.unwrap();
        assert_eq!(fake.count(), requests);
    }
}

/// The `Authorization` that answers these `WWW-Authenticate` headers; none when they are not answered.
async fn answer_to(challenges: &[&str]) -> Option<String> {
    let challenges: Vec<String> = challenges.iter().map(|text| (*text).to_owned()).collect();
    let fake = Fake::new(move |request| match request.headers().contains_key("authorization") {
        true => answer(200, "[]"),
        false => challenges.iter().fold(answer(401, ""), |refused, text| with(refused, "www-authenticate", text)),
    });
    let answered = atlas(Dialect::V2, &fake).list_services(&key(), Provider::Aws).await;
    assert_eq!(answered.is_ok(), fake.count() == 2);
    let seen = fake.seen();
    seen.get(1).map(|seen| seen.headers["authorization"].to_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn the_stronger_algorithm_is_answered_wherever_it_stands() {
    let md5 = r#"Digest realm="MMS Public API", nonce="weak", algorithm=MD5, qop="auth""#;
    let sha = r#"Digest realm="MMS Public API", nonce="strong", algorithm=SHA-256, qop="auth""#;
    let (one, other) = (format!("{md5}, {sha}"), format!("{sha},{md5}"));
    for challenges in [&[md5, sha][..], &[sha, md5], &[one.as_str()], &[other.as_str()]] {
        let text = answer_to(challenges).await.unwrap();
        assert!(text.contains("algorithm=SHA-256") && text.contains(r#"nonce="strong""#), "{challenges:?}: {text}");
    }
    let named = r#"Digest realm="a, digest realm", nonce="abc", algorithm=MD5, qop="auth""#;
    assert!(answer_to(&[named]).await.unwrap().contains(r#"realm="a, digest realm""#));
}

#[tokio::test(start_paused = true)]
async fn a_challenge_that_leaves_out_our_nonce_is_not_answered() {
    for qop in ["", r#", qop="auth-int""#, r#", qop="none""#, r#", qop="""#] {
        let challenge = format!(r#"Digest realm="MMS Public API", nonce="abc", algorithm=MD5{qop}"#);
        assert_eq!(answer_to(&[&challenge]).await, None, "{qop}");
    }
    assert!(answer_to(&[r#"Digest realm="MMS Public API", nonce="abc", qop="auth,auth-int""#]).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn every_signature_has_a_client_nonce_of_its_own() {
    let fake = behind(DigestServer::new(MINUTE, 4), |_| answer(200, "[]"));
    let atlas = atlas(Dialect::V2, &fake);
    for _ in 0..20 {
        atlas.list_services(&key(), Provider::Aws).await.unwrap();
    }
    let signed = fake.seen().into_iter().filter_map(|seen| seen.headers.get("authorization").cloned());
    let told: Vec<_> =
        signed.map(|value| digest_auth::AuthorizationHeader::parse(value.to_str().unwrap()).unwrap()).collect();
    let nonces: std::collections::BTreeSet<_> = told.iter().map(|told| told.cnonce.clone().unwrap()).collect();
    assert!(nonces.iter().all(|nonce| nonce.len() >= 32), "{nonces:?}");
    assert_eq!(nonces.len(), told.len());
    // Of a nonce of the server each has the next count.
    let mut counts = std::collections::BTreeMap::<_, Vec<u32>>::new();
    told.iter().for_each(|told| counts.entry(&told.nonce).or_default().push(told.nc));
    assert!(counts.len() >= 5 && counts.values().all(|counts| counts.iter().copied().eq(1..=counts.len() as u32)));
}

/// Nothing but a 401 of Atlas itself is answered with a signature, whatever address it names.
#[tokio::test(start_paused = true)]
async fn no_other_answer_is_a_challenge_and_no_challenge_leads_elsewhere() {
    let value = r#"Digest realm="MMS Public API", domain="https://evil.example/", nonce="abc", qop="auth""#;
    for (status, requests) in [(301, 1), (302, 1), (307, 1), (401, 2), (403, 1), (407, 1)] {
        let refused = with(answer(status, ""), "location", "https://evil.example/");
        let refused = with(with(refused, "www-authenticate", value), "proxy-authenticate", value);
        let fake = Fake::new(move |_| refused.clone());
        atlas(Dialect::V2, &fake).list_services(&key(), Provider::Aws).await.unwrap_err();
        assert_eq!(fake.count(), requests, "{status}");
        assert!(fake.seen().iter().all(|seen| seen.origin == "https://cloud.mongodb.com"), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn hostile_challenges_are_refusals_not_crashes() {
    let long = format!(r#"Digest realm="a", nonce="{}""#, "n".repeat(5000));
    for value in ["", "Digest", "Digest nonce", r#"Digest realm="a""#, "Digest realm=\"", "Negotiate", long.as_str()] {
        let value = value.to_owned();
        let fake = Fake::new(move |_| with(answer(401, CHALLENGE_BODY), "www-authenticate", &value));
        let failure = atlas(Dialect::V2, &fake).list_services(&key(), Provider::Aws).await.unwrap_err();
        assert_eq!(failure.error.class, Class::Denied(Denial::Credentials));
        assert_eq!(fake.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn two_credentials_share_no_session() {
    let fake = behind(DigestServer::forever(), |_| answer(200, "[]"));
    let atlas = atlas(Dialect::V2, &fake);
    atlas.list_services(&key(), Provider::Aws).await.unwrap();
    let mut stranger = key();
    stranger.credential = secret([("publicKey", "pub"), ("privateKey", "guess")]);
    let failure = atlas.list_services(&stranger, Provider::Aws).await.unwrap_err();
    assert_eq!(failure.error.class, Class::Denied(Denial::Credentials));
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_had_no_effect_and_counts_as_sent() {
    let fake = Fake::new(|_| challenge("abc", false));
    let atlas = atlas(Dialect::V2, &fake);
    let failure = atlas.create_service(&key(), &region(), &basis(&atlas)).await.unwrap_err();
    assert_eq!((failure.error.effect, failure.sent.is_some()), (Effect::None, true));
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_half_way_takes_its_session_along() {
    let fake = behind(DigestServer::forever(), |_| Reply::After(Duration::from_secs(1), answer(200, "[]")));
    let atlas = atlas(Dialect::V2, &fake);
    atlas.list_services(&key(), Provider::Aws).await.unwrap();
    let dropped = tokio::time::timeout(Duration::from_millis(500), atlas.list_services(&key(), Provider::Aws)).await;
    assert!(dropped.is_err());
    // The strict server checks that counts have no holes.
    atlas.list_services(&key(), Provider::Aws).await.unwrap();
    let signed: Vec<bool> = fake.seen().iter().map(|seen| seen.headers.contains_key("authorization")).collect();
    assert_eq!(signed, [false, true, true, false, true]);
}
