//! The chart's unit tests: each case of the table, and that the table has every value and every feature.

use super::{
    cases::{CASES, Case, FEATURES, Is, WITHOUT_A_VALUE},
    helm::{Helm, chart},
    values::{at, defaults, documented, leaves},
};
use atlas_privatelink_operator::cli::Cli;
use clap::CommandFactory;
use serde_json::Value;
use std::{collections::BTreeSet, path::Path};

/// A copy of the chart with the files that the alerts and the dashboard come from.
fn packed() -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    copy_folder(&chart(), copy.path());
    let alert = "groups: [{name: packed, rules: [{alert: A, expr: up == 0, annotations: {summary: '{{ $labels.pod }} is down'}}]}]";
    std::fs::write(copy.path().join("files/alerts.yaml"), alert).expect("written");
    std::fs::write(copy.path().join("files/dashboard.json"), "{\n  \"title\": \"{{ packed }}\"\n}").expect("written");
    copy
}

/// Copies a folder with all that is below it.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// What is found at a place of a rendering.
fn find<'a>(objects: &'a [Value], place: &str) -> Vec<&'a Value> {
    let (which, pointer) = place.split_at(place.find('/').unwrap_or(place.len()));
    let (kind, name) = which.split_once('@').unwrap_or((which, ""));
    let named = |object: &Value| object["metadata"]["name"].as_str().is_some_and(|whole| whole.contains(name));
    let some = objects.iter().filter(|object| object["kind"] == kind && named(object));
    some.filter_map(|object| object.pointer(pointer)).collect()
}

fn arguments(objects: &[Value]) -> &[Value] {
    let found = find(objects, "Deployment/spec/template/spec/containers/0/args");
    found.first().and_then(|found| found.as_array()).expect("arguments")
}

/// What of an expectation is not so.
fn complaint(objects: &[Value], place: &str, expected: Is) -> Option<String> {
    let begins = |start: &str, argument: &Value| argument.as_str().is_some_and(|text| text.starts_with(start));
    let found: Vec<&Value> = match place.strip_prefix("arg@") {
        Some(start) => arguments(objects).iter().filter(|argument| begins(start, argument)).collect(),
        None if place == "arg" => arguments(objects).iter().collect(),
        None => find(objects, place),
    };
    let good = match expected {
        Is::Present => !found.is_empty(),
        Is::Absent => found.is_empty(),
        Is::Equal(json) => {
            let wanted: Value = serde_json::from_str(json).expect("JSON");
            if place == "arg" { found.contains(&&wanted) } else { found.first() == Some(&&wanted) }
        }
    };
    (!good).then(|| format!("{place}: {found:?}"))
}

/// A rendering with the values does what the table says, and without them does not.
#[test]
fn each_value_does_what_it_says() {
    let (helm, chart) = (Helm::offline(), packed());
    let render = |values: &str| helm.template(chart.path(), values, &[]).unwrap_or_else(|e| panic!("{values}\n{e}"));
    let plain = render("");
    for Case { values, expect, .. } in CASES {
        let objects = render(values);
        for (place, expected) in *expect {
            let complaint = complaint(&objects, place, *expected);
            assert!(complaint.is_none(), "{values}\n{}", complaint.unwrap_or_default());
        }
        let changes = expect.iter().any(|(place, expected)| complaint(&plain, place, *expected).is_some());
        let nothing_to_change = values.starts_with("global") || values.contains("missingKinds: skip");
        assert!(changes || nothing_to_change, "all of this holds without the values, too: {values}");
    }
}

#[test]
fn every_value_stands_in_the_table() {
    let set: BTreeSet<Vec<String>> =
        CASES.iter().flat_map(|case| leaves(&serde_saphyr::from_str::<Value>(case.values).expect("YAML"))).collect();
    let missing: Vec<_> = documented()
        .iter()
        .filter(|value| !set.iter().any(|path| path.starts_with(&value.path)))
        .map(|value| value.name())
        .collect();
    assert!(missing.is_empty(), "no unit test for {missing:?}");
    for path in &set {
        let known = documented().iter().any(|value| path.starts_with(&value.path)) || at(&defaults(), path).is_some();
        assert!(known, "no such value: {path:?}");
    }
}

/// Every flag of `run` is a value, but for the Lease's namespace, which is always the operator's own: a value brings an
/// argument that is not there without it, or takes away one that is.
#[test]
fn every_flag_of_the_operator_can_be_set() {
    let plain = Helm::offline().template(&chart(), "", &[]).expect("rendered");
    let plain = arguments(&plain);
    let mut changed = BTreeSet::new();
    for (place, expected) in CASES.iter().flat_map(|case| case.expect) {
        match (*expected, place.strip_prefix("arg@")) {
            (Is::Equal(json), None) if *place == "arg" => {
                let argument: Value = serde_json::from_str(json).expect("JSON");
                changed.extend((!plain.contains(&argument)).then(|| flag(&argument)));
            }
            (Is::Absent, Some(start)) => changed.extend(plain.iter().map(flag).filter(|flag| flag == start)),
            (Is::Equal(_) | Is::Present | Is::Absent, _) => {}
        }
    }
    let command = Cli::command();
    let run = command.find_subcommand("run").expect("run");
    let flags = run.get_arguments().filter_map(|argument| argument.get_long()).map(|flag| format!("--{flag}"));
    let mut missing: Vec<String> = flags.filter(|flag| !changed.contains(flag)).collect();
    missing.retain(|flag| !["--help", "--leader-election-namespace"].contains(&flag.as_str()));
    assert!(missing.is_empty(), "{missing:?}");
}

