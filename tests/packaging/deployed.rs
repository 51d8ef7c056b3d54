//! What Helm installed, run without a kubelet: the container's command line and environment, and nothing else, with a
//! token of its ServiceAccount.

use super::{
    helm::{Helm, chart, objects},
    requests::{kubeconfig_of, texts},
    rights::Account,
};
use crate::cluster::*;
use atlas_privatelink_operator::testbed::control_plane::{Guarded, Launch};
use http::Method;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

pub const BINARY: &str = env!("CARGO_BIN_EXE_atlas-privatelink-operator");
const RELEASE: &str = "atlas-privatelink-operator";

/// A release in a cluster.
pub struct Deployed<'a> {
    pub world: &'a World,
    pub namespace: String,
    pod: Value,
    hook: Value,
    service: Value,
    directory: tempfile::TempDir,
}

impl<'a> Deployed<'a> {
    /// Installs the chart into a new namespace, and reads back what the API server made of it.
    pub async fn install(world: &'a World, values: &Value) -> Self {
        let (helm, namespace) = (Helm::of(&world.nature.plane.kubeconfig), fresh("operators"));
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("values.yaml");
        std::fs::write(&file, values.to_string()).expect("written");
        let (chart, file) = (chart(), file.to_str().expect("text").to_owned());
        let place = ["--namespace", &namespace, "--create-namespace", "--take-ownership", "--values", &file];
        helm.run(&[&["install", RELEASE, chart.to_str().expect("text")][..], &place].concat()).expect("installed");
        let hooks = helm.run(&["get", "hooks", RELEASE, "--namespace", &namespace]).expect("hooks");
        let read = async |group: &str, plural: &str| {
            let path = format!("/{group}/namespaces/{namespace}/{plural}/{RELEASE}");
            world.send(Method::GET, &path, JSON, &Value::Null).await.expect(plural)
        };
        let pod = read("apis/apps/v1", "deployments").await["spec"]["template"]["spec"].take();
        let service = read("api/v1", "services").await;
        Self { world, namespace, pod, hook: objects(&hooks).expect("YAML").remove(0), service, directory }
    }

    fn container(&self) -> &Value {
        &self.pod["containers"][0]
    }

    pub fn account(&self) -> Account<'_> {
        Account { namespace: &self.namespace, name: self.pod["serviceAccountName"].as_str().expect("a name") }
    }

    /// How its ServiceAccount reaches the API server.
    pub async fn kubeconfig(&self) -> PathBuf {
        let Account { namespace, name } = self.account();
        let kubeconfig = kubeconfig_of(self.world, namespace, name).await;
        let file = self.directory.path().join("kubeconfig");
        std::fs::write(&file, kubeconfig.to_string()).expect("written");
        file
    }

    /// The container's process. A kubelet would give it its token in a volume; here it is in a kubeconfig.
    pub fn start(&self, kubeconfig: &Path) -> Guarded {
        let environment = self.container()["env"].as_array().expect("env").iter().map(|variable| {
            let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                Some("metadata.name") => "operator-0",
                Some("metadata.namespace") => self.namespace.as_str(),
                Some(other) => panic!("no Pod, no {other}"),
                None => variable["value"].as_str().expect("a value"),
            };
            format!("{}={value}", variable["name"].as_str().expect("a name"))
        });
        Launch::new("/usr/bin/env")
            .args(["-i", "HOSTNAME=operator-0", &format!("KUBECONFIG={}", kubeconfig.display())])
            .args(environment)
            .args([BINARY])
            .args(texts(&self.container()["args"]))
            .grace(Duration::from_secs(self.pod["terminationGracePeriodSeconds"].as_u64().expect("seconds")))
            .log_to(&self.log_file())
            .expect("started")
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// What the kubelet would ask: the path and port of a probe.
    pub fn probe_url(&self, probe: &str) -> String {
        let get = &self.container()[probe]["httpGet"];
        let named = |port: &&Value| port["name"] == get["port"];
        let port = self.container()["ports"].as_array().expect("ports").iter().find(named).expect("its port");
        format!("http://127.0.0.1:{}{}", port["containerPort"], get["path"].as_str().expect("a path"))
    }

    /// The command of `helm test`, as a process. There is no DNS and no Service here, so it is given the address.
    pub fn helm_test(&self, timeout: &str) -> Output {
        let url = self.probe_url("readinessProbe");
        let of_service =
            format!("http://{RELEASE}.{}.svc:{}/", self.namespace, self.service["spec"]["ports"][0]["port"]);
        let arguments = texts(&self.hook["spec"]["containers"][0]["args"]).map(|argument| {
            let is_url = argument.starts_with(&of_service);
            let is_timeout = argument.starts_with("--timeout=");
            if is_url {
                url.clone()
            } else if is_timeout {
                format!("--timeout={timeout}")
            } else {
                argument.to_owned()
            }
        });
        let arguments: Vec<String> = arguments.collect();
        assert!(arguments.contains(&url), "the test asks elsewhere: {arguments:?}");
        Command::new(BINARY).args(arguments).output().expect("ran")
    }
}
