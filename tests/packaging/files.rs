//! Files that are made from others, so that nobody has to remember both.

use super::{
    REGENERATE,
    helm::{Helm, chart, objects, repository},
    sample::sample_files,
    values::documented,
};
use atlas_privatelink_operator::{api::crds, testbed::control_plane::Places};
use serde_json::Value;
use std::{path::Path, process::Command};

/// What stands between these in the README is made from the sample of Argo CD.
pub const SAMPLE_BEGINS: &str = "<!-- sample: begin -->";
pub const SAMPLE_ENDS: &str = "<!-- sample: end -->";

/// The file has this text; with the variable set it gets it.
pub fn same(path: &Path, text: &str) {
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::write(path, text).expect("written");
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    let hint = format!("{REGENERATE}=1 cargo test --test integration -- packaging::files packaging::argocd");
    assert!(stored == text, "{} is stale: run `{hint}`, and commit what it writes", path.display());
}

/// Helm reads nothing outside of a chart's folder.
#[test]
fn the_chart_has_the_definitions_of_crds() {
    let folder = chart().join("files/crds");
    let files = crds::yaml().expect("YAML");
    for (name, text) in &files {
        same(&folder.join(name), text);
    }
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), files.len(), "a file is left behind");
}

#[test]
fn the_readme_of_the_chart_lists_every_value() {
    let path = chart().join("README.md");
    let text = std::fs::read_to_string(&path).expect("README.md");
    let (before, rest) = text.split_once("<!-- values: begin -->\n").expect("the table begins");
    let (_, after) = rest.split_once("<!-- values: end -->").expect("the table ends");
    let rows = documented().into_iter().map(|value| {
        let default = match &value.default {
            Value::String(text) if text.is_empty() => "–".to_owned(),
            Value::String(text) => format!("`{text}`"),
            other => format!("`{other}`"),
        };
        format!("| `{}` | {default} | {} |\n", value.name(), value.text)
    });
    let table = format!("| value | default | meaning |\n|---|---|---|\n{}", rows.collect::<String>());
    same(&path, &format!("{before}<!-- values: begin -->\n{table}<!-- values: end -->{after}"));
}

/// The waves of Argo CD, for those who read the README and nothing else.
#[test]
fn the_readme_has_the_sample_in_full() {
    let path = repository("README.md");
    let text = std::fs::read_to_string(&path).expect("README.md");
    let (before, rest) = text.split_once(SAMPLE_BEGINS).expect("the sample begins");
    let (_, after) = rest.split_once(SAMPLE_ENDS).expect("the sample ends");
    let files = sample_files().into_iter().map(|file| {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        let manifests = std::fs::read_to_string(&file).expect("manifests");
        format!("`{name}`:\n\n```yaml\n{manifests}```\n\n")
    });
    same(&path, &format!("{before}{SAMPLE_BEGINS}\n\n{}{SAMPLE_ENDS}{after}", files.collect::<String>()));
}

/// For those who install without Helm: what the chart renders with `deploy/install-values.yaml`.
#[test]
fn the_manifests_are_what_the_chart_renders() {
    let (chart, values) = (chart(), repository("deploy/install-values.yaml"));
    let rendered = Helm::offline()
        .run(&[
            "template",
            "atlas-privatelink-operator",
            chart.to_str().expect("text"),
            "--namespace",
            "atlas-privatelink",
            "--skip-tests",
            "--values",
            values.to_str().expect("text"),
        ])
        .expect("rendered");
    // Nobody shall take it for a release of Helm.
    let of_helm = |line: &&str| {
        ["helm.sh/chart:", "app.kubernetes.io/managed-by: Helm", "# Source:"]
            .iter()
            .any(|start| line.trim_start().starts_with(start))
    };
    let lines = rendered.lines().filter(|line| !of_helm(line));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let head =
        "# The operator for all namespaces. Generated from the chart with deploy/install-values.yaml; do not edit.\n";
    same(&repository("deploy/install.yaml"), &format!("{head}{text}"));
}

#[test]
fn the_kustomization_gives_the_manifests() {
    let kubectl = Places::of_this_machine().ensure_kubectl().expect("kubectl");
    let built = Command::new(kubectl).arg("kustomize").arg(repository("deploy")).output().expect("ran");
    assert!(built.status.success(), "{built:?}");
    let sorted = |text: &str| {
        let mut all: Vec<String> = objects(text).expect("YAML").iter().map(Value::to_string).collect();
        all.sort_unstable();
        all
    };
    let stored = std::fs::read_to_string(repository("deploy/install.yaml")).expect("install.yaml");
    assert_eq!(sorted(&String::from_utf8_lossy(&built.stdout)), sorted(&stored));
}

#[test]
fn the_chart_has_the_licence() {
    same(&chart().join("LICENSE"), &std::fs::read_to_string(repository("LICENSE")).expect("LICENSE"));
}
