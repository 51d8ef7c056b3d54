//! What `helm --wait` makes of both kinds: it waits until they are Ready, and gives up when one is Stalled.

use super::helm::{Helm, Running, repository};
use crate::cluster::*;
use serde_json::{Value, json};
use std::path::Path;

const LINK: &str = "orders-us-east-1";
const ENDPOINT: &str = "orders-vpc-a";

/// A user's chart with a link and an endpoint: those of `deploy/samples/`.
fn chart_of_a_user() -> tempfile::TempDir {
    let chart = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(chart.path().join(name), text).expect("written");
    write("Chart.yaml", "apiVersion: v2\nname: orders\nversion: 0.1.0\n");
    std::fs::create_dir(chart.path().join("templates")).expect("a folder");
    for sample in ["atlasprivatelink.yaml", "atlasinterfaceendpoint.yaml"] {
        let text = std::fs::read_to_string(repository("deploy/samples").join(sample)).expect("a sample");
        write(&format!("templates/{sample}"), &text);
    }
    chart
}

/// Helm on its way, at the point where both resources are in the cluster.
async fn installing(world: &World, helm: &Helm, chart: &Path, timeout: &str) -> Running {
    let chart = chart.to_str().expect("text");
    let namespace = world.namespace.as_str();
    let arguments = ["install", "orders", chart, "--namespace", namespace, "--wait=watcher", "--timeout", timeout];
    let running = helm.start(&arguments);
    world
        .until(SOON, "both are applied", async |world: &World| {
            world.get(LINKS, LINK).await.is_some() && world.get(ENDPOINTS, ENDPOINT).await.is_some()
        })
        .await;
    running
}

/// Does what the operator would: conditions of the newest generation.
async fn tell(world: &World, plural: &str, name: &str, conditions: &[(&str, &str, &str)]) {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(kind, status, reason)| {
            json!({"type": kind, "status": status, "reason": reason, "message": "as it is", "observedGeneration": 1,
                   "lastTransitionTime": "2026-01-01T00:00:00Z"})
        })
        .collect();
    let status = json!({"status": {"observedGeneration": 1, "conditions": conditions}});
    world.merge(plural, &format!("{name}/status"), &status).await.expect("written");
}

const READY: [(&str, &str, &str); 1] = [("Ready", "True", "Available")];
const WAITING: [(&str, &str, &str); 2] = [("Ready", "False", "Attaching"), ("Reconciling", "True", "Attaching")];
const STALLED: [(&str, &str, &str); 2] = [("Ready", "False", "Rejected"), ("Stalled", "True", "Rejected")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_waits_until_both_are_ready() {
    let (world, chart) = (World::new(Nature::default()).await, chart_of_a_user());
    let helm = Helm::of(&world.nature.plane.kubeconfig);
    let mut running = installing(&world, &helm, chart.path(), "600s").await;
    tell(&world, LINKS, LINK, &READY).await;
    tell(&world, ENDPOINTS, ENDPOINT, &WAITING).await;
    assert!(!running.has_ended());
    tell(&world, ENDPOINTS, ENDPOINT, &READY).await;
    running.end().expect("all is ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_not_take_waiting_for_ready() {
    let (world, chart) = (World::new(Nature::default()).await, chart_of_a_user());
    let helm = Helm::of(&world.nature.plane.kubeconfig);
    let running = installing(&world, &helm, chart.path(), "10s").await;
    tell(&world, LINKS, LINK, &READY).await;
    tell(&world, ENDPOINTS, ENDPOINT, &WAITING).await;
    let said = running.end().expect_err("it took waiting for ready");
    assert!(said.contains(ENDPOINT) && said.contains("not ready"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_gives_up_on_what_is_stalled() {
    let (world, chart) = (World::new(Nature::default()).await, chart_of_a_user());
    let helm = Helm::of(&world.nature.plane.kubeconfig);
    let running = installing(&world, &helm, chart.path(), "600s").await;
    tell(&world, LINKS, LINK, &READY).await;
    tell(&world, ENDPOINTS, ENDPOINT, &STALLED).await;
    let said = running.end().expect_err("it took stalled for ready");
    assert!(said.contains(ENDPOINT) && said.contains("Failed"), "{said}");
    assert!(!said.contains("deadline"), "it waited for nothing: {said}");
}
