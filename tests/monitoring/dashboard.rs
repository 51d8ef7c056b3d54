//! The dashboard: every query of every panel has an answer when a real Prometheus scrapes a real operator.

use super::prometheus::Prometheus;
use crate::cluster::world::*;
use atlas_privatelink_operator::{
    api::Standing,
    testbed::simulator::{Change, Fault, Rule},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};

fn file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/atlas-privatelink-operator/files").join(name)
}

fn dashboard() -> Value {
    serde_json::from_str(&std::fs::read_to_string(file("dashboard.json")).expect("the dashboard")).expect("JSON")
}

/// The queries, by the panel's title, with Grafana's variables filled in.
fn queries() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for panel in dashboard()["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title").to_owned();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a query");
            let query = query
                .replace("$__rate_interval", "5m")
                .replace("$__range", "1h")
                .replace("$namespace", ".+")
                .replace("$kind", ".+");
            assert!(!query.contains('$'), "{title}: {query}");
            all.push((title.clone(), query));
        }
    }
    all
}

/// Both kinds, and of everything that can be counted something. To the end there is something Stalled that is not
/// suspended, and something that is being deleted.
async fn everything_happens(world: &World) {
    world.credentials().await;
    world.apply(&link("orders")).await;
    world.apply(&endpoint("orders-a", "orders", VPCE)).await;
    world.apply(&secret_named("wrong", &[("publicKey", "wrong"), ("privateKey", "wrong")])).await;
    let wrong = json!({"spec": {"credentialsRef": {"name": "wrong"}}});
    world.apply(&with(link_of("refused", &project(1)), &wrong)).await;
    world.until_ready(ENDPOINTS, "orders-a").await;
    world.until_says(LINKS, "refused", Standing::Stalled, "CredentialsRefused").await;
    for (name, id) in [("short-lived", vpce(7)), ("stuck", vpce(8))] {
        world.apply(&endpoint(name, "orders", &id)).await;
        world.until_ready(ENDPOINTS, name).await;
    }
    world.delete(ENDPOINTS, "short-lived").await;
    world.until_gone(ENDPOINTS, "short-lived").await;
    world.merge(ENDPOINTS, "stuck", &json!({"spec": {"suspend": true}})).await.expect("suspended");
    world.delete(ENDPOINTS, "stuck").await;
    world.until_says(ENDPOINTS, "stuck", Standing::Reconciling, "Suspended").await;
}

/// What a panel shows where nothing is: without it, a query that finds nothing by mistake has no answer.
const OR_NOTHING: &str = " or vector(0)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_the_dashboard_returns_data() {
    let world = World::new(Nature::default()).await;
    let operator = world.start();
    let Some(prometheus) = Prometheus::scraping(&operator.address().await, &file("alerts.yaml")).await else { return };
    // What has happened before it first looks is no change to it.
    until(SOON, "a first look", async || !prometheus.query("atlas_privatelink_leader").await.is_empty()).await;
    everything_happens(&world).await;
    for (title, query) in queries() {
        let (asked, nothing) = match query.strip_suffix(OR_NOTHING) {
            Some(asked) => (asked, "0"),
            None => (query.as_str(), "NaN"),
        };
        let answered = async || prometheus.query(asked).await.iter().any(|series| series["value"][1] != nothing);
        until(SOON, &format!("{title}: {query}"), answered).await;
    }
    let target = &prometheus.targets().await[0];
    assert_eq!((target["health"].as_str(), target["lastError"].as_str()), (Some("up"), Some("")), "{target}");
}

/// What Prometheus stores is what stands on the page, names and labels: honorLabels keeps the resource's namespace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_names_the_resource_and_is_pending_at_once() {
    let world = World::new(Nature::default()).await;
    let operator = world.start();
    let Some(prometheus) = Prometheus::scraping(&operator.address().await, &file("alerts.yaml")).await else { return };
    world.credentials().await;
    world.atlas.inject(Rule::everywhere(Fault::PaymentRequired));
    world.apply(&link("orders")).await;
    world.until_says(LINKS, "orders", Standing::Stalled, "AccessDenied").await;
    let query = r#"ALERTS{alertname="AtlasPrivateLinkStalled", alertstate="pending"}"#;
    until(SOON, "the alert is pending", async || !prometheus.query(query).await.is_empty()).await;
    let labels = prometheus.query(query).await[0]["metric"].clone();
    let expected = [("kind", "AtlasPrivateLink"), ("namespace", world.namespace.as_str()), ("name", "orders")];
    for (label, value) in expected {
        assert_eq!(labels[label], value, "{labels}");
    }
    world.merge(LINKS, "orders", &json!({"spec": {"suspend": true}})).await.expect("suspended");
    until(SOON, "suspended, it is not", async || prometheus.query(query).await.is_empty()).await;
    world.atlas.clear_faults();
    world.change(Change::ForgetNonces);
}

/// What Grafana needs to import it.
#[test]
fn the_dashboard_is_one() {
    let dashboard = dashboard();
    assert!(dashboard["uid"].is_string() && dashboard["title"].is_string() && dashboard["schemaVersion"].is_number());
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    assert!(variables.iter().any(|one| one["type"] == "datasource" && one["name"] == "datasource"));
    let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().expect("panels") {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{panel}");
        assert!(titles.insert(panel["title"].as_str().expect("a title")), "{panel}");
        let place = &panel["gridPos"];
        assert!(["x", "y", "w", "h"].iter().all(|side| place[side].is_u64()), "{panel}");
        assert!(place["x"].as_u64().zip(place["w"].as_u64()).is_some_and(|(x, w)| x + w <= 24), "{panel}");
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"], json!({"type": "prometheus", "uid": "${datasource}"}), "{panel}");
            assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{panel}");
        }
    }
    assert!(queries().len() > 10);
}
