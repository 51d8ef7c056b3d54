//! How Secrets are read: by GET, in the object's own namespace, never listed or watched, seldom; and what is kept.

use super::{alone::alone, capture::*, life, looks::*, oracle, past, sparing::*, world::*};
use atlas_privatelink_operator::{
    api::Standing,
    telemetry,
    testbed::simulator::{Change, Operation},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use std::time::Duration;
use tracing::Level;

/// A kind of credential: what a Secret holds, and the same after a rotation.
struct Kind {
    name: &'static str,
    before: [(&'static str, &'static str); 2],
    after: [(&'static str, &'static str); 2],
}

const ROTATED: &str = "canary-after-the-rotation";
const KINDS: [Kind; 2] = [
    Kind {
        name: PUBLIC,
        before: [("publicKey", PUBLIC), ("privateKey", PRIVATE)],
        after: [("publicKey", PUBLIC), ("privateKey", ROTATED)],
    },
    Kind {
        name: CLIENT_ID,
        before: [("clientId", CLIENT_ID), ("clientSecret", CLIENT_SECRET)],
        after: [("clientId", CLIENT_ID), ("clientSecret", ROTATED)],
    },
];

/// A world with this credential, and its operator.
fn with_credential(kind: &Kind) -> (World, Running) {
    let mut world = World::new(Nature::default());
    let operator = world.start();
    world.secret(NAMESPACE, "atlas-credentials", &kind.before);
    (world, operator)
}

#[tokio::test(start_paused = true)]
async fn a_secret_in_use_is_read_once_a_minute_for_all_who_use_it() {
    for kind in &KINDS {
        let (world, _operator) = with_credential(kind);
        for number in 0..20 {
            world.apply(link(&format!("orders-{number}")));
            world.apply(endpoint(&format!("orders-{number}-a"), &format!("orders-{number}"), VPCE));
        }
        world.pass(Duration::from_secs(150)).await;
        assert!(world.calls(Operation::ListServices) > 10, "it is in use");
        assert_eq!(reads(&world).len(), 3, "at the start, and after each minute");
        are_read_sparingly(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn each_namespace_has_its_own_secret() {
    let (world, _operator) = with_credential(&KINDS[0]);
    world.kube.create_namespace(ELSEWHERE).unwrap();
    world.apply(link("orders"));
    world.apply(within(ELSEWHERE, link("orders")));
    world.until(5 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
    let other = object(&world, LINKS, ELSEWHERE, "orders");
    assert_eq!(other["status"]["conditions"][0]["reason"], "WaitingForCredentials");
    let of = |namespace: &str, code| {
        reads(&world).iter().filter(|read| read.namespace == namespace && read.code == Some(code)).count()
    };
    assert!(of(NAMESPACE, 200) > 0 && of(ELSEWHERE, 404) > 0 && of(ELSEWHERE, 200) == 0);
    are_read_sparingly(&world);
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_is_noticed_within_a_minute_whenever_it_comes() {
    for kind in &KINDS {
        for waited in [1, 31, 59, 100, 4000] {
            let mut world = World::new(Nature::default());
            let _operator = world.start();
            world.apply(link("orders"));
            world.pass(Duration::from_secs(waited)).await;
            assert!(world.link_is("orders", Standing::Reconciling, "WaitingForCredentials"));
            world.secret(NAMESPACE, "atlas-credentials", &kind.before);
            world.until(MINUTE, "noticed", |world| world.calls(Operation::CreateService) == 1).await;
            are_read_sparingly(&world);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_takes_effect_after_one_refusal() {
    for kind in &KINDS {
        let (world, _operator) = with_credential(kind);
        world.apply(link("orders"));
        world.until(MINUTE, "INITIATING", |world| status(world, LINKS, "orders")["state"] == "INITIATING").await;
        world.change(Change::Rotate { name: kind.name.into(), secret: ROTATED.into() });
        world.change(Change::RevokeTokens);
        world.secret(NAMESPACE, "atlas-credentials", &kind.after);
        let since = world.clock.now();
        let answered = |world: &World| {
            let ledger = world.ledger();
            let later = ledger.iter().filter(|entry| entry.at > since).filter_map(|entry| entry.request());
            let lists = later.filter(|request| request.operation == Some(Operation::ListServices));
            lists.filter(|request| request.status == Some(200)).count() > 0
        };
        world.until(MINUTE, "asked with the new key", answered).await;
        let ledger = world.ledger();
        let later: Vec<_> = ledger.iter().filter(|entry| entry.at > since && entry.request().is_some()).collect();
        let took = later.last().unwrap().at.duration_since(later[0].at);
        assert!(took < SignedDuration::from_secs(2), "from the first refusal on it took {took:#}: {later:#?}");
        world.until(5 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
        world.pass(Duration::from_secs(1)).await;
        assert_eq!(told(&world, "orders"), ["Created", "Ready"], "it was never refused");
        are_read_sparingly(&world);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_kept_for_a_deletion_serves_it_and_nobody_after_it() {
    for kind in &KINDS {
        let (world, _operator) = with_credential(kind);
        world.apply(link("orders"));
        world.apply(endpoint("orders-a", "orders", VPCE));
        both_ready(&world).await;
        world.kube.delete("secrets", NAMESPACE, "atlas-credentials").unwrap();
        world.pass(2 * HOUR).await;
        life::delete_both(&world);
        // While they go, one that never had it does not get it.
        let other = with(link("later"), serde_json::json!({"spec": {"region": "eu-west-1"}}));
        world.apply(other);
        gone_but_for(&world, "later").await;
        oracle::nothing_left(&world);
        let asked = world.ledger().requests().count();
        world.apply(link("orders"));
        world.apply(endpoint("orders-a", "orders", VPCE));
        world.pass(HOUR).await;
        for name in ["later", "orders"] {
            assert!(world.link_is(name, Standing::Reconciling, "WaitingForCredentials"), "{name}");
        }
        assert_eq!(world.ledger().requests().count(), asked, "it was still there");
    }
}

async fn gone_but_for(world: &World, name: &str) {
    let gone = |world: &World| {
        world.kube.list(ENDPOINTS).is_empty()
            && world.kube.list(LINKS).iter().all(|link| link["metadata"]["name"] == name)
    };
    world.until(HOUR, "both gone", gone).await;
}

/// How a secret could show: as it is, as it stands in a Secret, and in the headers that are made of it.
fn shapes() -> Vec<String> {
    let mut shapes = vec!["Bearer ".to_owned(), "response=".to_owned(), "access_token".to_owned()];
    for secret in [PRIVATE, CLIENT_SECRET, ROTATED] {
        let bytes = format!("{:?}", secret.as_bytes());
        shapes.push(bytes[1..bytes.len() - 1].to_owned());
        shapes.extend([secret.to_owned(), STANDARD.encode(secret), STANDARD.encode(format!("{CLIENT_ID}:{secret}"))]);
    }
    shapes
}

/// A life with all that credentials meet: accepted, refused, half, rotated, gone.
async fn eventful_life(kind: &Kind) {
    let (world, operator) = with_credential(kind);
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    both_ready(&world).await;
    world.change(Change::Rotate { name: kind.name.into(), secret: ROTATED.into() });
    world.change(Change::RevokeTokens);
    world.until(HOUR, "refused", |world| world.link_is("orders", Standing::Stalled, "CredentialsRefused")).await;
    world.kube.delete("secrets", NAMESPACE, "atlas-credentials").unwrap();
    world.secret(NAMESPACE, "atlas-credentials", &kind.after[1..]);
    world.until(HOUR, "half", |world| world.link_is("orders", Standing::Stalled, "CredentialsInvalid")).await;
    world.secret(NAMESPACE, "atlas-credentials", &kind.after);
    both_ready(&world).await;
    life::delete_both(&world);
    gone_without_trace(&world).await;
    operator.stop().await;
    for (what, shown) in [
        ("an object", past::objects(&world).iter().map(|o| format!("{o:?}")).collect::<String>()),
        ("an event", format!("{:?}", world.kube.list("events"))),
    ] {
        assert!(shapes().iter().all(|shape| !shown.contains(shape)), "{what} shows a secret");
    }
}

/// Told to let everything through, the product still keeps what libraries say of requests; not even that shows one.
#[test]
fn no_line_of_the_log_shows_a_secret_at_any_level() {
    for kind in &KINDS {
        shows_no_secret(kind, Capture::start(telemetry::filter("trace").unwrap()), Level::DEBUG);
        shows_no_secret(kind, Capture::everything(), Level::TRACE);
    }
}

fn shows_no_secret(kind: &Kind, capture: Capture, finest: Level) {
    alone(|| eventful_life(kind)).unwrap();
    let lines = capture.lines();
    assert!(lines.iter().any(|line| line.is_ours() && line.level == Level::DEBUG), "it is looked at");
    assert!(lines.iter().any(|line| line.level == finest), "at the finest level");
    for line in lines {
        let text = format!("{line:?}");
        assert!(shapes().iter().all(|shape| !text.contains(shape)), "a secret is shown: {text}");
    }
}
