//! The demo's own part: with a stand-in for the operator, so that it is tested what the demo makes of any operator.

use atlas_privatelink_operator::testbed::{
    control_plane::install_crypto_provider,
    demo::{self, DemoArgs, Setup, SimulatedAtlas},
};
use clap::Parser;
use k8s_openapi::{
    api::core::v1::ConfigMap, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
    time::Duration,
};

/// Set for the process that plays the demo: its arguments, and what the operator does.
const DEMO: &str = "DEMO_ARGUMENTS";
const OPERATOR: &str = "DEMO_OPERATOR";
/// Set for the process that plays the operator.
const STAND_IN: &str = "DEMO_STAND_IN";
const KINDS: [&str; 2] = ["AtlasPrivateLink", "AtlasInterfaceEndpoint"];
/// What the stand-in's Atlas still has at the end, where the variable is set.
const LEFT: &str = "DEMO_LEFT_IN_ATLAS";

struct Atlas;

impl SimulatedAtlas for Atlas {
    fn base_url(&self) -> String {
        "http://127.0.0.1:1".to_owned()
    }

    async fn contents(&self) -> Vec<String> {
        env::var(LEFT).into_iter().collect()
    }
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    demo: DemoArgs,
}

/// The demo in a process of its own, with an operator that is this line of shell.
fn play(arguments: &str, operator: &str, left: Option<&str>) -> (bool, String) {
    let mut command = Command::new(env::current_exe().expect("this test binary"));
    command
        .args(["--exact", "cluster::demo::demo_process", "--nocapture"])
        .env(DEMO, arguments)
        .env(OPERATOR, operator);
    command.envs(left.map(|left| (LEFT, left)));
    let Output { status, stdout, stderr } = command.output().expect("ran");
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    println!("{text}");
    (status.success(), text)
}

/// A line of shell that runs [`stand_in`].
fn reconcile() -> String {
    let binary = env::current_exe().expect("this test binary");
    format!("{STAND_IN}=1 exec '{}' --exact cluster::demo::stand_in --nocapture", binary.display())
}

#[test]
fn it_ends_well_when_all_is_ready_and_gone_again() {
    let (success, text) = play("--exit-when-ready", &reconcile(), None);
    assert!(success);
    for expected in [
        "export KUBECONFIG=",
        "kubectl",
        "AtlasPrivateLink orders-us-east-1: INITIATING, not ready (Creating)",
        "AtlasInterfaceEndpoint orders-vpc-b: -, not ready (WaitingForEndpointId)",
        "AtlasInterfaceEndpoint orders-vpc-b: AVAILABLE, ready (Available)",
        "All 6 resources are Ready",
        "AtlasPrivateLink orders-us-east-1: gone",
        "Atlas is empty again",
    ] {
        assert!(text.contains(expected), "{expected:?} is missing");
    }
}

#[test]
fn it_fails_when_atlas_still_has_something() {
    let (success, text) = play("--exit-when-ready --atlas-api-version v1.0", &reconcile(), Some("a service"));
    assert!(!success && text.contains("Atlas still has:\na service") && !text.contains("orders-northeurope"));
}

#[test]
fn it_gives_the_reasons_after_the_timeout() {
    // Without --exit-when-ready: the end comes by itself, for there is no terminal.
    let (success, text) = play("--timeout 30s", "echo the operator sleeps; exec sleep 600", None);
    assert!(!success && text.contains("AtlasPrivateLink orders-us-east-1: no status yet"));
    assert!(text.contains("not all was Ready after 30s") && text.contains("the operator sleeps"));
}

#[test]
fn it_fails_when_the_operator_ends() {
    let (success, text) = play("--exit-when-ready", "echo no such flag \"$@\"; exit 2", None);
    assert!(!success && text.contains("the operator ended with exit status: 2"));
    assert!(text.contains("no such flag run --atlas-base-url http://127.0.0.1:1 --atlas-api-version v2"));
}

