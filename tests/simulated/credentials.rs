//! Keys that are missing, wrong, rotated or refused, and what they cost; projects that cannot be reached.

use super::{looks::*, oracle, world::*};
use atlas_privatelink_operator::{
    api::Standing,
    testbed::simulator::{Cause, Change, Fault, Operation, Role, Rule},
};
use jiff::Timestamp;
use serde_json::json;
use std::time::Duration;

/// What a Secret holds.
type Data = &'static [(&'static str, &'static str)];

const KEYS: [(&str, &str); 2] = [("publicKey", PUBLIC), ("privateKey", PRIVATE)];
const OTHER_PROJECT: &str = "5df264b8f10fab7d2cad2f99";

fn empty() -> (World, Running) {
    let mut world = World::new(Nature::default());
    let operator = world.start();
    (world, operator)
}

fn rotate(world: &World) {
    world.change(Change::Rotate { name: PUBLIC.into(), secret: "rotated".into() });
}

fn new_key(world: &World) {
    world.secret(NAMESPACE, "atlas-credentials", &[("publicKey", PUBLIC), ("privateKey", "rotated")]);
}

/// The instants at which Atlas was asked: requests less than five seconds apart are one.
fn asked_at(world: &World, since: Timestamp) -> Vec<Timestamp> {
    let ledger = world.ledger();
    let requests = ledger.iter().filter(|entry| matches!(entry.cause, Cause::Request(_)) && entry.at >= since);
    let mut times: Vec<Timestamp> = Vec::new();
    for entry in requests {
        if times.last().is_none_or(|last| entry.at.duration_since(*last).as_secs() >= 5) {
            times.push(entry.at);
        }
    }
    times
}

