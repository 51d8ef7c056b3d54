//! How the API server is asked here, beside what `World` does.

use crate::cluster::*;
use http::Method;
use serde_json::{Value, json};

/// Where an object is: in its own namespace, else in this one, else in none.
pub fn path_of(object: &Value, namespace: Option<&str>) -> String {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let group = match text(&object["apiVersion"]).as_str() {
        "v1" => "api/v1".to_owned(),
        version => format!("apis/{version}"),
    };
    let namespace = object["metadata"]["namespace"].as_str().or(namespace);
    let scope = namespace.map(|name| format!("/namespaces/{name}")).unwrap_or_default();
    format!("/{group}{scope}/{}s/{}", text(&object["kind"]).to_lowercase(), text(&object["metadata"]["name"]))
}

/// Server-side apply of any object, as this manager.
pub async fn apply_as(world: &World, manager: &str, object: &Value, namespace: Option<&str>) {
    let path = format!("{}?fieldManager={manager}&force=true", path_of(object, namespace));
    world.send(Method::PATCH, &path, APPLY, object).await.unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// A kubeconfig with a token of a ServiceAccount, in its namespace.
pub async fn kubeconfig_of(world: &World, namespace: &str, account: &str) -> Value {
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let answer = world.send(Method::POST, &path, JSON, &request).await.expect("a token");
    let admin = std::fs::read_to_string(&world.nature.plane.kubeconfig).expect("a kubeconfig");
    let mut kubeconfig: Value = serde_saphyr::from_str(&admin).expect("YAML");
    kubeconfig["users"][0]["user"] = json!({"token": answer["status"]["token"]});
    kubeconfig["contexts"][0]["context"]["namespace"] = json!(namespace);
    kubeconfig
}

/// The texts in a list.
pub fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}
