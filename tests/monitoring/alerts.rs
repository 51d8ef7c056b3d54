//! The alerts: what promtool says of them, and that each is explained.

use super::{documented, is_installed};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file() -> PathBuf {
    root().join("charts/atlas-privatelink-operator/files/alerts.yaml")
}

fn rules() -> Vec<Value> {
    let text = std::fs::read_to_string(file()).expect("the alerts");
    let all: Value = serde_saphyr::from_str(&text).expect("YAML");
    let groups = all["groups"].as_array().expect("groups").clone();
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

/// The unit tests of the alerts.
fn unit_tests() -> Vec<PathBuf> {
    let files = std::fs::read_dir(root().join("tests/monitoring")).expect("a folder");
    let files = files.map(|file| file.expect("a file").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

#[test]
fn promtool_takes_the_alerts_and_their_unit_tests() {
    if !is_installed("promtool") {
        return;
    }
    let run = |arguments: &[&str], files: &[PathBuf]| {
        let output = Command::new("promtool").args(arguments).args(files).output().expect("ran");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    };
    run(&["check", "rules", "--lint-fatal"], &[file()]);
    run(&["test", "rules"], &unit_tests());
}

/// Each has what who is woken by it needs, and a section of the README that it leads to.
#[test]
fn every_alert_leads_to_its_section_of_the_readme() {
    let anchors = documented::anchors();
    let rules = rules();
    assert!(!rules.is_empty());
    for rule in &rules {
        let text = |field: &str| rule["annotations"][field].as_str().unwrap_or_default().to_owned();
        let name = rule["alert"].as_str().expect("a name");
        assert!(["warning", "critical"].contains(&rule["labels"]["severity"].as_str().expect("a severity")), "{name}");
        assert!(!text("summary").is_empty() && !text("description").is_empty(), "{name}");
        let (_, anchor) = text("runbook_url").rsplit_once('#').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("#");
        assert_eq!(anchor, name.to_lowercase());
        assert!(anchors.contains(&anchor), "the README has no section {name}");
    }
}

/// Each alert of a resource, and no other, is seen by a unit test to fire, and not to for a suspended one.
#[test]
fn every_alert_has_a_unit_test() {
    let mut fired = BTreeSet::new();
    let mut silenced = BTreeSet::new();
    for path in unit_tests() {
        let text = std::fs::read_to_string(&path).expect("a test");
        let test: Value = serde_saphyr::from_str(&text).expect("YAML");
        for case in test["tests"].as_array().expect("tests") {
            let suspended = case["name"].as_str().expect("a name").ends_with("suspended");
            for check in case["alert_rule_test"].as_array().expect("checks") {
                let name = check["alertname"].as_str().expect("a name").to_owned();
                let fires = check["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
                assert!(!(suspended && fires), "{name} fires for a suspended resource");
                if fires {
                    fired.insert(name);
                } else if suspended {
                    silenced.insert(name);
                }
            }
        }
    }
    let all: BTreeSet<_> = rules().iter().map(|rule| rule["alert"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(fired, all);
    silenced.insert("AtlasPrivateLinkOperatorDown".to_owned());
    assert_eq!(silenced, all);
}

/// Every series that alerts and the dashboard ask for is one that the README documents, and so one that is exposed.
#[test]
fn queries_name_documented_metrics_only() {
    let known: BTreeSet<String> = documented::metrics().iter().flat_map(documented::Metric::series).collect();
    let dashboard = root().join("charts/atlas-privatelink-operator/files/dashboard.json");
    for path in [file(), dashboard] {
        let text = std::fs::read_to_string(&path).expect("a file");
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let asked: BTreeSet<_> = words.filter(|word| word.starts_with("atlas_privatelink_")).collect();
        assert!(!asked.is_empty());
        for word in asked {
            assert!(known.contains(word), "{} asks for {word}", path.display());
        }
    }
}
