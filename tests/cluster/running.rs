//! What a running operator shows of itself: its pages, its log, its name to Atlas; and all its flags as variables.

use super::world::*;
use crate::monitoring::openmetrics::parse;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

async fn until_is_ready(operator: &Operator) {
    until(SOON, "/readyz says ok", async || operator.page("/readyz").await == (200, "ok\n".to_owned())).await;
}

/// The ready link `orders`.
async fn one_link(world: &World) -> Value {
    world.credentials().await;
    world.apply(&link("orders")).await;
    world.until_ready(LINKS, "orders").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_of_a_running_operator() {
    let world = World::new(Nature::default()).await;
    let operator = world.start();
    until_is_ready(&operator).await;
    assert_eq!(operator.page("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(operator.page("/").await.0, 404);
    one_link(&world).await;
    let answer = operator.get("/metrics").await;
    assert_eq!(answer.status(), 200);
    let kind = answer.headers()["content-type"].to_str().expect("text").to_owned();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = answer.text().await.expect("text");
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in [
        format!("atlas_privatelink_build_info{{version=\"{VERSION}\"}} 1"),
        "atlas_privatelink_atlas_calls_total{operation=\"create_service\",class=\"ok\",dialect=\"v2\"} 1".to_owned(),
        "atlas_privatelink_crds_missing 0".to_owned(),
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is missing:\n{text}");
    }
    let page = parse(&text).expect("OpenMetrics");
    assert_eq!(page.label_values("namespace"), BTreeSet::from([world.namespace.as_str()]));
    assert_eq!(page.label_values("project"), BTreeSet::from([PROJECT]));
    no_secret_in("the metrics", &text);
}

/// The flags of this world, with another format of the log.
fn with_format(world: &World, format: &str) -> Vec<String> {
    let mut arguments = world.arguments(&[&world.namespace]);
    let place = arguments.iter().position(|argument| argument == "--log-format").expect("the flag") + 1;
    arguments[place] = format.to_owned();
    let place = arguments.iter().position(|argument| argument == "--log-level").expect("the flag") + 1;
    arguments[place] = "info".to_owned();
    arguments
}

/// A line for each transition, with what a person looks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_json_or_text() {
    for format in ["json", "text"] {
        let world = World::new(Nature::default()).await;
        let operator = world.launch(&with_format(&world, format), &[]);
        one_link(&world).await;
        let shown = |line: &&str| line.contains("orders") && line.contains("Ready");
        until(SOON, "it tells of the transition", async || operator.log().lines().any(|line| shown(&line))).await;
        let log = operator.log();
        assert!(!log.contains('\x1b'), "colours, and no terminal");
        for line in log.lines() {
            match serde_json::from_str::<Value>(line) {
                Ok(line) if format == "json" => {
                    let has = |field: &str| line[field].is_string();
                    assert!(["timestamp", "level", "target", "message"].into_iter().all(has), "{line}");
                }
                Err(_) if format == "text" => assert!(line.contains("INFO") || line.contains("WARN"), "{line}"),
                Ok(_) | Err(_) => panic!("not {format}: {line}"),
            }
        }
        let line = log.lines().find(shown).expect("the transition");
        for word in [&world.namespace, "orders", PROJECT, "us-east-1"] {
            assert!(line.contains(word), "{word}: {line}");
        }
        let transitions = log.lines().filter(|line| line.contains("orders")).count();
        assert!((2..=8).contains(&transitions), "{log}");
        world.always().await;
    }
}

/// No flag at all: everything comes from the environment, and each variable is seen to count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_flag_may_be_a_variable() {
    let world = World::new(Nature::default()).await;
    let (second, third) = (fresh("second"), fresh("third"));
    for namespace in [&second, &third] {
        world.create_namespace(namespace).await;
        world.apply_in(namespace, &secret(&[("publicKey", PUBLIC), ("privateKey", PRIVATE)])).await;
    }
    let namespaces = format!("{},{second}", world.namespace);
    let variables = [
        ("ATLAS_PRIVATELINK_ATLAS_BASE_URL", world.base_url.as_str()),
        ("ATLAS_PRIVATELINK_ATLAS_API_VERSION", "v1.0"),
        ("ATLAS_PRIVATELINK_NAMESPACE", &namespaces),
        ("ATLAS_PRIVATELINK_POLL_INTERVAL", "200ms"),
        ("ATLAS_PRIVATELINK_RESYNC_INTERVAL", "1s500ms"),
        ("ATLAS_PRIVATELINK_DEFAULT_DELETION_POLICY", "Retain"),
        ("ATLAS_PRIVATELINK_CONCURRENCY", "1"),
        ("ATLAS_PRIVATELINK_HTTP_LISTEN", "127.0.0.1:0"),
        ("ATLAS_PRIVATELINK_LOG_FORMAT", "json"),
        ("ATLAS_PRIVATELINK_LOG_LEVEL", "warn,atlas_privatelink_operator::operator=info"),
    ];
    let operator = world.launch(&[], &variables);
    world.apply_in(&third, &link_of("unseen", &project(3))).await;
    world.apply_in(&second, &link_of("seen", &project(2))).await;
    one_link(&world).await;
    until_is_ready(&operator).await;
    world
        .until(SOON, "the second namespace is watched", async |world: &World| {
            world.get_in(&second, LINKS, "seen").await.is_some_and(|link| is_ready(&link))
        })
        .await;
    let unseen = world.get_in(&third, LINKS, "unseen").await.expect("there");
    assert_eq!(unseen["status"], json!({"observedGeneration": -1}), "the third namespace is watched");
    assert!(world.ledger().requests().all(|request| request.path.starts_with("/api/atlas/v1.0/")));
    // What is Ready is looked at now and then, and not only after a quarter of an hour.
    let looks = world.requests_of(PROJECT);
    world.until(SOON, "it is looked at", async |world: &World| world.requests_of(PROJECT) > looks + 1).await;
    world.delete(LINKS, "orders").await;
    world.until_gone(LINKS, "orders").await;
    assert_eq!(world.services().len(), 2, "Retain keeps what is in Atlas");
    let levels = |level: &str| operator.log().contains(&format!(r#""level":"{level}""#));
    assert!(levels("INFO") && !levels("DEBUG"), "{}", operator.log());
    assert!(!operator.log().contains("::driver"), "{}", operator.log());
}

/// An Atlas that only notes what it is sent, and has no answer.
async fn note_taker() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let notes = Arc::new(Mutex::new(String::new()));
    let taken = notes.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut chunk = vec![0; 4096];
            let length = socket.read(&mut chunk).await.unwrap_or_default();
            taken.lock().expect("not poisoned").push_str(&String::from_utf8_lossy(&chunk[..length]));
            let _ = socket.write_all(b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        }
    });
    (address, notes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_tells_atlas_its_name_and_version() {
    let mut world = World::new(Nature::default()).await;
    let notes;
    (world.base_url, notes) = note_taker().await;
    let _operator = world.start();
    world.credentials().await;
    world.apply(&link("orders")).await;
    let seen = || notes.lock().expect("not poisoned").clone();
    until(SOON, "it asks", async || seen().contains("\r\n\r\n")).await;
    let (head, _) = (seen().split_once("\r\n\r\n").map(|(head, _)| head.to_lowercase()).expect("a head"), ());
    assert!(head.contains(&format!("\r\nuser-agent: atlas-privatelink-operator/{VERSION}")), "{head}");
    assert!(!head.contains("authorization:"), "before any challenge: {head}");
}
