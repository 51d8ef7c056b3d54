//! The control plane that tests share, and how it is asked.

use super::{
    audit::POLICY,
    manifests::{ENDPOINTS, LINKS},
};
use atlas_privatelink_operator::{
    api::crds,
    testbed::control_plane::{AuditLog, ControlPlane, Options},
};
use http::{Method, Request, header};
use kube::Client;
use serde_json::Value;
use std::{
    path::PathBuf,
    sync::{LazyLock, mpsc},
    time::{Duration, Instant},
};

/// Who applies in these tests; everything else is the operator.
pub const MANAGER: &str = "kubectl";

/// Long enough for a slow and busy machine; what waits for it fails a test only when something never comes.
pub const SOON: Duration = Duration::from_secs(300);
pub const FRAME: Duration = Duration::from_millis(50);

/// One control plane is 350 MB: beside the shared one, one at a time.
pub static ONE_MORE_CONTROL_PLANE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// How to reach a control plane from any runtime.
#[derive(Clone)]
pub struct Plane {
    pub config: kube::Config,
    pub kubeconfig: PathBuf,
    pub audit: AuditLog,
}

impl Plane {
    pub fn of(control_plane: &ControlPlane) -> Self {
        Self {
            config: control_plane.config(),
            kubeconfig: control_plane.kubeconfig_path(),
            audit: control_plane.audit_log(),
        }
    }
}

/// The control plane that tests share. It runs on a thread of its own until this process ends, and then its
/// supervisors end it.
pub static SHARED: LazyLock<Plane> = LazyLock::new(|| {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let options = Options { controller_manager: true, audit_policy: Some(POLICY.to_owned()) };
            let control_plane = ControlPlane::start(options).await.expect("started");
            let plane = Plane::of(&control_plane);
            define(&control_plane.client()).await;
            sender.send(plane).expect("somebody waits for it");
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().expect("a control plane")
});

/// Applies the CustomResourceDefinitions, and waits until both kinds are served.
pub async fn define(client: &Client) {
    for crd in crds::all() {
        let value = serde_json::to_value(&crd).expect("JSON");
        let name = crd.metadata.name.expect("a name");
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        send(client, Method::PATCH, &format!("{path}?fieldManager={MANAGER}&force=true"), APPLY, &value)
            .await
            .expect("the definition is taken");
    }
    const GROUP: &str = "/apis/atlas.privatelink.dev/v1alpha1";
    for plural in [LINKS, ENDPOINTS] {
        let path = format!("{GROUP}/{plural}");
        until(SOON, plural, async || send(client, Method::GET, &path, JSON, &Value::Null).await.is_ok()).await;
        // Discovery learns of a definition by itself, and maybe later.
        until(SOON, "discovery", async || {
            let found = send(client, Method::GET, GROUP, JSON, &Value::Null).await.unwrap_or_default();
            found["resources"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == *plural))
        })
        .await;
    }
}

pub const JSON: &str = "application/json";
pub const MERGE: &str = "application/merge-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

/// One request of the API server, made again while it is too busy to take it.
pub async fn send(
    client: &Client,
    method: Method,
    path: &str,
    content_type: &str,
    body: &Value,
) -> Result<Value, kube::Error> {
    let deadline = Instant::now() + SOON;
    loop {
        match send_once(client, method.clone(), path, content_type, body).await {
            Err(kube::Error::Api(status)) if is_overload(status.code) && Instant::now() < deadline => {
                tokio::time::sleep(FRAME).await;
            }
            result => return result,
        }
    }
}

/// 504 is the API server's word for an etcd that took too long.
fn is_overload(code: u16) -> bool {
    matches!(code, 429 | 503 | 504)
}

async fn send_once(
    client: &Client,
    method: Method,
    path: &str,
    content_type: &str,
    body: &Value,
) -> Result<Value, kube::Error> {
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::USER_AGENT, format!("{MANAGER}/1"))
        .body(bytes)
        .expect("a request");
    client.request(request).await
}

/// Waits until `condition` holds.
pub async fn until(within: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !condition().await {
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        tokio::time::sleep(FRAME).await;
    }
}
