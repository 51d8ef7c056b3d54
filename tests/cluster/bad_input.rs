//! What people, other tools and a broken Atlas hand to the operator: a clear condition each, and no crash, leak or loop.

use super::world::*;
use atlas_privatelink_operator::{
    api::Standing::{self, Reconciling, Stalled},
    testbed::simulator::{BodyKind, Change, Fault, Matcher, Operation, Role, Rule},
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::net::TcpListener;

/// A link that cannot be served, and what it must say.
struct Case {
    name: &'static str,
    standing: Standing,
    reason: &'static str,
    /// What the message must name.
    words: &'static [&'static str],
}

impl Case {
    const fn new(name: &'static str, standing: Standing, reason: &'static str, words: &'static [&'static str]) -> Self {
        Self { name, standing, reason, words }
    }

    /// Waits for the verdict, and reads it as a person does.
    async fn judge(&self, world: &World, plural: &str) {
        let object = world.until_says(plural, self.name, self.standing, self.reason).await;
        let message = message(&object);
        println!("{} {}: {message}", self.reason, self.name);
        assert!(self.words.iter().all(|word| message.contains(word)), "{}: {:?} in {message}", self.name, self.words);
        assert!((20..1024).contains(&message.len()), "{}: {message}", self.name);
        assert!(!message.to_lowercase().contains("<html"), "{}: {message}", self.name);
        assert!(message.chars().all(|c| !c.is_control()), "{}: {message:?}", self.name);
    }
}

/// Nobody is asked more than now and then, though the poll interval is a fifth of a second.
async fn does_not_loop(world: &World, projects: usize) {
    let before: Vec<_> = (0..projects).map(|number| world.requests_of(&project(number))).collect();
    let start = Instant::now();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after: Vec<_> = (0..projects).map(|number| world.requests_of(&project(number))).collect();
    // A busy machine may have slept longer, and whoever only asks now and then has asked more often then.
    let allowed = 12 * start.elapsed().as_secs().div_ceil(5);
    for (number, (before, after)) in before.into_iter().zip(after).enumerate() {
        let more = (after - before) as u64;
        assert!(more <= allowed, "{more} requests of {} in {:?}", project(number), start.elapsed());
    }
}

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

fn with_secret(link: Value, secret: &str) -> Value {
    with(link, &json!({"spec": {"credentialsRef": {"name": secret}}}))
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

fn in_project(number: usize, operation: Operation, fault: Fault) -> Rule {
    let rule = Rule::always(operation, fault);
    Rule { when: Matcher { project: Some(project(number)), ..rule.when.clone() }, ..rule }
}

/// Answers that are none, to the question that everything begins with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_cannot_be_read() {
    let world = World::new(Nature::default()).await;
    world.credentials().await;
    let spoilt = [
        ("huge", Fault::HugeBody),
        ("not-utf8", Fault::InvalidUtf8),
        ("html-with-200", Fault::HtmlOk),
        ("broken-off", Fault::TruncatedJson),
        ("html-with-404", Fault::NotFoundHtml),
        ("teapot", Fault::Status { code: 418, body: BodyKind::Html }),
        ("empty-500", Fault::Status { code: 500, body: BodyKind::Empty }),
        ("gateway", Fault::BadGateway),
    ];
    for (number, (name, fault)) in spoilt.iter().enumerate() {
        world.atlas.inject(in_project(number, Operation::ListServices, fault.clone()));
        world.apply(&link_of(name, &project(number))).await;
    }
    let _operator = world.start();
    for (name, _) in &spoilt {
        Case::new(name, Reconciling, "AtlasUnreachable", &["Atlas"]).judge(&world, LINKS).await;
    }
    does_not_loop(&world, spoilt.len()).await;
    assert_eq!(world.calls(Operation::CreateService), 0, "created without having seen what is there");
    world.atlas.clear_faults();
    for (name, _) in &spoilt {
        world.until_ready(LINKS, name).await;
    }
    world.always().await;
}