/// The pauses between them, in whole minutes.
fn minutes_between(times: &[Timestamp]) -> Vec<i64> {
    times.windows(2).map(|pair| (pair[1].duration_since(pair[0]).as_secs() + 10) / 60).collect()
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_is_stalled_at_once_and_asked_about_once_for_all() {
    let (world, _operator) = empty();
    world.credentials();
    for number in 0..20 {
        world.apply(link(&format!("orders-{number}")));
    }
    let all = |world: &World, ready: &str, reason: &str| {
        (0..20).all(|number| {
            let (is, why, _) = says(world, LINKS, &format!("orders-{number}"));
            is == ready && why == reason
        })
    };
    world.until(10 * MINUTE, "all Ready", |world| all(world, "True", "Available")).await;
    let since = world.clock.now();
    rotate(&world);
    world.until(17 * MINUTE, "all refused", |world| all(world, "False", "CredentialsRefused")).await;
    let refused = asked_at(&world, since).len();
    assert!(refused <= 2, "once is enough: {refused}");
    let since = world.clock.now();
    world.pass(HOUR).await;
    let times = asked_at(&world, since);
    let pauses = minutes_between(&times);
    assert!(pauses.starts_with(&[2, 4, 5, 5]), "the pauses are {pauses:?}");
    assert!(pauses[3..].iter().all(|pause| *pause == 5), "the pauses are {pauses:?}");
    let requests = world.ledger().iter().filter(|entry| entry.request().is_some() && entry.at >= since).count();
    assert!(requests <= 2 * times.len(), "{requests} requests at {} times", times.len());
    for number in 0..20 {
        let events = told(&world, &format!("orders-{number}"));
        assert_eq!(events.iter().filter(|reason| *reason == "CredentialsRefused").count(), 1, "{events:?}");
        assert_eq!(says(&world, LINKS, &format!("orders-{number}")).2, "Stalled");
    }
    // A changed Secret is noticed within a minute, however rarely the old one is asked about.
    new_key(&world);
    world.until(MINUTE + Duration::from_secs(5), "all Ready", |world| all(world, "True", "Available")).await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_secret_is_waited_for_and_noticed_within_a_minute() {
    let (world, _operator) = empty();
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    // At no round time, at which whatever looks for it seldom might look too.
    world.pass(HOUR + Duration::from_secs(47)).await;
    assert!(world.link_is("orders", Standing::Reconciling, "WaitingForCredentials"));
    assert!(message(&world, LINKS, NAMESPACE, "orders").contains("\"atlas-credentials\""));
    assert!(world.endpoint_is("orders-a", Standing::Reconciling, "WaitingForLink"));
    let writes = world.operator_writes().len();
    assert!(writes <= 3, "{writes} writes while waiting");
    world.credentials();
    world.until(MINUTE, "noticed", |world| world.calls(Operation::CreateService) == 1).await;
    both_ready(&world).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_secret_is_named_and_mended_within_a_minute() {
    let incomplete = (Standing::Reconciling, "WaitingForCredentials");
    let invalid = (Standing::Stalled, "CredentialsInvalid");
    let both: Data = &[KEYS[0], KEYS[1], ("clientId", CLIENT_ID), ("clientSecret", CLIENT_SECRET)];
    let cases: [(Data, &[&str], _); 5] = [
        (&[("publicKey", PUBLIC)], &["privateKey"], invalid),
        (&[("clientSecret", CLIENT_SECRET)], &["clientId"], invalid),
        (both, &["both"], invalid),
        (&[("publicKey", PUBLIC), ("privateKey", "")], &["privateKey", "empty"], invalid),
        (&[("user", "me")], &["publicKey", "clientId"], incomplete),
    ];
    for (data, named, (standing, reason)) in cases {
        let (world, _operator) = empty();
        world.secret(NAMESPACE, "atlas-credentials", data);
        world.apply(link("orders"));
        world.until(MINUTE, reason, |world| world.link_is("orders", standing, reason)).await;
        let said = message(&world, LINKS, NAMESPACE, "orders");
        assert!(named.iter().all(|name| said.contains(name)), "{said}");
        assert!(!said.contains(PUBLIC) && !said.contains(CLIENT_SECRET), "{said}");
        world.kube.delete("secrets", NAMESPACE, "atlas-credentials").unwrap();
        world.credentials();
        world.until(MINUTE, "noticed", |world| world.calls(Operation::CreateService) == 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn both_kinds_of_credential_and_the_other_spelling_work() {
    let account = [("clientId", CLIENT_ID), ("clientSecret", CLIENT_SECRET)];
    for data in [account, [("publicApiKey", PUBLIC), ("privateApiKey", PRIVATE)]] {
        let (world, _operator) = empty();
        world.secret(NAMESPACE, "atlas-credentials", &data);
        world.apply(link("orders"));
        world.until(5 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_takes_effect_after_the_first_refusal() {
    let (world, _operator) = empty();
    world.credentials();
    world.apply(link("orders"));
    world.until(MINUTE, "INITIATING", |world| status(world, LINKS, "orders")["state"] == "INITIATING").await;
    // The old key is still in memory, for at most a minute.
    rotate(&world);
    new_key(&world);
    world.until(5 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(told(&world, "orders"), ["Created", "Ready"], "it was never refused");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_rotated_just_before_a_write_is_not_called_refused() {
    let (world, _operator) = empty();
    world.credentials();
    let (atlas, kube) = (world.atlas.clone(), world.kube.clone());
    world.kube.on_request(move |point| {
        use atlas_privatelink_operator::testbed::kubernetes::{Decision, Phase, Verb};
        use base64::Engine;
        let is_record = point.request.resource == LINKS && point.request.verb == Verb::Patch && point.nth == 1;
        if is_record && point.phase == Phase::BeforeEffect {
            atlas.change(Change::Rotate { name: PUBLIC.into(), secret: "rotated".into() }).unwrap();
            let data = json!({"data": {"privateKey": base64::engine::general_purpose::STANDARD.encode("rotated")}});
            kube.patch("secrets", NAMESPACE, "atlas-credentials", data).unwrap();
        }
        Decision::Proceed
    });
    world.apply(link("orders"));
    world.until(5 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
    assert_eq!(told(&world, "orders"), ["Created", "Ready"], "it was never refused");
}

/// Every order of three.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
const CONTENTS: [(&str, &str); 3] = [("secrets", "atlas-credentials"), (LINKS, "orders"), (ENDPOINTS, "orders-a")];

#[tokio::test(start_paused = true)]
async fn a_namespace_that_is_deleted_ends_clean_in_every_order() {
    for order in ORDERS {
        for pause in [0, 20, 2_000] {
            let (world, _operator) = ready_pair(Nature::default()).await;
            let deletion = world.kube.delete_namespace(NAMESPACE).unwrap();
            for index in order {
                deletion.delete(&[CONTENTS[index]]).unwrap();
                world.pass(Duration::from_millis(pause)).await;
            }
            gone_without_trace(&world).await;
            deletion.delete_rest().unwrap();
            assert!(deletion.finish().unwrap(), "{:?}", deletion.remaining());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_without_any_credentials_says_how_to_release_the_object() {
    let (mut world, operator) = ready_pair(Nature::default()).await;
    operator.stop().await;
    let service = only_service(&world);
    for (plural, name) in CONTENTS {
        world.kube.delete(plural, NAMESPACE, name).unwrap();
    }
    world.start();
    world
        .until(5 * MINUTE, "explained", |world| {
            world.endpoint_is("orders-a", Standing::Stalled, "WaitingForCredentials")
        })
        .await;
    let said = message(&world, ENDPOINTS, NAMESPACE, "orders-a");
    assert!(said.contains("Retain") && said.contains("atlas-credentials"), "{said}");
    oracle::quiet_wait(&world).await;
    for (plural, name) in [(LINKS, "orders"), (ENDPOINTS, "orders-a")] {
        world.kube.patch(plural, NAMESPACE, name, json!({"spec": {"deletionPolicy": "Retain"}})).unwrap();
    }
    world.until(MINUTE, "released", World::is_empty).await;
    assert_eq!(only_service(&world), service);
    assert_eq!(deletes(&world), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_link_alone_without_credentials_explains_too_and_goes_on_when_they_come() {
    let (mut world, operator) = ready_link(Nature::default()).await;
    operator.stop().await;
    world.kube.delete("secrets", NAMESPACE, "atlas-credentials").unwrap();
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.start();
    world
        .until(5 * MINUTE, "explained", |world| world.link_is("orders", Standing::Stalled, "WaitingForCredentials"))
        .await;
    assert!(message(&world, LINKS, NAMESPACE, "orders").contains("Retain"));
    world.credentials();
    gone_without_trace(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_atlas_asks_for_is_kept_in_that_project_only() {
    for seconds in [7, 120] {
        let (world, _operator) = empty();
        world.credentials();
        let mut rule = Rule::once(Operation::ListServices, Fault::ThrottledSeconds { seconds });
        rule.when.project = Some(PROJECT.to_owned());
        world.atlas.inject(rule);
        world.apply(link("orders"));
        world.apply(with(link("other"), json!({"spec": {"projectId": OTHER_PROJECT}})));
        world.until(5 * MINUTE, "Ready", |world| world.link_ready("orders") && world.link_ready("other")).await;
        let ledger = world.ledger();
        let of = |project: &'static str| {
            ledger.iter().filter(move |entry| entry.request().is_some_and(|request| request.path.contains(project)))
        };
        let refused = of(PROJECT).find(|entry| entry.request().unwrap().status == Some(429)).unwrap();
        let next = of(PROJECT).find(|entry| entry.order > refused.order).unwrap();
        let pause = next.at.duration_since(refused.at).as_secs();
        assert!(pause >= i64::try_from(seconds).unwrap(), "asked again after {pause} s instead of {seconds}");
        let made = of(OTHER_PROJECT).find(|entry| entry.request().unwrap().operation == Some(Operation::CreateService));
        assert!(made.unwrap().at.duration_since(refused.at).as_secs() < 5, "the other project does not wait");
    }
}

#[tokio::test(start_paused = true)]
async fn a_project_that_is_not_found_is_stalled_until_it_is() {
    let (world, _operator) = empty();
    world.credentials();
    world.change(Change::DeleteProject { project: PROJECT.into() });
    world.apply(link("orders"));
    world.until(MINUTE, "Stalled", |world| world.link_is("orders", Standing::Stalled, "ProjectNotFound")).await;
    let said = message(&world, LINKS, NAMESPACE, "orders");
    assert!(said.contains(PROJECT) && said.contains("GROUP_NOT_FOUND"), "{said}");
    let writes = world.operator_writes().len();
    world.pass(HOUR).await;
    assert_eq!(world.operator_writes().len(), writes);
    world.change(Change::RestoreProject { project: PROJECT.into() });
    world.until(10 * MINUTE, "Ready", |world| world.link_ready("orders")).await;
}

#[tokio::test(start_paused = true)]
async fn a_project_that_vanishes_takes_ready_back_and_deletes_nothing() {
    let (world, _operator) = ready_pair(Nature::default()).await;
    world.change(Change::DeleteProject { project: PROJECT.into() });
    world
        .until(17 * MINUTE, "Stalled", |world| {
            world.link_is("orders", Standing::Stalled, "ProjectNotFound")
                && world.endpoint_is("orders-a", Standing::Stalled, "ProjectNotFound")
        })
        .await;
    world.change(Change::RestoreProject { project: PROJECT.into() });
    both_ready(&world).await;
    assert_eq!(writes_to_atlas(&world), 2);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_allows_reads_only_costs_few_writes() {
    let (world, _operator) = empty();
    world.credentials();
    world.change(Change::SetRole { name: PUBLIC.into(), project: PROJECT.into(), role: Role::ReadOnly });
    for (name, region) in [("one", "us-east-1"), ("two", "us-west-2"), ("three", "eu-west-1")] {
        world.apply(with(link(name), json!({"spec": {"region": region}})));
    }
    let all = |world: &World, standing, reason: &str| {
        ["one", "two", "three"].iter().all(|name| world.link_is(name, standing, reason))
    };
    world.until(MINUTE, "Stalled", |world| all(world, Standing::Stalled, "AccessDenied")).await;
    assert!(message(&world, LINKS, NAMESPACE, "two").contains("Project Owner"));
    let (writes, posts) = (world.operator_writes().len(), world.calls(Operation::CreateService));
    assert!(posts <= 2, "once per project, not per object: {posts}");
    world.pass(HOUR).await;
    let (writes, posts) = (world.operator_writes().len() - writes, world.calls(Operation::CreateService) - posts);
    assert!(posts <= 14, "1, 2, 4, then every 5 minutes: {posts}");
    assert!(writes <= 2 * posts, "{writes} Kubernetes writes for {posts} requests");
    assert!(all(&world, Standing::Stalled, "AccessDenied"), "{}", world.picture());
    for name in ["one", "two", "three"] {
        assert_eq!(told(&world, name), ["AccessDenied"], "{name} was told once, and never called anything else since");
    }
    world.change(Change::SetRole { name: PUBLIC.into(), project: PROJECT.into(), role: Role::Owner });
    world.until(15 * MINUTE, "Ready", |world| all(world, Standing::Ready, "Available")).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_on_the_access_list_says_so() {
    let (world, _operator) = empty();
    world.credentials();
    world.change(Change::SetAccessList { name: PUBLIC.into(), allowed: false });
    world.apply(link("orders"));
    world.until(MINUTE, "Stalled", |world| world.link_is("orders", Standing::Stalled, "AccessDenied")).await;
    let said = message(&world, LINKS, NAMESPACE, "orders");
    assert!(said.contains("IP_ADDRESS_NOT_ON_ACCESS_LIST") && said.contains("access list"), "{said}");
}

/// No request of the API itself is ever sent then: the token is refused.
#[tokio::test(start_paused = true)]
async fn a_service_account_that_is_refused_while_nobody_works_is_told_of_by_whoever_comes_next() {
    let mut world = World::new(Nature::default());
    world.secret(NAMESPACE, "atlas-credentials", &ACCOUNT);
    let operator = world.start();
    world.apply(link("orders"));
    world.apply(endpoint("orders-a", "orders", VPCE));
    both_ready(&world).await;
    operator.stop().await;
    world.change(Change::Rotate { name: CLIENT_ID.to_owned(), secret: "mdb_sa_sk_canary-second".to_owned().into() });
    world.change(Change::RevokeTokens);
    let operator = world.start();
    for name in ["orders", "orders-a"] {
        let told = |world: &World| {
            says(world, if name == "orders" { LINKS } else { ENDPOINTS }, name).1 == "CredentialsRefused"
        };
        world.until(20 * MINUTE, "told", told).await;
    }
    // Nor does one who is deleted wait without a word.
    world.kube.delete(LINKS, NAMESPACE, "orders").unwrap();
    world.kube.delete(ENDPOINTS, NAMESPACE, "orders-a").unwrap();
    let told = |world: &World| message(world, ENDPOINTS, NAMESPACE, "orders-a").contains("Retain");
    world.until(20 * MINUTE, "the way out", told).await;
    world.secret(
        NAMESPACE,
        "atlas-credentials",
        &[("clientId", CLIENT_ID), ("clientSecret", "mdb_sa_sk_canary-second")],
    );
    world.until(20 * MINUTE, "both gone", World::is_empty).await;
    operator.stop().await;
}
