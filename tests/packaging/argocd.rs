//! What Argo CD is given: scripts and test data in its own layout, and the ConfigMap that is made of them.

use super::{
    files::same,
    helm::{Helm, chart, objects, repository},
};
use crate::cluster::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub const KINDS: [&str; 2] = ["AtlasPrivateLink", "AtlasInterfaceEndpoint"];
const ACTIONS: [&str; 3] = ["reconcile", "suspend", "resume"];

/// The folder of a kind, laid out as in Argo CD's repository.
pub fn folder(kind: &str) -> PathBuf {
    repository("deploy/argocd/resource_customizations/atlas.privatelink.dev").join(kind)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &Path) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn indented(text: &str, spaces: usize) -> String {
    let indent = " ".repeat(spaces);
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{indent}{line}\n") }).collect()
}

#[test]
fn the_config_map_is_made_of_the_scripts() {
    let mut text = "# Generated from resource_customizations/; do not edit. Merge its data into your argocd-cm.\n\
                    apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  namespace: argocd\n  labels:\n    \
                    app.kubernetes.io/name: argocd-cm\n    app.kubernetes.io/part-of: argocd\ndata:\n"
        .to_owned();
    for kind in KINDS {
        let script = |path: &str| read(&folder(kind).join(path));
        text += &format!("  resource.customizations.health.atlas.privatelink.dev_{kind}: |\n");
        text += &indented(&script("health.lua"), 4);
        text += &format!("  resource.customizations.actions.atlas.privatelink.dev_{kind}: |\n    discovery.lua: |\n");
        text += &indented(&script("actions/discovery.lua"), 6);
        text += "    definitions:\n";
        for action in ACTIONS {
            text += &format!("      - name: {action}\n        action.lua: |\n");
            text += &indented(&script(&format!("actions/{action}/action.lua")), 10);
        }
    }
    same(&repository("deploy/argocd/argocd-cm.yaml"), &text);

    let map: Value = serde_saphyr::from_str(&text).expect("YAML");
    for kind in KINDS {
        let of =
            |what: &str| map["data"][format!("resource.customizations.{what}.atlas.privatelink.dev_{kind}")].as_str();
        assert_eq!(of("health"), Some(read(&folder(kind).join("health.lua")).as_str()));
        let actions: Value = serde_saphyr::from_str(of("actions").expect("actions")).expect("YAML");
        for (index, action) in ACTIONS.iter().enumerate() {
            let script = read(&folder(kind).join("actions").join(action).join("action.lua"));
            assert_eq!(actions["definitions"][index], json!({"name": action, "action.lua": script}));
        }
    }
}

/// The operator and what it looks after are two Applications. The operator's comes first, therefore goes last, and leaves
/// the definitions behind; deleting either does not delete what is in it unless somebody says so.
#[test]
fn the_operator_has_an_application_of_its_own_which_goes_last() {
    let text = read(&repository("deploy/argocd/application.yaml"));
    let applications = objects(&text).expect("YAML");
    let [operator, resources] = &applications[..] else { panic!("two") };
    assert_eq!(operator["spec"]["source"]["path"], "charts/atlas-privatelink-operator");
    assert_eq!(resources["spec"]["source"]["path"], "deploy/argocd/sample");
    let wave = |application: &Value| {
        let wave = application["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"].as_str();
        wave.and_then(|wave| wave.parse::<i32>().ok()).expect("a wave")
    };
    assert!(wave(operator) < wave(resources));
    assert_ne!(operator["spec"]["destination"]["namespace"], resources["spec"]["destination"]["namespace"]);
    for application in &applications {
        assert_eq!(application["kind"], "Application");
        assert_eq!(application["metadata"]["finalizers"], Value::Null);
    }
    // Definitions that come too late are waited for.
    assert!(resources["spec"]["syncPolicy"]["retry"]["limit"].as_u64().is_some_and(|limit| limit > 0));
    let rendered = Helm::offline().template(&chart(), "", &[]).expect("rendered");
    let definitions: Vec<_> = rendered.iter().filter(|object| object["kind"] == "CustomResourceDefinition").collect();
    assert_eq!(definitions.len(), KINDS.len());
    for definition in definitions {
        assert_eq!(definition["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
    let guide = read(&repository("deploy/argocd/README.md"));
    let place = |application: &Value| {
        let name = application["metadata"]["name"].as_str().expect("a name");
        guide.find(&format!("$ argocd app delete {name} --cascade")).expect("the guide deletes it")
    };
    assert!(place(resources) < place(operator));
}

/// One reading of both kinds: their conditions mean the same.
#[test]
fn both_kinds_have_the_same_scripts() {
    let [link, endpoint] = KINDS.map(folder);
    let scripts = ["health.lua", "actions/discovery.lua"].map(str::to_owned);
    for script in scripts.into_iter().chain(ACTIONS.map(|action| format!("actions/{action}/action.lua"))) {
        assert_eq!(read(&link.join(&script)), read(&endpoint.join(&script)), "{script}");
    }
}

/// The manifests that the scripts are tested with: where the tests say, of the kind, and such as the API server takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_test_data_are_objects_of_both_kinds() {
    let world = World::new(Nature::default()).await;
    for (kind, plural) in KINDS.iter().zip([LINKS, ENDPOINTS]) {
        let mut named = Vec::new();
        let tests = [("health_test.yaml", ""), ("actions/action_test.yaml", "actions/")];
        for (file, below) in tests {
            collect_paths(&yaml(&folder(kind).join(file)), &mut |path| named.push(format!("{below}{path}")));
        }
        named.sort();
        named.dedup();
        for folder_of in ["testdata", "actions/testdata"] {
            for entry in std::fs::read_dir(folder(kind).join(folder_of)).expect("test data") {
                let name = format!("{folder_of}/{}", entry.expect("an entry").file_name().to_string_lossy());
                assert!(named.contains(&name), "no test uses {kind}/{name}");
            }
        }
        for path in named {
            let object = yaml(&folder(kind).join(&path));
            assert_eq!(object["kind"], *kind, "{path}");
            taken(&world, plural, &object).await.unwrap_or_else(|error| panic!("{kind}/{path}: {error}"));
        }
    }
}

fn collect_paths(value: &Value, take: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| match value.as_str() {
            Some(path) if name.ends_with("Path") => take(path),
            Some(_) | None => collect_paths(value, take),
        }),
        Value::Array(items) => items.iter().for_each(|item| collect_paths(item, take)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Writes spec and status, strictly, as a new object; gives what is wrong with them.
async fn taken(world: &World, plural: &str, object: &Value) -> Result<(), String> {
    let name = fresh("data");
    let plain = json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": {"name": name}, "spec": object["spec"]});
    world.create(&plain).await.map_err(|error| error.to_string())?;
    let status = json!({"status": object["status"]});
    let written = world.merge(plural, &format!("{name}/status?fieldValidation=Strict"), &status).await;
    let written = written.map_err(|error| error.to_string())?;
    if written["status"] == object["status"] { Ok(()) } else { Err(format!("it became {}", written["status"])) }
}
