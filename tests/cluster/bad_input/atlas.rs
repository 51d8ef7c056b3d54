//! Answers that are none, that nobody understands, or that lead elsewhere.

use super::{super::world::*, Case, does_not_loop, with_secret};
use atlas_privatelink_operator::{
    api::Standing::Reconciling,
    testbed::simulator::{BodyKind, Fault, Matcher, Operation, Rule},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::net::TcpListener;

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
        ("another", Fault::AnotherObject),
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
    for name in ["list", "creation", "token"] {
        Case::new(name, Reconciling, "AtlasUnreachable", &["redirect", "base URL"]).judge(&world, LINKS).await;
    }
    does_not_loop(&world, 3).await;
    assert_eq!(visitors.load(Ordering::SeqCst), 0, "the other host was visited");
    world.nothing_is_left();
    world.always().await;
}
