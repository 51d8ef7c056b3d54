//! A world of real parts: a kube-apiserver, an Atlas behind a socket, and the operator's own binary as a process.
//!
//! One control plane serves most tests, each in a namespace of its own; an Atlas is made for each.

use super::fields;
use super::shown::Shown;
pub use super::{manifests::*, plane::*, process::Operator, shown::no_secret_in};
pub use crate::harness::world::{CLIENT_ID, CLIENT_SECRET, KEY, PRIVATE, PUBLIC};
use atlas_privatelink_operator::{
    api::Standing,
    clock::Clock,
    testbed::{
        control_plane::Launch,
        simulator::{self, Change, Ledger, Operation, Secret, Simulator},
    },
};
use http::Method;
use kube::Client;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How a world is to be.
pub struct Nature {
    pub plane: Plane,
    pub atlas: simulator::Settings,
    pub dialect: &'static str,
    pub poll: &'static str,
    pub resync: &'static str,
}

impl Default for Nature {
    fn default() -> Self {
        Self {
            plane: SHARED.clone(),
            atlas: simulator::Settings {
                time_scale: 150.0,
                api_keys: vec![Secret::new(PUBLIC, PRIVATE)],
                service_accounts: vec![Secret::new(CLIENT_ID, CLIENT_SECRET)],
                ..simulator::Settings::default()
            },
            dialect: "v2",
            poll: "200ms",
            resync: "15m",
        }
    }
}

/// A namespace, an Atlas, and the operators between them.
pub struct World {
    pub client: Client,
    pub atlas: Simulator,
    pub namespace: String,
    pub nature: Nature,
    pub base_url: String,
    /// What operators have sent that tells a secret.
    pub shown: Shown,
    directory: TempDir,
    operators: AtomicUsize,
    _serving: DropGuard,
}

impl World {
    pub async fn new(nature: Nature) -> Self {
        let client = Client::try_from(nature.plane.config.clone()).expect("a client");
        let atlas = Simulator::new(nature.atlas.clone(), Clock::system());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let base_url = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        let (serving, until) = (atlas.clone(), stop.clone());
        tokio::spawn(async move { serving.serve(listener, until).await });
        let directory = tempfile::tempdir().expect("a directory");
        let (namespace, operators) = (fresh("test"), AtomicUsize::new(0));
        let world = Self {
            client,
            atlas,
            namespace,
            nature,
            base_url,
            shown: Shown::default(),
            directory,
            operators,
            _serving: stop.drop_guard(),
        };
        world.create_namespace(&world.namespace).await;
        world
    }

    /// The same Atlas seen from another cluster.
    pub async fn beside(&self, plane: Plane) -> Self {
        let client = Client::try_from(plane.config.clone()).expect("a client");
        let nature = Nature { plane, atlas: self.nature.atlas.clone(), ..self.nature };
        let world = Self {
            client,
            atlas: self.atlas.clone(),
            namespace: fresh("beside"),
            nature,
            base_url: self.base_url.clone(),
            shown: self.shown.clone(),
            directory: tempfile::tempdir().expect("a directory"),
            operators: AtomicUsize::new(0),
            _serving: CancellationToken::new().drop_guard(),
        };
        world.create_namespace(&world.namespace).await;
        world
    }

