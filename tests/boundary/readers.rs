//! Everything that reads what others wrote, fed with the corpus and what comes of it. `PROPTEST_CASES` says how many
//! cases each target gets, `PROPTEST_RNG_SEED` which.

use super::{corpus::*, recorder::*, requests::harmless_of};
use atlas_privatelink_operator::{
    api::{ATTEMPT_ANNOTATION, AtlasInterfaceEndpoint, AtlasPrivateLink, RECONCILE_ANNOTATION, Verdict},
    atlas::{
        Answer, Failure, WriteKey,
        credential::Credential,
        dialect::Dialect,
        error::Class,
        ids::{EndpointId, ProjectId, ServiceId},
        model::Service,
        region::{Provider, Region},
        url::BaseUrl,
    },
    duration::HumanDuration,
    reconcile::{Subject, attempt::Attempt},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

type Checked = Result<(), TestCaseError>;

const PROVIDERS: [Provider; 3] = [Provider::Aws, Provider::Azure, Provider::Gcp];

/// A text that may stand in a condition, an event and a log line.
fn fit(text: &str, most: usize) -> Checked {
    prop_assert!(text.len() <= most, "{} bytes: {text:?}", text.len());
    let forges = |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}');
    prop_assert!(!text.chars().any(forges), "{text:?}");
    prop_assert!(!text.contains(SECRET), "{text:?}");
    Ok(())
}

fn fit_failure(failure: &Failure) -> Checked {
    fit(&failure.error.detail, 512)?;
    fit(failure.error.code.as_deref().unwrap_or_default(), 100)
}

/// A challenge: it is answered with a signature of our own making, once, or not at all.
fn challenge(bytes: &[u8]) -> Checked {
    let value = bytes.to_vec();
    let recorder = Recorder::new(move |request| match is_signed(request) {
        true => answer(200, "[]"),
        false => with(answer(401, "{}"), "www-authenticate", &value),
    });
    let atlas = client(Dialect::V2, recorder.clone());
    played(async {
        for most in [2, 4] {
            if let Err(failure) = atlas.list_services(&key(), Provider::Aws).await {
                fit_failure(&failure)?;
            }
            prop_assert!(recorder.count() <= most);
        }
        let region = region(Provider::Aws);
        let basis = basis(&atlas, WriteKey::Service(project(), region.clone()));
        let _ = atlas.create_service(&key(), &region, &basis).await;
        Ok(())
    })?;
    for request in recorder.seen() {
        let outline = Outline::of(&request);
        prop_assert!(harmless_of(Dialect::V2).contains(&outline), "{outline:?}");
        let Some(signature) = header(request.headers(), "authorization") else { continue };
        let told = digest_auth::AuthorizationHeader::parse(signature);
        let told = told.map_err(|error| TestCaseError::fail(format!("{error}: {signature}")))?;
        prop_assert!(told.nc >= 1 && told.cnonce.is_some_and(|nonce| nonce.len() >= 32), "{signature}");
        // The challenge's own words come back in it.
        let named = bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        prop_assert!((named || !signature.contains(SECRET)) && signature.len() < 8192, "{signature}");
    }
    Ok(())
}

/// A body of a successful answer, to every operation that reads one.
fn body(bytes: &[u8]) -> Checked {
    for dialect in [Dialect::V1, Dialect::V2] {
        let told = bytes.to_vec();
        let atlas = client(dialect, Recorder::new(move |_| answer(200, &told)));
        played(async {
            for provider in PROVIDERS {
                read(atlas.list_services(&key(), provider).await, bytes, |all| all.iter().try_for_each(fit_service))?;
                read(atlas.get_service(&key(), provider, service()).await, bytes, fit_service)?;
                let region = region(provider);
                let basis = basis(&atlas, WriteKey::Service(project(), region.clone()));
                read(atlas.create_service(&key(), &region, &basis).await, bytes, fit_service)?;
            }
            read(atlas.get_endpoint(&key(), service(), &endpoint()).await, bytes, |told| {
                prop_assert_eq!(&told.id, &endpoint());
                fit(&told.status.to_string(), 1024)?;
                fit(told.error_message.as_deref().unwrap_or_default(), 1024)
            })?;
            let basis = basis(&atlas, WriteKey::Endpoint(service(), endpoint()));
            read(atlas.remove_endpoint(&key(), service(), &endpoint(), &basis).await, bytes, |()| Ok(()))
        })?;
    }
    Ok(())
}