/// An argument without its value.
fn flag(argument: &Value) -> String {
    argument.as_str().and_then(|text| text.split('=').next()).expect("text").to_owned()
}

#[test]
fn all_features_are_there() {
    let shown: BTreeSet<&str> =
        CASES.iter().map(|case| case.feature).chain(WITHOUT_A_VALUE.map(|(feature, _)| feature)).collect();
    let missing: Vec<_> = FEATURES.iter().filter(|feature| !shown.contains(**feature)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let unknown: Vec<_> = shown.iter().filter(|name| !name.is_empty() && !FEATURES.contains(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// With no values: what a cautious administrator reads first.
#[test]
fn as_it_comes_it_asks_for_little() {
    let objects = Helm::offline().template(&chart(), "", &[]).expect("rendered");
    let mut kinds: Vec<&str> = objects.iter().map(|object| object["kind"].as_str().expect("a kind")).collect();
    kinds.sort_unstable();
    let expected = [
        "ClusterRole",
        "ClusterRole",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "CustomResourceDefinition",
        "Deployment",
        "Pod",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    ];
    assert_eq!(kinds, expected);
    for role in objects.iter().filter(|object| ["Role", "ClusterRole"].contains(&object["kind"].as_str().unwrap_or("")))
    {
        for rule in role["rules"].as_array().expect("rules") {
            assert!(!rule.to_string().contains('*'), "{rule}");
            let secrets = rule["resources"].as_array().expect("resources").contains(&"secrets".into());
            assert!(!secrets || rule["verbs"] == serde_json::json!(["get"]), "{rule}");
        }
    }
    for object in objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition") {
        assert_eq!(object["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
}

/// Where the cluster has the kind, nothing needs to be forced.
#[test]
fn monitoring_objects_are_rendered_where_their_kind_is() {
    let values = "serviceMonitor: {enabled: true}";
    let render = |versions: &[&str]| Helm::offline().template(&chart(), values, versions);
    let objects = render(&["--api-versions", "monitoring.coreos.com/v1/ServiceMonitor"]).expect("rendered");
    assert!(objects.iter().any(|object| object["kind"] == "ServiceMonitor"));
    assert!(render(&["--api-versions", "monitoring.coreos.com/v1/PodMonitor"]).is_err());
}

/// Argo CD renders without a cluster, and runs hooks at other times than Helm.
#[test]
fn it_asks_no_cluster_and_has_no_hook_but_the_test() {
    for folder in ["templates", "templates/tests"] {
        for entry in std::fs::read_dir(chart().join(folder)).expect("templates") {
            let file = entry.expect("an entry").path();
            let text = if file.is_file() { std::fs::read_to_string(&file).expect("text") } else { String::new() };
            assert!(!text.contains("lookup "), "{}", file.display());
        }
    }
    let objects = Helm::offline().template(&chart(), "", &[]).expect("rendered");
    let hooks: Vec<_> = objects.iter().map(|object| &object["metadata"]["annotations"]["helm.sh/hook"]).collect();
    assert!(hooks.iter().all(|hook| hook.is_null() || *hook == "test"), "{hooks:?}");
    assert_eq!(hooks.iter().filter(|hook| hook.is_string()).count(), 1);
}

#[test]
fn artifact_hub_finds_what_it_shows() {
    let text = std::fs::read_to_string(chart().join("Chart.yaml")).expect("Chart.yaml");
    let chart: Value = serde_saphyr::from_str(&text).expect("YAML");
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    let part = |name: &str| -> Value {
        let text = chart["annotations"][format!("artifacthub.io/{name}")].as_str().expect("an annotation");
        serde_saphyr::from_str(text).expect("YAML")
    };
    let crds = atlas_privatelink_operator::api::crds::all();
    let (listed, examples) = (part("crds"), part("crdsExamples"));
    for (index, crd) in crds.iter().enumerate() {
        assert_eq!(listed[index]["name"].as_str(), crd.metadata.name.as_deref());
        assert_eq!(listed[index]["kind"], crd.spec.names.kind.as_str());
        assert_eq!(examples[index]["kind"], crd.spec.names.kind.as_str());
    }
}

/// Helm's own lint, strictly, and all values that CI renders.
#[test]
fn every_ci_rendering_is_sound() {
    let (helm, chart) = (Helm::offline(), chart());
    let mut seen = 0;
    for entry in std::fs::read_dir(chart.join("ci")).expect("ci/") {
        let file = entry.expect("an entry").path();
        let path = [chart.to_str().expect("text"), "--values", file.to_str().expect("text")];
        let linted = helm.run(&[&["lint", "--strict"][..], &path].concat());
        linted.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let values = std::fs::read_to_string(&file).expect("values");
        let objects = helm.template(&chart, &values, &[]).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(objects.iter().any(|object| object["kind"] == "Deployment"));
        seen += 1;
    }
    assert!(seen >= 3, "{seen} files");
}