/// The service is made, and the answer that says so cannot be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_to_a_creation_that_cannot_be_read() {
    let world = World::new(Nature::default()).await;
    world.credentials().await;
    let spoilt = [
        ("huge", Fault::HugeBody),
        ("not-utf8", Fault::InvalidUtf8),
        ("html-with-200", Fault::HtmlOk),
        ("broken-off", Fault::TruncatedJson),
        ("no-id", Fault::MissingId),
        ("nulls", Fault::Nulls),
        ("lost", Fault::AnswerLost),
    ];
    for (number, (name, fault)) in spoilt.iter().enumerate() {
        let rule = in_project(number, Operation::CreateService, fault.clone());
        world.atlas.inject(Rule { times: Some(1), ..rule });
        world.apply(&link_of(name, &project(number))).await;
    }
    let _operator = world.start();
    for (name, _) in &spoilt {
        let ready = world.until_ready(LINKS, name).await;
        assert_eq!(ready["status"]["origin"], "Created", "{name}");
    }
    assert_eq!(world.calls(Operation::CreateService), spoilt.len(), "one request each");
    world.always().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_nobody_knows() {
    let world = World::new(Nature::default()).await;
    world.credentials().await;
    world.atlas.inject(in_project(0, Operation::ListServices, Fault::UnknownWord));
    world.apply(&link_of("service", &project(0))).await;
    let _operator = world.start();
    world
        .until(SOON, "the word is seen", async |world: &World| {
            world.get(LINKS, "service").await.is_some_and(|link| link["status"]["state"] == "PONDERING")
        })
        .await;
    let pondering = Case::new("service", Reconciling, "Creating", &["PONDERING", "does not know"]);
    pondering.judge(&world, LINKS).await;
    world.atlas.clear_faults();
    world.until_ready(LINKS, "service").await;
    world.atlas.inject(in_project(0, Operation::GetEndpoint, Fault::UnknownWord));
    world.apply(&endpoint("connection", "service", VPCE)).await;
    world
        .until(SOON, "the word is seen", async |world: &World| {
            let connection = world.get(ENDPOINTS, "connection").await.expect("there");
            connection["status"]["connectionStatus"] == "PONDERING"
        })
        .await;
    Case::new("connection", Reconciling, "PendingAcceptance", &["PONDERING", "does not know"])
        .judge(&world, ENDPOINTS)
        .await;
    world.atlas.clear_faults();
    world.until_ready(ENDPOINTS, "connection").await;
    world.always().await;
}

/// Somebody who must never hear from the operator; counts who comes all the same.
async fn stranger() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let (port, count) = (listener.local_addr().expect("an address").port(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_to_another_host() {
    let world = World::new(Nature::default()).await;
    let (port, visitors) = stranger().await;
    world.credentials().await;
    world.apply(&secret_named("account", &[("clientId", CLIENT_ID), ("clientSecret", CLIENT_SECRET)])).await;
    let to = format!("http://localhost:{port}/api/atlas/v2/groups");
    for (number, operation) in [(0, Operation::ListServices), (1, Operation::CreateService)] {
        world.atlas.inject(in_project(number, operation, Fault::Redirect { to: to.clone() }));
    }
    world.atlas.inject(Rule::always(Operation::Token, Fault::Redirect { to }));
    world.apply(&link_of("list", &project(0))).await;
    world.apply(&link_of("creation", &project(1))).await;
    world.apply(&with_secret(link_of("token", &project(2)), "account")).await;
    let _operator = world.start();
    for name in ["list", "token"] {
        Case::new(name, Reconciling, "AtlasUnreachable", &["redirect", "base URL"]).judge(&world, LINKS).await;
    }
    world
        .until(SOON, "the creation is redirected", async |world: &World| world.calls(Operation::CreateService) > 0)
        .await;
    does_not_loop(&world, 3).await;
    assert_eq!(visitors.load(Ordering::SeqCst), 0, "the other host was visited");
    world.nothing_is_left();
    world.always().await;
}
