//! What the server says of itself.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use super::{effect::Outcome, resource::ResourceType, store::Store};

/// The answer for a path that is no resource; none when there is nothing there.
pub(super) fn answer(store: &Store, path: &str) -> Option<Outcome> {
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let body = match segments.as_slice() {
        ["healthz" | "livez" | "readyz"] => return Some(Outcome::Text(StatusCode::OK, "ok")),
        ["version"] => version(),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            let groups: Vec<_> = versions(store, |group| !group.is_empty()).iter().map(group).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["apis", name] => group(versions(store, |group| group == *name).first()?),
        ["api", version] => resources(store, "", version)?,
        ["apis", group, version] => resources(store, group, version)?,
        _ => return None,
    };
    Some(Outcome::Object(StatusCode::OK, body))
}

fn version() -> Value {
    let texts = ["gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"];
    let mut version = json!({"major": "1", "minor": "36", "gitVersion": "v1.36.0"});
    for text in texts {
        version[text] = json!("in-process");
    }
    version
}

fn established(store: &Store) -> impl Iterator<Item = &ResourceType> {
    store.types.iter().filter(|row| store.is_established(row))
}

fn versions(store: &Store, wanted: impl Fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
    let named = established(store).filter(|row| wanted(row.group)).map(|row| (row.group, row.version));
    named.collect::<BTreeSet<_>>().into_iter().collect()
}

fn group((name, version): &(&'static str, &'static str)) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": [version], "preferredVersion": version})
}

fn resources(store: &Store, group: &str, version: &str) -> Option<Value> {
    let rows: Vec<_> = established(store).filter(|row| row.group == group && row.version == version).collect();
    let group_version = rows.first()?.api_version();
    let verbs = json!(["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]);
    let mut resources = Vec::new();
    for row in rows {
        let entry = |name: String, verbs: &Value| {
            let singular = row.kind.to_lowercase();
            json!({"name": name, "singularName": singular, "namespaced": row.namespaced, "kind": row.kind, "verbs": verbs})
        };
        resources.push(entry(row.plural.to_owned(), &verbs));
        if row.has_status {
            resources.push(entry(format!("{}/status", row.plural), &json!(["get", "patch", "update"])));
        }
    }
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}))
}