/// What was read is fit; what wasn't is not repeated.
fn read<T>(outcome: Result<Answer<T>, Failure>, body: &[u8], fit: impl FnOnce(&T) -> Checked) -> Checked {
    match outcome {
        Ok(answer) => fit(&answer.value),
        Err(failure) => {
            let canary = "canary-of-the-body";
            prop_assert!(!failure.error.detail.contains(canary), "{failure} of {}", String::from_utf8_lossy(body));
            // v1.0 is not even asked about other providers than AWS.
            let expected = if failure.sent.is_some() { Class::Transient } else { Class::Invalid };
            prop_assert_eq!(failure.error.class, expected);
            fit_failure(&failure)
        }
    }
}

fn fit_service(told: &Service) -> Checked {
    let again = told.id.to_string().parse::<ServiceId>();
    prop_assert_eq!(again, Ok(told.id));
    let state = told.state.to_string();
    let names = [
        &told.endpoint_service_name,
        &told.private_link_service_name,
        &told.private_link_service_resource_id,
        &told.error_message,
    ];
    // The secret is of no answer to a LIST, and isn't looked for in one.
    let tidy = |text: &String| fit(&text.replace(SECRET, ""), 1024);
    names.into_iter().flatten().try_for_each(tidy)?;
    told.service_attachment_names.iter().chain(&told.endpoints).chain([&state]).try_for_each(tidy)
}

/// A refusal: the first line is the status, the rest the body.
fn refusal(bytes: &[u8]) -> Checked {
    let (status, body) = first_line(bytes);
    let status = std::str::from_utf8(status).ok().and_then(|text| text.trim().parse().ok());
    let status = status.filter(|status| (300..600).contains(status)).unwrap_or(400);
    let told = body.to_vec();
    let recorder = Recorder::new(move |request| match is_token_request(request) {
        true => answer(200, r#"{"access_token":"abc","expires_in":60}"#),
        false => answer(status, &told),
    });
    let atlas = client(Dialect::V2, recorder);
    let told = body.to_vec();
    let without_token = client(Dialect::V2, Recorder::new(move |_| answer(status, &told)));
    played(async {
        let refused = [
            atlas.list_services(&key(), Provider::Aws).await,
            atlas.list_services(&account(), Provider::Aws).await,
            without_token.list_services(&account(), Provider::Aws).await,
        ];
        for outcome in refused {
            let Err(failure) = outcome else { return Err(TestCaseError::fail("a refusal is taken for an answer")) };
            fit_failure(&failure)?;
            // Absence is never believed of what isn't Atlas' own word.
            let is_json = serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|value| value.is_object());
            prop_assert!(failure.error.class != Class::Missing || is_json, "{failure}");
        }
        Ok(())
    })
}

fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, b""),
    }
}

/// The answer to a token request.
fn token(bytes: &[u8]) -> Checked {
    let told = bytes.to_vec();
    let recorder = Recorder::new(move |request| match is_token_request(request) {
        true => answer(200, &told),
        false => answer(200, "[]"),
    });
    let atlas = client(Dialect::V2, recorder.clone());
    let outcome = played(atlas.list_services(&account(), Provider::Aws));
    if let Err(failure) = &outcome {
        fit_failure(failure)?;
    }
    let bearers: Vec<_> = recorder.seen().into_iter().filter(|request| !is_token_request(request)).collect();
    prop_assert_eq!(bearers.len(), usize::from(outcome.is_ok()));
    for request in bearers {
        let value = header(request.headers(), "authorization").unwrap_or_default();
        let is_one = value.strip_prefix("Bearer ").is_some_and(|token| !token.is_empty() && token.len() <= 8192);
        prop_assert!(is_one && value["Bearer ".len()..].bytes().all(|byte| byte.is_ascii_graphic()), "{value}");
    }
    Ok(())
}

/// What answers say in their headers: `Retry-After`, `Date` and `RateLimit-Remaining`, a line each.
fn date(bytes: &[u8]) -> Checked {
    let (retry_after, rest) = first_line(bytes);
    let (date, remaining) = first_line(rest);
    for status in [200, 429] {
        let lines = [retry_after, date, remaining].map(<[u8]>::to_vec);
        let recorder = Recorder::new(move |_| {
            let [retry_after, date, remaining] = &lines;
            let told = with(with(answer(status, "[]"), "retry-after", retry_after), "date", date);
            with(told, "ratelimit-remaining", remaining)
        });
        let atlas = client(Dialect::V2, recorder.clone());
        played(async {
            let outcome = atlas.list_services(&key(), Provider::Aws).await;
            match outcome.as_ref().map_err(|failure| failure.error.class) {
                Err(Class::Throttled(Some(pause))) => {
                    prop_assert!((Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&pause), "{pause:?}");
                }
                Err(class) => prop_assert_eq!(class, Class::Throttled(None)),
                Ok(_) => prop_assert_eq!(status, 200),
            }
            // However long it says, it is asked again.
            tokio::time::sleep(Duration::from_secs(3601)).await;
            let _ = atlas.list_services(&key(), Provider::Aws).await;
            prop_assert_eq!(recorder.count(), 2);
            Ok(())
        })?;
    }
    Ok(())
}