/// Not a test: with the variable set, the process that plays the demo.
#[tokio::test(flavor = "multi_thread")]
async fn demo_process() {
    let (Ok(arguments), Ok(operator)) = (env::var(DEMO), env::var(OPERATOR)) else { return };
    let line = Line::parse_from(std::iter::once("demo").chain(arguments.split(' ')));
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("operator");
    fs::write(&program, format!("#!/bin/sh\n{operator}\n")).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("made executable");
    let setup = Setup { crds: KINDS.map(definition).into(), operator: program, atlas: Atlas };
    if let Err(error) = demo::run(line.demo, setup).await {
        panic!("{error}");
    }
}

/// A definition that takes anything.
fn definition(kind: &str) -> CustomResourceDefinition {
    let plural = format!("{}s", kind.to_lowercase());
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    serde_json::from_value(json!({
        "metadata": {"name": format!("{plural}.atlas.privatelink.dev")},
        "spec": {
            "group": "atlas.privatelink.dev", "scope": "Namespaced", "names": {"plural": plural, "kind": kind},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
                          "schema": {"openAPIV3Schema": anything}}],
        },
    }))
    .expect("a definition")
}

/// Not a test: with the variable set, what a real operator's objects look like from outside.
#[tokio::test(flavor = "multi_thread")]
async fn stand_in() {
    if env::var_os(STAND_IN).is_none() {
        return;
    }
    install_crypto_provider();
    let client = Client::try_default().await.expect("KUBECONFIG is set");
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    let apis = KINDS.map(|kind| {
        let kind = GroupVersionKind::gvk("atlas.privatelink.dev", "v1alpha1", kind);
        Api::<DynamicObject>::default_namespaced_with(client.clone(), &ApiResource::from_gvk(&kind))
    });
    let mut turns = tokio::time::interval(Duration::from_millis(20));
    loop {
        turns.tick().await;
        let id_is_there = maps.get_opt("orders-vpc-b").await.is_ok_and(|map| map.is_some());
        for api in &apis {
            // What fails is tried again in the next turn: a definition may be established and not served yet.
            for object in api.list(&Default::default()).await.into_iter().flatten() {
                if let Err(error) = step(api, &object, id_is_there).await {
                    eprintln!("{error}");
                }
            }
        }
    }
}

async fn step(api: &Api<DynamicObject>, object: &DynamicObject, id_is_there: bool) -> kube::Result<()> {
    let waits = !object.data["spec"]["interfaceEndpointIdFrom"].is_null() && !id_is_there;
    let field = if object.data["spec"]["provider"].is_null() { "connectionStatus" } else { "state" };
    let deleting = object.metadata.deletion_timestamp.is_some();
    let (state, reason) = match object.data["status"][field].as_str() {
        Some("DELETING") => return finalize(api, object, json!([])).await,
        _ if deleting => ("DELETING", "Deleting"),
        None if waits => ("", "WaitingForEndpointId"),
        None if field == "state" => ("INITIATING", "Creating"),
        None => ("PENDING_ACCEPTANCE", "PendingAcceptance"),
        Some("") if waits => return Ok(()),
        Some("AVAILABLE") => return Ok(()),
        Some(_) => ("AVAILABLE", "Available"),
    };
    if object.finalizers().is_empty() {
        finalize(api, object, json!(["atlas.privatelink.dev/stand-in"])).await?;
    }
    let ready = if reason == "Available" { "True" } else { "False" };
    let conditions = json!([{"type": "Ready", "status": ready, "reason": reason, "message": "as it is"}]);
    let status = json!({field: state, "observedGeneration": object.metadata.generation, "conditions": conditions});
    let patch = Patch::Merge(json!({ "status": status }));
    api.patch_status(&object.name_any(), &PatchParams::default(), &patch).await.map(drop)
}

async fn finalize(api: &Api<DynamicObject>, object: &DynamicObject, finalizers: Value) -> kube::Result<()> {
    let patch = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    api.patch(&object.name_any(), &PatchParams::default(), &patch).await.map(drop)
}
