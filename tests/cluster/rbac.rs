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

/// A ServiceAccount in the namespace `home` with the rights of the README, and a kubeconfig with a token of it.
async fn account(world: &World, home: &str, scope: Scope) -> Account {
    let name = fresh("operator");
    let metadata = json!({ "name": name });
    post(world, &format!("/api/v1/namespaces/{home}/serviceaccounts"), json!({ "metadata": metadata })).await;
    let rules: Vec<_> = rules()
        .into_iter()
        .map(|(group, resources, verbs)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs}))
        .collect();
    post(world, &format!("{RBAC}/clusterroles"), json!({"metadata": metadata, "rules": rules})).await;
    let account = Account { user: format!("system:serviceaccount:{home}:{name}"), name, home: home.to_owned() };
    account.bind(world, scope).await;
    account
}

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

async fn post(world: &World, path: &str, body: Value) -> Value {
    world.send(Method::POST, path, JSON, &body).await.expect("taken")
}

struct Account {
    user: String,
    name: String,
    home: String,
}

impl Account {
    /// Where it has its rights in the world's namespace.
    fn binding(world: &World) -> String {
        format!("{RBAC}/namespaces/{}/rolebindings", world.namespace)
    }

    async fn bind(&self, world: &World, scope: Scope) {
        let bindings = match scope {
            Scope::Cluster => format!("{RBAC}/clusterrolebindings"),
            Scope::Namespace => Self::binding(world),
        };
        let Self { name, home, .. } = self;
        let binding = json!({
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": home}],
        });
        post(world, &bindings, binding).await;
    }

    async fn kubeconfig(&self, world: &World) -> PathBuf {
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/{}/token", self.home, self.name);
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        with_token(world, post(world, &path, request).await["status"]["token"].as_str().expect("a token"))
    }
}

/// The administrator's kubeconfig, with another token.
fn with_token(world: &World, token: &str) -> PathBuf {
    let text = std::fs::read_to_string(&world.nature.plane.kubeconfig).expect("a kubeconfig");
    let line = |line: &str| match line.split_once("token: ") {
        Some((indent, _)) => format!("{indent}token: {token}\n"),
        None => format!("{line}\n"),
    };
    let path = world.kubeconfig_of_the_operator();
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
    let account = account(world, &world.namespace, scope).await;
    let (user, kubeconfig) = (&account.user, account.kubeconfig(world).await);
    let namespaces: &[&str] = match scope {
        Scope::Cluster => &[],
        Scope::Namespace => &[&world.namespace],
    };
    let kubeconfig = kubeconfig.to_str().expect("a printable path");
    let operator = world.launch(&world.arguments(namespaces), &[("KUBECONFIG", kubeconfig)]);
    whole_life(world).await;
    assert!(operator.terminate().await.success());
    let mut calls = calls(&world.nature.plane.audit, user);
    calls.retain(|call| call.user == *user);
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

/// Rights that stand in a namespace are deleted with it, as a rule before Atlas is done. Given again for the whole cluster,
/// as the README says, they let the operator end what it began, by the Secret that it remembers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_that_took_the_rights_with_it_goes_once_they_are_given_again() {
    let world = World::new(Nature::default()).await;
    let home = fresh("home");
    world.create_namespace(&home).await;
    let account = account(&world, &home, Scope::Namespace).await;
    let kubeconfig = account.kubeconfig(&world).await;
    let kubeconfig = kubeconfig.to_str().expect("a printable path");
    let _operator = world.launch(&world.arguments(&[&world.namespace]), &[("KUBECONFIG", kubeconfig)]);
    world.credentials().await;
    world.apply(&link("orders")).await;
    world.apply(&endpoint("orders-a", "orders", VPCE)).await;
    world.until_ready(ENDPOINTS, "orders-a").await;
    let binding = format!("{}/{}", Account::binding(&world), account.name);
    world.send(Method::DELETE, &binding, JSON, &Value::Null).await.expect("deleted");
    world.delete_namespace(&world.namespace).await;
    world.until_gone(SECRETS, "atlas-credentials").await;
    assert!(!world.namespace_is_gone(&world.namespace).await, "nobody may take the finalizers away");
    account.bind(&world, Scope::Cluster).await;
    world
        .until(SOON, "the namespace is gone", async |world: &World| world.namespace_is_gone(&world.namespace).await)
        .await;
    world.nothing_is_left();
    world.delete_namespace(&home).await;
}