/// A text that may be an id, a region, an address or a duration.
fn id(bytes: &[u8]) -> Checked {
    let text = String::from_utf8_lossy(bytes);
    let text = text.as_ref();
    let harmless = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let same = |shown: String| {
        prop_assert!(shown == text && harmless(&shown) && !shown.is_empty(), "{text:?} is read as {shown:?}");
        Ok(())
    };
    text.parse::<ProjectId>().map_or(Ok(()), |id| same(id.to_string()))?;
    text.parse::<ServiceId>().map_or(Ok(()), |id| same(id.to_string()))?;
    text.parse::<EndpointId>().map_or(Ok(()), |id| same(id.to_string()))?;
    for provider in PROVIDERS {
        let Ok(region) = Region::parse(provider, text) else { continue };
        prop_assert!(harmless(region.atlas_name()) && (2..=48).contains(&region.atlas_name().len()), "{region:?}");
        let again = Region::parse(provider, region.atlas_name());
        prop_assert_eq!(again, Ok(region));
    }
    if let Ok(base) = BaseUrl::parse(text, false) {
        let url = reqwest::Url::parse(&base.to_string()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let host = url.host_str().unwrap_or("nobody");
        prop_assert!(base.to_string().to_lowercase().contains(host), "{base} leads to {host}");
        let is_local =
            url.host_str().is_some_and(|host| host == "localhost" || host.starts_with("127.") || host == "[::1]");
        prop_assert!(url.scheme() == "https" || is_local, "{url}");
        prop_assert!(url.path() == "/" && url.query().is_none() && url.username().is_empty(), "{url}");
    }
    // Durations are written on command lines only; it is enough that none ends the program.
    let _ = text.parse::<HumanDuration>();
    Ok(())
}

/// A resource, as a watch gives it, with all that is read of it before anything is asked of Atlas.
fn resource(bytes: &[u8]) -> Checked {
    if let Ok(link) = serde_json::from_slice::<AtlasPrivateLink>(bytes) {
        let written = serde_json::to_vec(&link).expect("written");
        prop_assert_eq!(&serde_json::from_slice::<AtlasPrivateLink>(&written).expect("read again"), &link);
        let subject = Subject::of(&link, link.spec.suspend.unwrap_or_default());
        prop_assert!(subject.request.unwrap_or_default().chars().count() <= 1024);
        Attempt::read(link.metadata.annotations.as_ref(), &subject.uid);
        Verdict::of(link.status.as_ref().map_or(&[], |status| &status.conditions));
    }
    if let Ok(endpoint) = serde_json::from_slice::<AtlasInterfaceEndpoint>(bytes) {
        let written = serde_json::to_vec(&endpoint).expect("written");
        prop_assert_eq!(&serde_json::from_slice::<AtlasInterfaceEndpoint>(&written).expect("read again"), &endpoint);
        let subject = Subject::of(&endpoint, endpoint.spec.suspend.unwrap_or_default());
        prop_assert!(subject.request.unwrap_or_default().chars().count() <= 1024);
        Attempt::read(endpoint.metadata.annotations.as_ref(), &subject.uid);
    }
    Ok(())
}

/// The annotation that records an attempt.
fn attempt(bytes: &[u8]) -> Checked {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let annotations = BTreeMap::from([(ATTEMPT_ANNOTATION.to_owned(), text)]);
    let Some(attempt) = Attempt::read(Some(&annotations), "uid-1") else { return Ok(()) };
    let again = BTreeMap::from([(ATTEMPT_ANNOTATION.to_owned(), attempt.to_annotation())]);
    prop_assert_eq!(Attempt::read(Some(&again), "uid-1"), Some(attempt.clone()));
    prop_assert_eq!(Attempt::read(Some(&again), "uid-2"), None);
    attempt.may_have_made(service());
    Ok(())
}

/// A Secret, as JSON: what is taken for a credential can be sent.
fn secret(bytes: &[u8]) -> Checked {
    let Ok(data) = serde_json::from_slice::<BTreeMap<String, String>>(bytes) else { return Ok(()) };
    let bytes = data.iter().map(|(key, value)| (key.clone(), value.clone().into_bytes())).collect();
    let Ok(credential) = Credential::from_secret_data(&bytes) else { return Ok(()) };
    let caller = atlas_privatelink_operator::atlas::Caller { credential, project: project() };
    let recorder = Recorder::new(|request| match (is_token_request(request), is_signed(request)) {
        (true, _) => answer(200, r#"{"access_token":"abc","expires_in":60}"#),
        (false, true) => answer(200, "[]"),
        (false, false) => with(answer(401, "{}"), "www-authenticate", br#"Digest realm="a", nonce="b", qop="auth""#),
    });
    let outcome = played(client(Dialect::V2, recorder.clone()).list_services(&caller, Provider::Aws));
    prop_assert!(outcome.is_ok(), "{:?}", outcome.err());
    prop_assert_eq!(recorder.count(), 2);
    let value =
        |names: &[&str]| names.iter().find_map(|name| data.get(*name)).map(|text| text.trim_end_matches(['\r', '\n']));
    for request in recorder.seen() {
        let Some(told) = header(request.headers(), "authorization") else { continue };
        if let Some(pair) = told.strip_prefix("Basic ") {
            let pair = String::from_utf8(STANDARD.decode(pair).expect("base64")).expect("text");
            prop_assert_eq!(pair.split_once(':'), value(&["clientId"]).zip(value(&["clientSecret"])));
        } else if told.starts_with("Digest ") {
            let told = digest_auth::AuthorizationHeader::parse(told)
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            let name =
                value(&["publicKey"]).filter(|_| data.contains_key("privateKey")).or_else(|| value(&["publicApiKey"]));
            prop_assert_eq!(Some(told.username.as_str()), name);
        }
    }
    Ok(())
}

macro_rules! targets {
    ($($seeds:ident, $mutants:ident: $target:literal by $check:ident;)+) => {
        $(
            #[test]
            fn $seeds() {
                every_seed($target, $check);
            }
        )+
        proptest! {
            #![proptest_config(config())]
            $(
                #[test]
                fn $mutants(input in input($target)) {
                    $check(&input.0)?;
                }
            )+
        }
    };
}

targets! {
    every_challenge_of_the_corpus, any_challenge: "challenge" by challenge;
    every_body_of_the_corpus, any_body: "answer" by body;
    every_refusal_of_the_corpus, any_refusal: "refusal" by refusal;
    every_token_of_the_corpus, any_token: "token" by token;
    every_date_of_the_corpus, any_date: "date" by date;
    every_id_of_the_corpus, any_id: "id" by id;
    every_resource_of_the_corpus, any_resource: "resource" by resource;
    every_attempt_of_the_corpus, any_attempt: "attempt" by attempt;
    every_secret_of_the_corpus, any_secret: "secret" by secret;
}

/// A corpus of which nothing is read would pass as well.
#[test]
fn of_every_corpus_something_is_read() {
    let count = |target: &str, read: fn(&[u8]) -> bool| seeds(target).iter().filter(|(_, bytes)| read(bytes)).count();
    let is_json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).is_ok();
    assert!(count("challenge", |bytes| digest_auth::parse(&String::from_utf8_lossy(bytes)).is_ok()) >= 4);
    assert!(count("answer", is_json) >= 4 && count("token", is_json) >= 2 && count("secret", is_json) >= 3);
    assert!(count("refusal", |bytes| serde_json::from_slice::<serde_json::Value>(first_line(bytes).1).is_ok()) >= 3);
    assert!(count("resource", |bytes| serde_json::from_slice::<AtlasPrivateLink>(bytes).is_ok()) >= 2);
    assert!(count("resource", |bytes| serde_json::from_slice::<AtlasInterfaceEndpoint>(bytes).is_ok()) >= 2);
    let reads = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        Attempt::read(Some(&BTreeMap::from([(ATTEMPT_ANNOTATION.to_owned(), text)])), "uid-1").is_some()
    };
    assert!(count("attempt", reads) >= 2);
}

/// A value of the annotation that is longer than what status may hold is the same request for ever.
#[test]
fn a_long_request_to_reconcile_is_cut_as_status_is() {
    let long = "é".repeat(100_000);
    let link = json!({
        "apiVersion": "atlas.privatelink.dev/v1alpha1", "kind": "AtlasPrivateLink",
        "metadata": {"name": "orders", "namespace": "payments", "annotations": {RECONCILE_ANNOTATION: long}},
        "spec": {"projectId": PROJECT, "provider": "AWS", "region": "us-east-1", "credentialsRef": {"name": "a"}},
    });
    let link: AtlasPrivateLink = serde_json::from_value(link).expect("a link");
    assert_eq!(Subject::of(&link, false).request, Some("é".repeat(1024)));
}
