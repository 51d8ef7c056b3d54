//! The control plane itself: it answers, keeps its data over a restart, and never outlives its owner.

use atlas_privatelink_operator::testbed::control_plane::{ControlPlane, Options};
use k8s_openapi::api::{
    authentication::v1::{SelfSubjectReview, TokenRequest},
    core::v1::{ConfigMap, Namespace, ServiceAccount},
};
use kube::{Api, Client, api::ObjectMeta, config::AuthInfo};
use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Set for the child process that [`killed_owner_leaves_nothing`] kills.
const OWNER: &str = "CONTROL_PLANE_OWNER";
const DIRECTORY: &str = "control plane in ";

const AUDIT_POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata, resources: [{group: '', resources: [configmaps]}]}]
";

/// Waits until `condition` holds.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !condition().await {
        assert!(Instant::now() < deadline, "never came about: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn config_map(name: &str) -> ConfigMap {
    ConfigMap { metadata: ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() }, ..ConfigMap::default() }
}

async fn create(client: &Client, name: &str) {
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    maps.create(&Default::default(), &config_map(name)).await.expect("created");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_and_keeps_its_data_over_a_restart() {
    let options = Options { controller_manager: true, audit_policy: Some(AUDIT_POLICY.into()) };
    let mut control_plane = ControlPlane::start(options).await.expect("started");
    let (client, directory) = (control_plane.client(), control_plane.directory().to_owned());
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    create(&client, "before").await;

    control_plane.stop_api_server().await;
    assert!(maps.get("before").await.is_err(), "a stopped API server answers");
    control_plane.start_api_server().await.expect("started again");
    create(&client, "between").await;
    control_plane.restart_api_server().await.expect("restarted");
    for name in ["before", "between"] {
        maps.get(name).await.expect("the data is still there");
    }
    assert_eq!(created_config_maps(&control_plane), ["before", "between"]);

    service_accounts_have_tokens(&control_plane).await;
    let pid = pid_of(&directory, "kube-controller-manager").expect("it runs");
    assert!(Command::new("kill").args(["-KILL", &pid]).status().expect("kill").success());
    namespaces_are_deleted(&client).await;
    control_plane.stop().await.expect("stopped");
    assert!(!directory.exists(), "the files are still there");
    assert_eq!(processes_of(&directory), Vec::<String>::new());
}

/// The names of the ConfigMaps that the audit log saw created in the namespace `default`.
fn created_config_maps(control_plane: &ControlPlane) -> Vec<String> {
    let events = control_plane.audit_log().events().expect("audit events");
    let created =
        events.iter().filter(|event| event["verb"] == "create" && event["objectRef"]["namespace"] == "default");
    created.filter_map(|event| event["objectRef"]["name"].as_str().map(str::to_owned)).collect()
}

/// The keys made by rcgen are good enough to sign a token and to recognize its bearer.
async fn service_accounts_have_tokens(control_plane: &ControlPlane) {
    let accounts: Api<ServiceAccount> = Api::default_namespaced(control_plane.client());
    // The controller manager makes this one.
    eventually("a service account", async || accounts.get_opt("default").await.expect("an answer").is_some()).await;
    let request = TokenRequest::default();
    let answer = accounts.create_token_request("default", &Default::default(), &request).await.expect("a token");
    let token = answer.status.and_then(|status| status.token).expect("a token in the answer");

    let mut config = control_plane.config();
    config.auth_info = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
    let bearer = Client::try_from(config).expect("a client");
    let reviews: Api<SelfSubjectReview> = Api::all(bearer);
    let review = reviews.create(&Default::default(), &SelfSubjectReview::default()).await.expect("recognized");
    let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
    assert_eq!(user.as_deref(), Some("system:serviceaccount:default:default"));
}

/// Only the controller manager empties a namespace and takes its finalizer away.
async fn namespaces_are_deleted(client: &Client) {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some("short-lived".into());
    namespaces.create(&Default::default(), &namespace).await.expect("created");
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "short-lived");
    maps.create(&Default::default(), &config_map("inside")).await.expect("created");
    namespaces.delete("short-lived", &Default::default()).await.expect("deleted");
    eventually("the namespace is gone", async || namespaces.get_opt("short-lived").await.expect("an answer").is_none())
        .await;
}

/// Not a test: with the variable set, the process that another test kills.
#[tokio::test(flavor = "multi_thread")]
async fn owner_process() {
    if env::var_os(OWNER).is_none() {
        return;
    }
    let options = Options { controller_manager: true, ..Options::default() };
    let control_plane = ControlPlane::start(options).await.expect("started");
    println!("\n{DIRECTORY}{}", control_plane.directory().display());
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_owner_leaves_nothing() {
    let (mut owner, directory) = spawn_owner();
    for name in ["etcd", "kube-apiserver", "kube-controller-manager"] {
        // The controller manager is not waited for by its owner.
        eventually(name, async || pid_of(&directory, name).is_some()).await;
    }
    owner.kill().expect("killed");
    owner.wait().expect("reaped");
    eventually("all processes and files of the control plane are gone", async || {
        processes_of(&directory).is_empty() && !directory.exists()
    })
    .await;
}

/// This test binary again, as the owner of a control plane that is ready, and that one's directory.
fn spawn_owner() -> (Child, PathBuf) {
    let mut owner = Command::new(env::current_exe().expect("this test binary"))
        .args(["--exact", "cluster::control_plane::owner_process", "--nocapture"])
        .env(OWNER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawned");
    let mut lines = BufReader::new(owner.stdout.take().expect("a pipe")).lines();
    let directory = lines.find_map(|line| line.expect("text").strip_prefix(DIRECTORY).map(PathBuf::from));
    (owner, directory.expect("the owner tells its directory"))
}

/// The command lines of all processes that mention `directory`.
pub fn processes_of(directory: &Path) -> Vec<String> {
    running_in(directory).into_iter().map(|(_, command)| command).collect()
}

/// The ids and command lines of all processes that mention `directory`.
fn running_in(directory: &Path) -> Vec<(String, String)> {
    let directory = directory.to_str().expect("a printable path");
    let all = if Path::new("/proc/self/cmdline").exists() { command_lines_of_proc() } else { command_lines_of_ps() };
    all.into_iter().filter(|(_, command)| command.contains(directory)).collect()
}

/// The id of a program of a control plane, where it runs; the shells around it are not it.
fn pid_of(directory: &Path, name: &str) -> Option<String> {
    let is_it = |command: &str| command.split(' ').next().is_some_and(|program| Path::new(program).ends_with(name));
    running_in(directory).into_iter().find(|(_, command)| is_it(command)).map(|(pid, _)| pid)
}

fn command_lines_of_proc() -> Vec<(String, String)> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    // A process that ends meanwhile has no command line any more.
    let command = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace('\0', " ");
    entries
        .filter_map(|entry| {
            let bytes = std::fs::read(entry.path().join("cmdline")).ok()?;
            Some((entry.file_name().into_string().ok()?, command(bytes)))
        })
        .collect()
}

fn command_lines_of_ps() -> Vec<(String, String)> {
    let output = Command::new("ps").args(["-axww", "-o", "pid=", "-o", "args="]).output().expect("ps");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let parts = text.lines().filter_map(|line| line.trim_start().split_once(' '));
    parts.map(|(pid, command)| (pid.to_owned(), command.trim_start().to_owned())).collect()
}
