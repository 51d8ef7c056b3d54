//! The demo's own part: with a stand-in for the operator, so that it is tested what the demo makes of any operator.

mod real;
mod stand_in;
mod terminal;

use atlas_privatelink_operator::testbed::{
    control_plane::{Places, Tool},
    demo::{self, DemoArgs, Setup, SimulatedAtlas},
};
use clap::Parser;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::json;
use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
    time::{Duration, SystemTime},
};

/// Set for the process that plays the demo: its arguments, and what the operator does.
const DEMO: &str = "DEMO_ARGUMENTS";
const OPERATOR: &str = "DEMO_OPERATOR";
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
fn demo(arguments: &str, operator: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("this test binary"));
    command
        .args(["--exact", "cluster::demo::demo_process", "--nocapture"])
        .env(DEMO, arguments)
        .env(OPERATOR, operator);
    command
}

/// Its end, without a terminal: whether that was a good one, and all that was said.
fn watch(mut command: Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().expect("ran");
    let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    println!("{text}");
    (status.success(), text)
}

fn play(arguments: &str, operator: &str) -> (bool, String) {
    watch(demo(arguments, operator))
}

#[test]
fn it_ends_well_when_all_is_ready_and_gone_again() {
    let (success, text) = play("--exit-when-ready", &stand_in::command());
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
    let mut command = demo("--exit-when-ready --atlas-api-version v1.0", &stand_in::command());
    command.env(LEFT, "a service");
    let (success, text) = watch(command);
    assert!(!success && text.contains("Atlas still has:\na service") && !text.contains("orders-northeurope"));
}

/// The time that the API server takes to start is not the samples' time.
#[test]
fn it_gives_the_reasons_after_the_timeout() {
    let directory = tempfile::tempdir().expect("a directory");
    let started = directory.path().join("started");
    let mut command = demo("--timeout 30s", "echo the operator sleeps; exec sleep 600");
    command.env("KUBEBUILDER_ASSETS", slow_to_start(directory.path(), &started));
    let (success, text) = watch(command);
    let ended = SystemTime::now();
    assert!(!success && text.contains("AtlasPrivateLink orders-us-east-1: no status yet"));
    assert!(text.contains("not all was Ready after 30s") && text.contains("the operator sleeps"));
    let started = fs::metadata(started).and_then(|metadata| metadata.modified()).expect("the API server was started");
    let had = ended.duration_since(started).expect("the clock goes forward");
    assert!(had >= Duration::from_secs(30), "the samples had {had:?} of their 30 s");
}

/// The programs of the control plane, but the API server takes its time to start, and then leaves this file.
fn slow_to_start(directory: &Path, started: &Path) -> std::path::PathBuf {
    let programs = Places::of_this_machine().ensure(false).expect("the programs of a control plane");
    let assets = directory.join("assets");
    fs::create_dir(&assets).expect("a directory");
    let (etcd, api_server) = (assets.join(Tool::Etcd.file_name()), assets.join(Tool::ApiServer.file_name()));
    std::os::unix::fs::symlink(programs.etcd, etcd).expect("a link");
    let (started, program) = (started.display(), programs.api_server.display());
    script(&api_server, &format!("sleep 15; : > '{started}'; exec '{program}' \"$@\""));
    assets
}

fn script(path: &Path, line: &str) {
    fs::write(path, format!("#!/bin/sh\n{line}\n")).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("made executable");
}

#[test]
fn it_fails_when_the_operator_ends() {
    let (success, text) = play("--exit-when-ready", "echo no such flag \"$@\"; exit 2");
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
    script(&program, &operator);
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
