//! The rights that the README lists are the rights that the operator uses: none is missing, none is too many.

use super::{
    audit::{Call, POLICY, calls},
    world::*,
};
use atlas_privatelink_operator::{
    api::Standing,
    testbed::{
        control_plane::{ControlPlane, Options},
        simulator::{Change, Operation},
    },
};
use http::Method;
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::PathBuf};

/// What the README says, to the letter; [`rules`] are the same for the API server.
const README: &str = "`get`, `list`, `watch`, `patch` of the two resources, `update` of their `status`, `get` of Secrets \
                      and ConfigMaps in the namespaces of the resources, `create` and `patch` of Events.";

const GROUP: &str = "atlas.privatelink.dev";
const STATUS: [&str; 2] = ["atlasprivatelinks/status", "atlasinterfaceendpoints/status"];

/// Each: API group, resources, verbs.
fn rules() -> Vec<(&'static str, Vec<&'static str>, Vec<&'static str>)> {
    vec![
        (GROUP, vec![LINKS, ENDPOINTS], vec!["get", "list", "watch", "patch"]),
        (GROUP, STATUS.into(), vec!["update"]),
        ("", vec![SECRETS, MAPS], vec!["get"]),
        ("events.k8s.io", vec![EVENTS], vec!["create", "patch"]),
    ]
}

fn granted() -> BTreeSet<(String, String)> {
    let mut granted = BTreeSet::new();
    for (group, resources, verbs) in rules() {
        for resource in resources {
            granted.extend(verbs.iter().map(|verb| ((*verb).to_owned(), format!("{group}/{resource}"))));
        }
    }
    granted
}

#[test]
fn the_readme_lists_these_rights() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(include_str!("../../README.md")).contains(&words(README)));
}

/// Where the rights hold.
#[derive(Clone, Copy)]
enum Scope {
    Cluster,
    Namespace,
}

/// A ServiceAccount with the rights of the README, and a kubeconfig with a token of it.
async fn account(world: &World, scope: Scope) -> (String, PathBuf) {
    let (name, namespace) = (fresh("operator"), &world.namespace);
    let post = async |path: &str, body: Value| world.send(Method::POST, path, JSON, &body).await.expect("taken");
    let metadata = json!({ "name": name });
    post(&format!("/api/v1/namespaces/{namespace}/serviceaccounts"), json!({ "metadata": metadata })).await;
    let rules: Vec<_> = rules()
        .into_iter()
        .map(|(group, resources, verbs)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs}))
        .collect();
    let rbac = "/apis/rbac.authorization.k8s.io/v1";
    post(&format!("{rbac}/clusterroles"), json!({"metadata": metadata, "rules": rules})).await;
    let bindings = match scope {
        Scope::Cluster => format!("{rbac}/clusterrolebindings"),
        Scope::Namespace => format!("{rbac}/namespaces/{namespace}/rolebindings"),
    };
    let binding = json!({
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    });
    post(&bindings, binding).await;
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let answer = post(&format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"), request).await;
    let kubeconfig = with_token(world, answer["status"]["token"].as_str().expect("a token"));
    (format!("system:serviceaccount:{namespace}:{name}"), kubeconfig)
}

/// The administrator's kubeconfig, with another token.
fn with_token(world: &World, token: &str) -> PathBuf {
    let text = std::fs::read_to_string(&world.nature.plane.kubeconfig).expect("a kubeconfig");
    let line = |line: &str| match line.split_once("token: ") {
        Some((indent, _)) => format!("{indent}token: {token}\n"),
        None => format!("{line}\n"),
    };
    let path = world.directory().join("kubeconfig-of-the-operator");
    std::fs::write(&path, text.lines().map(line).collect::<String>()).expect("written");
    path
}

/// Everything that happens to both kinds in a life, and then their end.
async fn whole_life(world: &World) {
    world.credentials().await;
    world.apply(&secret_named("of-somebody-else", &[("password", "x")])).await;
    world.apply(&link("orders")).await;
    world.apply(&endpoint_from("orders-a", "orders", "vpc-a", "id")).await;
    world.until_says(ENDPOINTS, "orders-a", Standing::Reconciling, "WaitingForEndpointId").await;
    world.apply(&config_map("vpc-a", "id", VPCE)).await;
    world.until_ready(ENDPOINTS, "orders-a").await;
    // The same news twice: an event is made, and then counted up.
    for adds in 2..=3 {
        let service = world.services()[0]["id"].as_str().expect("an id").to_owned();
        world.change(Change::DeleteEndpoint { project: PROJECT.into(), service, endpoint: VPCE.into() });
        world.until(SOON, "it is added again", async |world: &World| world.calls(Operation::AddEndpoint) == adds).await;
        world.until_ready(ENDPOINTS, "orders-a").await;
    }
    world.delete(LINKS, "orders").await;
    world.until_says(LINKS, "orders", Standing::Reconciling, "DeletionBlocked").await;
    world.delete(ENDPOINTS, "orders-a").await;
    world.until_gone(ENDPOINTS, "orders-a").await;
    world.until_gone(LINKS, "orders").await;
    world.nothing_is_left();
    world.always().await;
}

async fn life_with(world: &World, scope: Scope) -> Vec<Call> {
    let (user, kubeconfig) = account(world, scope).await;
    let namespaces: &[&str] = match scope {
        Scope::Cluster => &[],
        Scope::Namespace => &[&world.namespace],
    };
    let kubeconfig = kubeconfig.to_str().expect("a printable path");
    let operator = world.launch(&world.arguments(namespaces), &[("KUBECONFIG", kubeconfig)]);
    whole_life(world).await;
    assert!(operator.terminate().await.success());
    let mut calls = calls(&world.nature.plane.audit, &user);
    calls.retain(|call| call.user == user);
    calls
}

/// The oracle is the API server: it grants just these rights, and writes down what was asked of it.
fn judge(calls: &[Call], namespace: &str) {
    assert!(calls.iter().all(Call::is_operator), "somebody else uses its token");
    let refused: Vec<_> = calls.iter().filter(|call| [401, 403].contains(&call.code)).collect();
    assert!(refused.is_empty(), "refused: {refused:#?}");
    let used: BTreeSet<_> = calls.iter().map(|call| (call.verb.clone(), call.resource.clone())).collect();
    let granted = granted();
    let (unused, ungranted): (Vec<_>, Vec<_>) =
        (granted.difference(&used).collect(), used.difference(&granted).collect());
    assert!(unused.is_empty() && ungranted.is_empty(), "granted and not used: {unused:?}; not granted: {ungranted:?}");
    let secrets: BTreeSet<_> = calls
        .iter()
        .filter(|call| call.resource == "/secrets")
        .map(|call| (call.verb.as_str(), call.namespace.as_str(), call.name.as_str()))
        .collect();
    assert_eq!(secrets, BTreeSet::from([("get", namespace, "atlas-credentials")]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rights_of_the_readme_are_those_it_uses() {
    let _turn = ONE_MORE_CONTROL_PLANE.lock().await;
    let options = Options { audit_policy: Some(POLICY.to_owned()), ..Options::default() };
    let control_plane = ControlPlane::start(options).await.expect("started");
    define(&control_plane.client()).await;
    for scope in [Scope::Namespace, Scope::Cluster] {
        let nature = Nature { plane: Plane::of(&control_plane), resync: "1s", ..Nature::default() };
        let world = World::new(nature).await;
        let calls = life_with(&world, scope).await;
        judge(&calls, &world.namespace);
    }
    control_plane.stop().await.expect("stopped");
}
