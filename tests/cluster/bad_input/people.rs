//! Secrets, ids, regions and rights as people and their tools get them wrong.

use super::{super::world::*, Case, does_not_loop, with_secret};
use atlas_privatelink_operator::{
    api::Standing::{Reconciling, Stalled},
    testbed::simulator::{Change, Operation, Role},
};
use serde_json::{Value, json};

/// Asks for another look now, and not in a minute.
async fn nudge(world: &World, name: &str) {
    let ask = json!({"metadata": {"annotations": {"atlas.privatelink.dev/reconcile-requested-at": "now"}}});
    world.merge(LINKS, name, &ask).await.expect("taken");
}

async fn mended(world: &World, name: &str) {
    nudge(world, name).await;
    let is_so = |link: &Value| is_ready(link) && link["status"]["lastHandledReconcileAt"] == "now";
    world.until_is(LINKS, name, "it was looked at again, and is Ready", is_so).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_that_are_no_credentials() {
    let world = World::new(Nature::default()).await;
    let _operator = world.start();
    let secrets = [
        ("half-key", json!({"publicKey": PUBLIC})),
        ("other-half", json!({"privateKey": PRIVATE})),
        ("half-account", json!({"clientId": CLIENT_ID})),
        ("half-alias", json!({"publicApiKey": PUBLIC, "privateKey": PRIVATE})),
        (
            "both",
            json!({"publicKey": PUBLIC, "privateKey": PRIVATE, "clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}),
        ),
        ("neither", json!({"username": PUBLIC, "password": PRIVATE})),
        ("no-text", json!({"publicKey": PUBLIC, "privateKey": format!("{PRIVATE}\r\nX-Evil: 1")})),
        ("empty", json!({"publicKey": PUBLIC, "privateKey": ""})),
    ];
    for (name, data) in &secrets {
        let manifest = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data});
        world.apply(&manifest).await;
        world.apply(&with_secret(link_of(name, &project(0)), name)).await;
    }
    world.apply(&with_secret(link_of("missing", &project(0)), "missing")).await;
    for case in [
        Case::new("half-key", Stalled, "CredentialsInvalid", &["half-key", "privateKey", "missing"]),
        Case::new("other-half", Stalled, "CredentialsInvalid", &["other-half", "publicKey", "missing"]),
        Case::new("half-account", Stalled, "CredentialsInvalid", &["half-account", "clientSecret", "missing"]),
        Case::new("half-alias", Stalled, "CredentialsInvalid", &["half-alias", "missing"]),
        Case::new("both", Stalled, "CredentialsInvalid", &["both", "API key", "service account"]),
        Case::new("neither", Reconciling, "WaitingForCredentials", &["neither", "publicKey", "clientId"]),
        Case::new("no-text", Stalled, "CredentialsInvalid", &["no-text", "privateKey"]),
        Case::new("empty", Stalled, "CredentialsInvalid", &["empty", "privateKey"]),
        Case::new("missing", Reconciling, "WaitingForCredentials", &["missing", "create it"]),
    ] {
        case.judge(&world, LINKS).await;
    }
    assert_eq!(world.requests_of(&project(0)), 0, "Atlas was asked with half a credential");
    // A person mends it and asks for another look, or waits half a minute.
    world.apply(&secret_named("half-key", &[("publicKey", PUBLIC), ("privateKey", PRIVATE)])).await;
    mended(&world, "half-key").await;
    world.always().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_atlas_refuses() {
    let world = World::new(Nature::default()).await;
    let _operator = world.start();
    let key = |name: &str| Change::Rotate { name: name.into(), secret: PRIVATE.into() };
    for name in ["expired", "off-list"] {
        world.change(key(name));
    }
    world.change(Change::Enable { name: "expired".into(), enabled: false });
    world.change(Change::SetAccessList { name: "off-list".into(), allowed: false });
    world.change(Change::DeleteProject { project: project(5) });
    for (number, role) in [(2, Role::Nothing), (3, Role::ReadOnly), (4, Role::Stranger)] {
        world.change(Change::SetRole { name: PUBLIC.into(), project: project(number), role });
    }
    world.credentials().await;
    for (name, data) in [
        ("expired", [("publicKey", "expired"), ("privateKey", PRIVATE)]),
        ("off-list", [("publicKey", "off-list"), ("privateKey", PRIVATE)]),
        ("wrong-key", [("publicKey", PUBLIC), ("privateKey", "not-the-one")]),
        ("wrong-account", [("clientId", CLIENT_ID), ("clientSecret", "not-the-one")]),
    ] {
        world.apply(&secret_named(name, &data)).await;
    }
    for (name, number, secret) in [
        ("expired", 0, "expired"),
        ("off-list", 1, "off-list"),
        ("no-role", 2, "atlas-credentials"),
        ("read-only", 3, "atlas-credentials"),
        ("stranger", 4, "atlas-credentials"),
        ("no-project", 5, "atlas-credentials"),
        ("wrong-key", 6, "wrong-key"),
        ("wrong-account", 7, "wrong-account"),
    ] {
        world.apply(&with_secret(link_of(name, &project(number)), secret)).await;
    }
    for case in [
        Case::new("expired", Stalled, "CredentialsRefused", &["Secret \"expired\""]),
        Case::new("off-list", Stalled, "AccessDenied", &["Secret \"off-list\"", "access list"]),
        Case::new("no-role", Stalled, "AccessDenied", &["Project Owner"]),
        Case::new("read-only", Stalled, "AccessDenied", &["Project Owner"]),
        Case::new("stranger", Stalled, "ProjectNotFound", &["spec.projectId"]),
        Case::new("no-project", Stalled, "ProjectNotFound", &["spec.projectId"]),
        Case::new("wrong-key", Stalled, "CredentialsRefused", &["Secret \"wrong-key\""]),
        Case::new("wrong-account", Stalled, "CredentialsRefused", &["Secret \"wrong-account\""]),
    ] {
        case.judge(&world, LINKS).await;
    }
    does_not_loop(&world, 8).await;
    world.nothing_is_left();
    // What a person mends is taken up when that person says so (and without that, a little later).
    world.change(Change::RestoreProject { project: project(5) });
    world.change(Change::SetAccessList { name: "off-list".into(), allowed: true });
    world.apply(&secret_named("wrong-key", &[("publicKey", PUBLIC), ("privateKey", PRIVATE)])).await;
    for name in ["no-project", "off-list", "wrong-key"] {
        mended(&world, name).await;
    }
    world.always().await;
}

/// The key is rotated under a Ready link: Atlas knows the new one only, then the Secret has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key() {
    const NEW: &str = "canary-private-key-rotated";
    const NEWEST: &str = "canary-private-key-rotated-again";
    let world = World::new(Nature { resync: "1s", ..Nature::default() }).await;
    let operator = world.start();
    world.credentials().await;
    world.apply(&link("orders")).await;
    world.until_ready(LINKS, "orders").await;
    world.change(Change::Rotate { name: PUBLIC.into(), secret: NEW.into() });
    Case::new("orders", Stalled, "CredentialsRefused", &["atlas-credentials"]).judge(&world, LINKS).await;
    world.apply(&secret(&[("publicKey", PUBLIC), ("privateKey", NEW)])).await;
    mended(&world, "orders").await;
    // In the other order nobody notices.
    world.apply(&secret(&[("publicKey", PUBLIC), ("privateKey", NEWEST)])).await;
    world.change(Change::Rotate { name: PUBLIC.into(), secret: NEWEST.into() });
    let before = world.calls(Operation::ListServices);
    let ready = world.until_ready(LINKS, "orders").await;
    world
        .until(SOON, "it has looked again", async |world: &World| world.calls(Operation::ListServices) > before + 2)
        .await;
    let still = world.until_ready(LINKS, "orders").await;
    assert_eq!(still["metadata"]["resourceVersion"], ready["metadata"]["resourceVersion"], "somebody noticed");
    assert!(!operator.log().contains(NEW), "the log shows the new key");
    world.always().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_are_none() {
    let world = World::new(Nature::default()).await;
    let _operator = world.start();
    world.credentials().await;
    world.apply(&link("orders")).await;
    world.until_ready(LINKS, "orders").await;
    let long = "vpce-".to_owned() + &"a".repeat(100_000);
    let bad = [
        ("dots", ".."),
        ("up-and-up", "../.."),
        ("encoded-dots", "%2e%2e"),
        ("encoded-slash", "vpce-0b9c5701325cb15dd%2f..%2f.."),
        ("slash", "vpce-0b9c5701325cb15dd/../.."),
        ("query", "vpce-0b9c5701325cb15dd?envelope=true"),
        ("service", "vpce-svc-0b9c5701325cb15dd"),
        ("upper", "VPCE-0B9C5701325CB15DD"),
        ("newline", "vpce-0b9c5701325cb15dd\r\nX-Evil: 1"),
        ("two", "vpce-0b9c5701325cb15dd,vpce-0b9c5701325cb15de"),
        ("long", long.as_str()),
        ("unicode", "vpce-０b9c5701"),
    ];
    for (name, value) in bad {
        world.apply(&config_map(name, "id", value)).await;
        world.apply(&endpoint_from(name, "orders", name, "id")).await;
    }
    for (name, map) in [("blank", config_map("blank", "id", " \n")), ("other-key", config_map("other-key", "di", VPCE))]
    {
        world.apply(&map).await;
        world.apply(&endpoint_from(name, "orders", name, "id")).await;
    }
    world.apply(&endpoint_from("no-map", "orders", "no-map", "id")).await;
    world.apply(&endpoint("no-link", "no-such-link", VPCE)).await;
    for (name, _) in bad {
        Case::new(name, Stalled, "InvalidRequest", &["\"id\"", "ConfigMap"]).judge(&world, ENDPOINTS).await;
    }
    for name in ["blank", "other-key", "no-map"] {
        Case::new(name, Reconciling, "WaitingForEndpointId", &["\"id\"", "ConfigMap"]).judge(&world, ENDPOINTS).await;
    }
    Case::new("no-link", Reconciling, "WaitingForLink", &["no-such-link"]).judge(&world, ENDPOINTS).await;
    for request in world.ledger().requests() {
        let odd = ["..", "%", "//", "VPCE", "svc"].into_iter().find(|odd| request.path.contains(odd));
        assert_eq!(odd, None, "{}", request.path);
    }
    assert_eq!((world.services().len(), world.ledger().endpoint_adds().len()), (1, 0));
    // The tool that wrote nonsense writes an id.
    world.apply(&config_map("dots", "id", &format!(" {VPCE}\n"))).await;
    world.until_ready(ENDPOINTS, "dots").await;
    world.always().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn regions_and_providers_that_do_not_exist() {
    let world = World::new(Nature::default()).await;
    let _operator = world.start();
    world.credentials().await;
    for (number, (name, provider, region)) in
        [("mars", "AWS", "us-mars-1"), ("azure", "AZURE", "us-east-1"), ("gcp", "GCP", "nowhere")]
            .into_iter()
            .enumerate()
    {
        let place = json!({"spec": {"provider": provider, "region": region}});
        world.apply(&with(link_of(name, &project(number)), &place)).await;
    }
    let gcp = json!({"spec": {"provider": "GCP", "region": "us-central1"}});
    world.apply(&with(link_of("good-gcp", &project(3)), &gcp)).await;
    world.apply(&endpoint("on-gcp", "good-gcp", VPCE)).await;
    for case in [
        Case::new("mars", Stalled, "InvalidRequest", &["region"]),
        Case::new("azure", Stalled, "InvalidRequest", &["region"]),
        Case::new("gcp", Stalled, "InvalidRequest", &["region"]),
    ] {
        case.judge(&world, LINKS).await;
    }
    Case::new("on-gcp", Stalled, "InvalidRequest", &["good-gcp", "GCP", "AWS only"]).judge(&world, ENDPOINTS).await;
    does_not_loop(&world, 3).await;
    assert!(world.services().iter().all(|service| service["provider"] == "GCP"));
    world.always().await;

    let world = World::new(Nature { dialect: "v1.0", ..Nature::default() }).await;
    let _operator = world.start();
    world.credentials().await;
    let place = |provider: &str, region: &str| json!({"spec": {"provider": provider, "region": region}});
    world.apply(&with(link("mars"), &place("AWS", "us-mars-1"))).await;
    world.apply(&with(link("too-new"), &place("AWS", "mx-central-1"))).await;
    world.apply(&with(link("azure"), &place("AZURE", "northeurope"))).await;
    Case::new("mars", Stalled, "InvalidRequest", &["region", "us-mars-1"]).judge(&world, LINKS).await;
    Case::new("too-new", Stalled, "InvalidRequest", &["mx-central-1", "v2"]).judge(&world, LINKS).await;
    Case::new("azure", Stalled, "InvalidRequest", &["AZURE", "v2"]).judge(&world, LINKS).await;
    assert!(world.ledger().is_empty(), "Atlas was asked for what it cannot do");
    world.always().await;
}
