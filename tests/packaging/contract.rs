//! The deployed contract: what the chart deploys does the whole life of both kinds with the rights that it is given, and
//! each of them is needed.

use super::{
    deployed::Deployed,
    rights::{AUDIT_POLICY, Account, forbidden, used},
};
use crate::cluster::*;
use atlas_privatelink_operator::testbed::control_plane::{ControlPlane, Options};
use http::Method;
use kube::{Client, config::Kubeconfig};
use serde_json::{Value, json};
use std::{net::TcpListener, path::Path};

const KEY: [(&str, &str); 2] = [("publicKey", PUBLIC), ("privateKey", PRIVATE)];

fn values(world: &World, namespaces: &[&str]) -> Value {
    // Free now, and nobody else here asks for a port by number.
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr()).expect("a port").port();
    json!({
        "namespaces": namespaces,
        "operator": {
            "atlasBaseUrl": world.base_url, "pollInterval": "200ms", "httpListen": format!("127.0.0.1:{port}"),
        },
    })
}

async fn status_of(url: &str) -> Option<u16> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    client.get(url).send().await.ok().map(|answer| answer.status().as_u16())
}

/// From the first manifest to the last deletion, with a replaced endpoint between them.
async fn whole_life(world: &World) {
    world.apply(&secret(&KEY)).await;
    world.apply(&link("orders")).await;
    world.apply(&endpoint_from("a", "orders", "vpc-a", "id")).await;
    world.apply(&config_map("vpc-a", "id", VPCE)).await;
    world.until_ready(LINKS, "orders").await;
    world.until_ready(ENDPOINTS, "a").await;
    let edited = endpoint("a", "orders", &vpce(1));
    world.apply(&edited).await;
    world
        .until(SOON, "the other endpoint is attached", async |world: &World| {
            let ready = world.get(ENDPOINTS, "a").await.filter(is_ready);
            ready.is_some_and(|endpoint| {
                endpoint["status"]["interfaceEndpointId"] == vpce(1) && endpoint["status"]["retiring"].is_null()
            })
        })
        .await;
    world.delete(ENDPOINTS, "a").await;
    world.until_gone(ENDPOINTS, "a").await;
    world.delete(LINKS, "orders").await;
    world.until_gone(LINKS, "orders").await;
    world.nothing_is_left();
}

/// The verbs used are the verbs granted.
async fn uses_what_it_has(control_plane: &ControlPlane, world: &World, account: Account<'_>) {
    let granted = account.granted(world).await;
    assert!(granted.len() > 10, "{granted:?}");
    let events = || account.events(&control_plane.audit_log().events().expect("the audit log"));
    // The next sign of life on the Lease is due in a moment.
    world
        .until(SOON, "every right is used", async |_: &World| {
            let unused: Vec<_> = granted.difference(&used(&events())).cloned().collect();
            println!("not used yet: {unused:?}");
            unused.is_empty()
        })
        .await;
    let events = events();
    assert_eq!(used(&events), granted);
    assert_eq!(forbidden(&events), Vec::<&Value>::new());
}

/// Another namespace is looked after, too.
async fn short_life(world: &World, namespace: &str) {
    world.apply_in(namespace, &link("there")).await;
    let now = async |world: &World| world.get_in(namespace, LINKS, "there").await;
    world
        .until(SOON, "the other link is Ready", async |world: &World| {
            now(world).await.is_some_and(|link| is_ready(&link))
        })
        .await;
    world.delete_in(namespace, LINKS, "there").await;
    world.until(SOON, "the other link is gone", async |world: &World| now(world).await.is_none()).await;
}

async fn runs_as_deployed(control_plane: &ControlPlane, deployed: &Deployed<'_>, others: &[&str]) {
    let world = deployed.world;
    let kubeconfig = deployed.kubeconfig().await;
    let operator = deployed.start(&kubeconfig);
    let ready = deployed.probe_url("readinessProbe");
    until(SOON, "it is ready", async || status_of(&ready).await == Some(200)).await;
    assert_eq!(status_of(&deployed.probe_url("livenessProbe")).await, Some(200));
    let test = deployed.helm_test("60s");
    assert!(test.status.success(), "{test:?}");
    whole_life(world).await;
    for namespace in others {
        short_life(world, namespace).await;
    }
    uses_what_it_has(control_plane, world, deployed.account()).await;
    operator.stop().await;
    let test = deployed.helm_test("0s");
    assert!(!test.status.success(), "{test:?}");
    assert!(!deployed.log().contains("panicked"), "{}", deployed.log());
    no_secret_in("the log", &deployed.log());
}

/// What the API server answers the ServiceAccount.
async fn code_of(kubeconfig: &Path, path: &str) -> u16 {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.expect("usable");
    config.proxy_url = None;
    let client = Client::try_from(config).expect("a client");
    match send(&client, Method::GET, path, JSON, &Value::Null).await {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rights_are_those_that_are_used() {
    let _turn = ONE_MORE_CONTROL_PLANE.lock().await;
    let options = Options { audit_policy: Some(AUDIT_POLICY.to_owned()), ..Options::default() };
    let control_plane = ControlPlane::start(options).await.expect("started");
    cluster_wide(&control_plane).await;
    two_namespaces(&control_plane).await;
    control_plane.stop().await.expect("stopped");
}

async fn cluster_wide(control_plane: &ControlPlane) {
    let world = World::new(Nature { plane: Plane::of(control_plane), ..Nature::default() }).await;
    let deployed = Deployed::install(&world, &values(&world, &[])).await;
    runs_as_deployed(control_plane, &deployed, &[]).await;
    // It reads by name what a resource names, and cannot find out what else there is.
    let account = deployed.kubeconfig().await;
    for path in ["/api/v1/secrets", "/api/v1/namespaces/kube-system/secrets", "/api/v1/secrets?watch=true"] {
        assert_eq!(code_of(&account, path).await, 403, "{path}");
    }
}

async fn two_namespaces(control_plane: &ControlPlane) {
    let world = World::new(Nature { plane: Plane::of(control_plane), ..Nature::default() }).await;
    let (second, others) = (fresh("second"), fresh("others"));
    for namespace in [&second, &others] {
        world.create_namespace(namespace).await;
        world.apply_in(namespace, &secret(&KEY)).await;
    }
    let deployed = Deployed::install(&world, &values(&world, &[&world.namespace, &second])).await;
    for plural in ["clusterroles", "clusterrolebindings"] {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/{plural}");
        let all = world.send(Method::GET, &path, JSON, &Value::Null).await.expect("a list").to_string();
        assert!(!all.contains(&deployed.namespace), "{plural}");
    }
    runs_as_deployed(control_plane, &deployed, &[&second]).await;

    let account = deployed.kubeconfig().await;
    let secret = |namespace: &str| format!("/api/v1/namespaces/{namespace}/secrets/atlas-credentials");
    assert_eq!(code_of(&account, &secret(&world.namespace)).await, 200);
    assert_eq!(code_of(&account, &secret(&second)).await, 200);
    assert_eq!(code_of(&account, &secret(&others)).await, 403, "another namespace's Secret");
    assert_eq!(code_of(&account, &secret(&deployed.namespace)).await, 403, "its own namespace's Secret");
    let namespace = &world.namespace;
    for path in ["/api/v1/secrets".to_owned(), format!("/api/v1/namespaces/{namespace}/secrets")] {
        assert_eq!(code_of(&account, &path).await, 403, "{path}");
    }
    let lease = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/atlas-privatelink-operator");
    assert_eq!(code_of(&account, &lease).await, 403, "a Lease elsewhere");
}