    pub async fn create_namespace(&self, name: &str) {
        let body = json!({"metadata": {"name": name}});
        self.send(Method::POST, "/api/v1/namespaces", JSON, &body).await.expect("a namespace");
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Value, kube::Error> {
        send(&self.client, method, path, content_type, body).await
    }

    /// Starts an operator for this world's namespace.
    pub fn start(&self) -> Operator {
        self.start_in(&[&self.namespace])
    }

    /// Starts an operator for these namespaces.
    pub fn start_in(&self, namespaces: &[&str]) -> Operator {
        self.start_with(namespaces, &[])
    }

    /// Starts an operator for these namespaces, with more arguments.
    pub fn start_with(&self, namespaces: &[&str], more: &[&str]) -> Operator {
        let mut arguments = self.arguments(namespaces);
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        self.launch(&arguments, &[])
    }

    /// The flags of an operator of this world.
    pub fn arguments(&self, namespaces: &[&str]) -> Vec<String> {
        let mut arguments: Vec<_> = namespaces.iter().flat_map(|namespace| ["--namespace", namespace]).collect();
        arguments.extend(["--atlas-base-url", &self.base_url, "--atlas-api-version", self.nature.dialect]);
        arguments.extend(["--poll-interval", self.nature.poll, "--resync-interval", self.nature.resync]);
        arguments.extend(["--http-listen", "127.0.0.1:0", "--log-format", "json", "--log-level", "trace"]);
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// Starts an operator with these flags of `run`, and these variables.
    pub fn launch(&self, arguments: &[String], variables: &[(&str, &str)]) -> Operator {
        self.launch_by(&[env!("CARGO_BIN_EXE_atlas-privatelink-operator")], arguments, variables)
    }

    /// The same, by a command that becomes the operator.
    pub fn launch_by(&self, command: &[&str], arguments: &[String], variables: &[(&str, &str)]) -> Operator {
        let number = self.operators.fetch_add(1, Ordering::SeqCst);
        let file = |name: &str| self.directory.path().join(format!("{name}-{number}"));
        let (log, pid) = (file("log"), file("pid"));
        // The shell tells its id and becomes the operator, so that a test can send it a signal.
        let script = format!("echo $$ > '{}'; exec \"$@\"", pid.display());
        let launch = Launch::new("/bin/sh")
            .args(["-c", &script, "operator"])
            .args(command)
            .args(["run"])
            .args(arguments)
            .env("KUBECONFIG", &self.nature.plane.kubeconfig)
            .env("RUST_BACKTRACE", "1");
        let launch = variables.iter().fold(launch, |launch, (name, value)| launch.env(name, value));
        let process = launch.log_to(&log).expect("started");
        Operator { process, log, pid, address: OnceLock::new() }
    }

    fn path(&self, namespace: &str, plural: &str) -> String {
        let group = match plural {
            LINKS | ENDPOINTS => "apis/atlas.privatelink.dev/v1alpha1",
            _ => "api/v1",
        };
        format!("/{group}/namespaces/{namespace}/{plural}")
    }

    /// Server-side apply into a namespace.
    pub async fn apply_in(&self, namespace: &str, object: &Value) -> Value {
        let plural = plural_of(object);
        let name = object["metadata"]["name"].as_str().expect("a name");
        let path = format!("{}/{name}?fieldManager={MANAGER}&force=true", self.path(namespace, plural));
        self.send(Method::PATCH, &path, APPLY, object).await.expect("applied")
    }

    pub async fn apply(&self, object: &Value) -> Value {
        self.apply_in(&self.namespace, object).await
    }

    pub async fn create(&self, object: &Value) -> Result<Value, kube::Error> {
        self.send(Method::POST, &self.path(&self.namespace, plural_of(object)), JSON, object).await
    }

    pub async fn merge(&self, plural: &str, name: &str, patch: &Value) -> Result<Value, kube::Error> {
        self.merge_in(&self.namespace, plural, name, patch).await
    }

    /// `name` may be followed by `/status`, or by a query.
    pub async fn merge_in(
        &self,
        namespace: &str,
        plural: &str,
        name: &str,
        patch: &Value,
    ) -> Result<Value, kube::Error> {
        self.send(Method::PATCH, &format!("{}/{name}", self.path(namespace, plural)), MERGE, patch).await
    }

    pub async fn get_in(&self, namespace: &str, plural: &str, name: &str) -> Option<Value> {
        found(self.send(Method::GET, &format!("{}/{name}", self.path(namespace, plural)), JSON, &Value::Null).await)
    }

    pub async fn get(&self, plural: &str, name: &str) -> Option<Value> {
        self.get_in(&self.namespace, plural, name).await
    }

    pub async fn list_in(&self, namespace: &str, plural: &str) -> Vec<Value> {
        let list = self.send(Method::GET, &self.path(namespace, plural), JSON, &Value::Null).await.expect("a list");
        list["items"].as_array().cloned().unwrap_or_default()
    }

    pub async fn list(&self, plural: &str) -> Vec<Value> {
        self.list_in(&self.namespace, plural).await
    }

    pub async fn delete_in(&self, namespace: &str, plural: &str, name: &str) {
        found(self.send(Method::DELETE, &format!("{}/{name}", self.path(namespace, plural)), JSON, &Value::Null).await);
    }

    pub async fn delete(&self, plural: &str, name: &str) {
        self.delete_in(&self.namespace, plural, name).await;
    }

    pub async fn delete_namespace(&self, name: &str) {
        let path = format!("/api/v1/namespaces/{name}");
        found(self.send(Method::DELETE, &path, JSON, &Value::Null).await);
    }

    pub async fn namespace_is_gone(&self, name: &str) -> bool {
        let path = format!("/api/v1/namespaces/{name}");
        found(self.send(Method::GET, &path, JSON, &Value::Null).await).is_none()
    }

    /// The Secret that the manifests name.
    pub async fn credentials(&self) {
        self.apply(&secret(&KEY)).await;
    }

    /// Waits until `condition` holds; a failure shows everything.
    pub async fn until(&self, within: Duration, what: &str, mut condition: impl AsyncFnMut(&Self) -> bool) {
        let deadline = Instant::now() + within;
        while !condition(self).await {
            if Instant::now() > deadline {
                panic!("not within {within:?}: {what}\n{}", self.picture().await);
            }
            tokio::time::sleep(FRAME).await;
        }
    }

    /// Waits until an object has this verdict.
    pub async fn until_says(&self, plural: &str, name: &str, standing: Standing, reason: &str) -> Value {
        let what = format!("{name} is {standing:?} ({reason})");
        self.until_is(plural, name, &what, |object| says(object, standing, reason)).await
    }

    /// Waits until an object is as it should be, and gives it as it was then.
    pub async fn until_is(&self, plural: &str, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut seen = None;
        self.until(SOON, what, async |world: &Self| {
            seen = world.get(plural, name).await.filter(&is_so);
            seen.is_some()
        })
        .await;
        seen.expect("it was seen")
    }

    pub async fn until_ready(&self, plural: &str, name: &str) -> Value {
        self.until_says(plural, name, Standing::Ready, "Available").await
    }

    pub async fn until_gone(&self, plural: &str, name: &str) {
        self.until(SOON, &format!("{name} is gone"), async |world: &Self| world.get(plural, name).await.is_none())
            .await;
    }

    pub fn change(&self, change: Change) -> Option<String> {
        self.atlas.change(change).expect("changed")
    }

    pub fn ledger(&self) -> Ledger {
        self.atlas.ledger()
    }

    pub fn calls(&self, operation: Operation) -> usize {
        self.atlas.with_ledger(|ledger| ledger.count(operation))
    }

    /// All requests of a project so far, those that were only challenged included.
    pub fn requests_of(&self, project: &str) -> usize {
        let mine = |entry: &simulator::Entry| entry.request().is_some_and(|request| request.path.contains(project));
        self.atlas.with_ledger(|ledger| ledger.iter().filter(|entry| mine(entry)).count())
    }

    /// The services that stand in Atlas.
    pub fn services(&self) -> Vec<Value> {
        self.atlas.state()["services"].as_array().cloned().unwrap_or_default()
    }

    pub fn nothing_is_left(&self) {
        let services = self.services();
        assert!(services.is_empty(), "left in Atlas: {services:#?}");
    }

    /// Where files of this world may be put.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the kubeconfig is of an operator that is not the administrator.
    pub fn kubeconfig_of_the_operator(&self) -> PathBuf {
        self.directory().join("kubeconfig-of-the-operator")
    }

    pub fn logs(&self) -> Vec<PathBuf> {
        let count = self.operators.load(Ordering::SeqCst);
        (0..count).map(|number| self.directory.path().join(format!("log-{number}"))).collect()
    }

    /// Everything, for the message of a test that fails.
    pub async fn picture(&self) -> String {
        let mut picture = String::new();
        for plural in [LINKS, ENDPOINTS] {
            for object in self.list(plural).await {
                let metadata = fields(&object["metadata"], &["name", "generation", "finalizers", "annotations"]);
                picture.push_str(&format!("{metadata} {} {}\n", object["spec"], object["status"]));
            }
        }
        for log in self.logs() {
            let lines = telling(&log);
            picture.push_str(&format!("{}:\n{}\n", log.display(), lines[lines.len().saturating_sub(40)..].join("\n")));
        }
        format!("{picture}\nAtlas: {:#}", self.atlas.state())
    }
}

/// The lines of a log that are not only traces.
fn telling(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().filter(|line| !line.contains(r#""level":"TRACE""#)).map(str::to_owned).collect()
}

/// A name that nobody had before.
pub fn fresh(prefix: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{prefix}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst))
}

fn found<T>(result: Result<T, kube::Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(kube::Error::Api(status)) if status.is_not_found() => None,
        Err(error) => panic!("{error}"),
    }
}
