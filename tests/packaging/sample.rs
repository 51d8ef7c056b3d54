//! The sample repository of Argo CD: its waves, its Job's script as a process, and that all of it converges when it is
//! applied as one commit.

use super::{
    helm::{objects, repository},
    requests::{apply_as, kubeconfig_of},
};
use crate::cluster::*;
use atlas_privatelink_operator::testbed::control_plane::Places;
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

const LINK: &str = "orders-us-east-1";
const ENDPOINT: &str = "orders-vpc-a";
const JOB: &str = "orders-vpc-endpoint";

/// The files of `deploy/argocd/sample/`, in their order.
pub fn sample_files() -> Vec<PathBuf> {
    let folder = fs::read_dir(repository("deploy/argocd/sample")).expect("the sample");
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

/// Everything in it.
fn sample() -> Vec<Value> {
    sample_files().iter().flat_map(|file| objects(&fs::read_to_string(file).expect("text")).expect("YAML")).collect()
}

fn annotation<'a>(object: &'a Value, name: &str) -> &'a str {
    object["metadata"]["annotations"][format!("argocd.argoproj.io/{name}")].as_str().unwrap_or_default()
}

fn of_kind<'a>(sample: &'a [Value], kind: &str) -> &'a Value {
    sample.iter().find(|object| object["kind"] == kind).expect(kind)
}

#[test]
fn the_waves_are_in_their_order() {
    let sample = sample();
    let wave = |kind: &str| annotation(of_kind(&sample, kind), "sync-wave").to_owned();
    let kinds = ["Secret", "ServiceAccount", "Role", "RoleBinding"];
    assert!(kinds.iter().all(|kind| wave(kind) == "-1"));
    let rest = ["AtlasPrivateLink", "Job", "AtlasInterfaceEndpoint", "Deployment"].map(wave);
    assert_eq!(rest, ["0", "1", "2", "3"]);
    // A finalizer of ours must not find its credentials gone, nor a slip in Git cut a connection.
    for kind in ["Secret", "AtlasPrivateLink", "AtlasInterfaceEndpoint"] {
        assert_eq!(annotation(of_kind(&sample, kind), "sync-options"), "PruneLast=true,Prune=confirm,Delete=confirm");
    }
}

/// Self-heal would undo a patch of `suspend` if Git contained the field.
#[test]
fn no_manifest_of_ours_says_suspend() {
    let samples = [repository("deploy/argocd/sample"), repository("deploy/samples"), repository("deploy/flux")];
    for file in samples.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder")) {
        let file = file.expect("an entry").path();
        let text = fs::read_to_string(&file).expect("text");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("suspend:")), "{}", file.display());
    }
}

/// As Argo CD applies it, into the namespace of its Application.
async fn apply_all(world: &World, sample: &[Value]) {
    for object in sample {
        let mut object = object.clone();
        if object["kind"] == "RoleBinding" {
            object["subjects"][0]["namespace"] = json!(world.namespace);
        }
        if object["kind"] == "Secret" {
            object["stringData"] = json!({"publicKey": PUBLIC, "privateKey": PRIVATE});
        }
        apply_as(world, "argocd-controller", &object, Some(&world.namespace)).await;
    }
}

/// The Job's container without a kubelet: its script, its environment, its ServiceAccount, and an AWS that remembers one
/// endpoint.
struct Container {
    directory: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

const AWS: &str = r#"#!/bin/sh
echo "$*" >> "$STATE/asked"
case "$1 $2" in
  "ec2 describe-vpc-endpoints") cat "$STATE/endpoint" 2>/dev/null || echo None ;;
  "ec2 create-vpc-endpoint") echo vpce-0b9c5701325cb15dd | tee "$STATE/endpoint" ;;
  *) exit 252 ;;
esac
"#;

impl Container {
    async fn of(world: &World, sample: &[Value]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str, mode: u32| {
            let path = directory.path().join(name);
            fs::write(&path, text).expect("written");
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
        };
        let job = &of_kind(sample, "Job")["spec"]["template"]["spec"];
        let script = sample.iter().find_map(|object| object["data"]["make-endpoint.sh"].as_str()).expect("the script");
        assert_eq!(job["containers"][0]["command"], json!(["sh", "/script/make-endpoint.sh"]));
        write("make-endpoint.sh", script, 0o644);
        write("aws", AWS, 0o755);
        let account = job["serviceAccountName"].as_str().expect("a name");
        write("kubeconfig", &kubeconfig_of(world, &world.namespace, account).await.to_string(), 0o600);
        let variables = job["containers"][0]["env"].as_array().expect("env").iter();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let environment = variables.map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect();
        Self { directory, environment }
    }

    fn run(&self) -> Output {
        let kubectl = Places::of_this_machine().ensure_kubectl().expect("kubectl");
        let beside = kubectl.parent().unwrap_or(Path::new("")).display();
        let (own, before) = (self.directory.path(), std::env::var("PATH").unwrap_or_default());
        Command::new("/bin/sh")
            .arg(own.join("make-endpoint.sh"))
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("PATH", format!("{}:{before}:{beside}", own.display()))
            .env("HOME", own)
            .env("KUBECONFIG", own.join("kubeconfig"))
            .env("STATE", own)
            .output()
            .expect("ran")
    }

    /// What AWS was asked to make.
    fn made(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.directory.path().join("asked")).unwrap_or_default();
        asked.lines().filter(|line| line.contains("create-vpc-endpoint")).map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_commit_converges() {
    let (world, sample) = (World::new(Nature::default()).await, sample());
    // Harder than Argo CD, which waits between the waves.
    apply_all(&world, &sample).await;
    let job = Container::of(&world, &sample).await;
    let early = job.run();
    assert!(!early.status.success() && job.made().is_empty(), "{early:?}");
    assert!(String::from_utf8_lossy(&early.stderr).contains("has no service yet"), "{early:?}");

    let _operator = world.start();
    world.until_ready(LINKS, LINK).await;
    let ran = job.run();
    assert!(ran.status.success(), "{ran:?}");
    let link = world.get(LINKS, LINK).await.expect("the link");
    let service = link["status"]["endpointServiceName"].as_str().expect("a service").to_owned();
    assert!(job.made()[0].contains(&format!("--service-name {service}")), "{:?}", job.made());
    let endpoint = world.until_ready(ENDPOINTS, ENDPOINT).await;
    assert_eq!(endpoint["status"]["interfaceEndpointId"], VPCE);

    // The hook runs with every sync; so does the rest.
    let map = world.get(MAPS, JOB).await;
    let again = job.run();
    assert!(again.status.success(), "{again:?}");
    assert_eq!(job.made().len(), 1, "{:?}", job.made());
    assert_eq!(world.get(MAPS, JOB).await, map);
    apply_all(&world, &sample).await;
    let unchanged = world.until_ready(ENDPOINTS, ENDPOINT).await;
    assert_eq!(unchanged["metadata"]["generation"], endpoint["metadata"]["generation"]);
    world.always().await;
}
