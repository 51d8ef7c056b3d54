//! The README can be followed: its paths and links lead somewhere, the API server takes its manifests, and its commands name
//! subcommands, flags, values, kinds and fields that exist.

use super::{
    files::{SAMPLE_BEGINS, SAMPLE_ENDS},
    helm::{Helm, objects, repository},
    values::documented,
};
use crate::{
    boundary::sources::sources,
    cluster::*,
    monitoring::documented::{README, anchors, events},
};
use atlas_privatelink_operator::{
    api::{RECONCILE_ANNOTATION, crds},
    testbed::control_plane::Places,
};
use http::Method;
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::PathBuf, process::Command};

const RELEASE: &str = "atlas-privatelink-operator";
const NAMESPACE: &str = "atlas-privatelink";
const INSTANCE: &str = "app.kubernetes.io/instance";
/// By which the operator that was there before is told what to keep.
const INCUMBENT_ANNOTATION: &str = "mongodb.com/atlas-resource-policy";

/// The folders that a path may begin with.
const FOLDERS: [&str; 5] = ["charts/", "crds/", "deploy/", "src/", "tests/"];

#[test]
fn every_path_is_there() {
    let words = README.split(|c: char| c.is_whitespace() || "`()[]|*".contains(c));
    let paths = words.filter(|word| FOLDERS.iter().any(|folder| word.starts_with(folder)));
    let paths: BTreeSet<_> = paths.map(|path| path.trim_end_matches(['.', ',', ':', ';'])).collect();
    assert!(paths.len() > 20, "{paths:?}");
    for path in paths {
        assert!(repository(path).exists(), "there is no {path}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let anchors = anchors();
    let others = ["deploy/argocd", "charts/atlas-privatelink-operator"];
    let texts = others.map(|folder| (folder, std::fs::read_to_string(repository(folder).join("README.md")).unwrap()));
    let texts = texts.iter().map(|(folder, text)| (*folder, text.as_str())).chain([("", README)]);
    let mut links = 0;
    for (folder, text) in texts {
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = repository(folder).join(path);
            assert!(path.contains("://") || file.exists(), "{target}");
            let is_here = path.is_empty() || file.canonicalize().ok() == repository("README.md").canonicalize().ok();
            assert!(anchor.is_empty() || !is_here || anchors.contains(anchor), "{target}");
            links += 1;
        }
    }
    assert!(links > 15, "{links}");
}

/// The reasons that the sources give to events, with whether they warn; not those that they take from conditions.
fn events_in_sources() -> BTreeSet<(String, bool)> {
    let mut events = BTreeSet::new();
    for (_, text) in sources() {
        for (kind, warns) in [("News::normal(", false), ("News::warning(", true)] {
            let rest = text.split(kind).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
            events.extend(rest.filter_map(|rest| Some((rest.split_once('"')?.0.to_owned(), warns))));
        }
    }
    events
}

#[test]
fn every_event_is_explained() {
    assert_eq!(events_in_sources(), events());
}

/// The text between ```` ```language ```` and its end, for each; the sample of Argo CD is tested where it is.
fn blocks(language: &str) -> Vec<&'static str> {
    let begins = format!("```{language}\n");
    let (before, sample) = README.split_once(SAMPLE_BEGINS).expect("the sample");
    let (_, after) = sample.split_once(SAMPLE_ENDS).expect("its end");
    let of = |text: &'static str| text.split(&*begins).skip(1).filter_map(|rest| rest.split("```").next());
    of(before).chain(of(after)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_manifest_is_taken() {
    let world = World::new(Nature::default()).await;
    let manifests: Vec<Value> = blocks("yaml").into_iter().flat_map(|block| objects(block).expect("YAML")).collect();
    let kinds: Vec<_> = manifests.iter().map(|manifest| manifest["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, ["Secret", "AtlasPrivateLink", "AtlasInterfaceEndpoint"]);
    for manifest in &manifests {
        let here = with(manifest.clone(), &json!({"metadata": {"namespace": world.namespace}}));
        let (group, plural) = match plural_of(manifest) {
            SECRETS => ("api/v1", SECRETS),
            plural => ("apis/atlas.privatelink.dev/v1alpha1", plural),
        };
        let strictly = "dryRun=All&fieldValidation=Strict";
        let path = format!("/{group}/namespaces/{}/{plural}?{strictly}", world.namespace);
        world.send(Method::POST, &path, JSON, &here).await.unwrap_or_else(|error| panic!("{plural}: {error}"));
    }
}

/// A command of the README: its words as a shell reads them.
type Words = Vec<String>;

/// Every command of a program: in blocks those after a `$`, in the text those in backticks.
fn commands(program: &str) -> Vec<Words> {
    let blocks: Vec<_> = blocks("console").into_iter().map(|block| block.replace("\\\n    ", "")).collect();
    let shown = blocks.iter().flat_map(|block| block.lines()).filter_map(|line| line.strip_prefix("$ "));
    let start = format!("{program} ");
    let told = README.split('`').filter(|text| text.starts_with(&start) && !text.contains('\n'));
    let parts = shown.chain(told).flat_map(|line| line.split("&&"));
    parts.map(|part| words(part.trim())).filter(|words| words[0] == program).collect()
}

fn words(line: &str) -> Words {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().expect("one").push(c),
        }
    }
    assert_eq!(quote, None, "an open quote: {line}");
    words
}

/// The value after (or behind the `=` of) a flag.
fn value<'a>(words: &'a Words, flags: &[&str]) -> Option<&'a str> {
    let at = |(index, word): (usize, &'a String)| match word.split_once('=') {
        Some((flag, value)) if flags.contains(&flag) => Some(value),
        Some(_) | None => flags.contains(&word.as_str()).then(|| words[index + 1].as_str()),
    };
    words.iter().enumerate().find_map(at)
}

/// Each flag stands in the program's own help.
fn flags_are_known(words: &Words, help: &str) {
    for flag in words.iter().filter(|word| word.starts_with('-')) {
        let flag = flag.split('=').next().unwrap_or_default();
        let is_it = |known: &str| known.trim_end_matches([',', ':']).split('=').next() == Some(flag);
        assert!(help.split_whitespace().any(is_it), "{flag} is no flag: {words:?}");
    }
}

#[test]
fn every_command_of_helm_is_right() {
    let helm = Helm::offline();
    let values = documented();
    let all = commands("helm");
    let verbs: BTreeSet<_> = all.iter().map(|words| words[1].as_str()).collect();
    assert!(verbs.is_superset(&["install", "test", "uninstall", "upgrade"].into()), "{verbs:?}");
    for words in all.iter().filter(|words| words.len() > 2) {
        let help = helm.run(&[&words[1], "--help"]).unwrap_or_else(|error| panic!("{words:?}: {error}"));
        flags_are_known(words, &help);
        assert_eq!((words[2].as_str(), value(words, &["--namespace"])), (RELEASE, Some(NAMESPACE)), "{words:?}");
        if let Some(set) = value(words, &["--set"]) {
            let name = set.split('=').next().unwrap_or_default();
            assert!(values.iter().any(|value| value.name() == name), "the chart has no value {name}");
        }
    }
}

fn kubectl(arguments: &[&str]) -> String {
    let program: PathBuf = Places::of_this_machine().ensure_kubectl().expect("kubectl");
    let output = Command::new(program).args(arguments).output().expect("ran");
    assert!(output.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Kinds that are not ours, as kubectl names them.
const OTHERS: [&str; 5] = ["atlasprivateendpoint", "clusterrole", "clusterrolebinding", "deployment", "namespace"];

/// All names of our kinds.
fn names() -> BTreeSet<String> {
    let names = crds::all().map(|crd| crd.spec.names);
    let all =
        |names: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionNames| {
            let more = names.short_names.into_iter().flatten().chain(names.singular);
            more.chain([names.plural]).collect::<Vec<_>>()
        };
    names.into_iter().flat_map(all).collect()
}

/// Whether one of our kinds has a field, `spec.deletionPolicy` say.
fn is_field(path: &str) -> bool {
    let schemas = crds::all().map(|crd| serde_json::to_value(&crd).expect("JSON"));
    let at = |crd: &Value| {
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        path.split('.').try_fold(schema, |schema, field| schema["properties"].get(field)).is_some()
    };
    schemas.iter().any(at)
}

/// The fields that a JSONPath asks for.
fn fields_are_known(template: &str) {
    let fields = template.split(['{', '}', ' ']).filter_map(|part| part.strip_prefix('.'));
    for field in fields.filter(|field| field.starts_with("status") || field.starts_with("spec")) {
        assert!(is_field(field), "no kind has the field {field}");
    }
}

/// What stands free in a command, behind `kubectl`: neither a flag nor a flag's value.
fn free(words: &Words) -> Vec<&str> {
    let is_value = |index: usize| ["-n", "-o", "-f", "-p", "-l"].contains(&words[index - 1].as_str());
    let all = words.iter().enumerate().skip(1);
    all.filter(|(index, word)| !word.starts_with('-') && !is_value(*index)).map(|(_, word)| word.as_str()).collect()
}

/// Kinds are the word behind the verb, and what stands before a slash; an annotation has one, too.
fn kinds_are_known(words: &Words, known: &BTreeSet<String>) {
    let free: Vec<_> = free(words).into_iter().filter(|word| *word != "status").collect();
    for (index, word) in free.iter().enumerate().skip(1) {
        if let Some((annotation, _)) = word.split_once('=') {
            assert!([RECONCILE_ANNOTATION, INCUMBENT_ANNOTATION].contains(&annotation), "{words:?}");
        } else if index == 1 || word.contains('/') {
            let kinds = word.split(['/', '.']).next().unwrap_or_default();
            let unknown = kinds.split(',').find(|kind| !known.contains(*kind) && !OTHERS.contains(kind));
            assert_eq!(unknown, None, "no kind: {words:?}");
        }
        if let Some((_, field)) = word.split_once('.').filter(|_| free[0] == "explain") {
            assert!(is_field(field), "{words:?}");
        }
    }
}

#[test]
fn every_command_of_kubectl_is_right() {
    let (options, kinds) = (kubectl(&["options"]), names());
    let all = commands("kubectl");
    assert!(all.len() > 12, "{all:?}");
    for words in &all {
        assert!([None, Some("payments"), Some(NAMESPACE)].contains(&value(words, &["-n"])), "{words:?}");
        // A subcommand has flags of its own.
        let below = match free(words).as_slice() {
            [verb @ ("rollout" | "create"), below, ..] => kubectl(&[verb, below, "--help"]),
            [verb, ..] => kubectl(&[verb, "--help"]),
            [] => panic!("no verb: {words:?}"),
        };
        flags_are_known(words, &(options.clone() + &below));
        kinds_are_known(words, &kinds);
        if let Some(template) = value(words, &["-o"]).and_then(|output| output.strip_prefix("jsonpath=")) {
            fields_are_known(template);
        }
        if let Some(patch) = value(words, &["-p"]) {
            let patch: Value = serde_json::from_str(patch).expect("JSON");
            for field in patch["spec"].as_object().into_iter().flat_map(|spec| spec.keys()) {
                assert!(is_field(&format!("spec.{field}")), "no kind has the field {field}");
            }
        }
    }
}

/// What the README deletes after `kubectl apply -f deploy/install.yaml` is all of it but the definitions.
#[test]
fn the_uninstall_by_kubectl_leaves_the_definitions_and_nothing_else() {
    let text = std::fs::read_to_string(repository("deploy/install.yaml")).expect("install.yaml");
    let deleted = commands("kubectl").into_iter().filter(|words| words.contains(&"delete".to_owned()));
    let deleted: Vec<_> = deleted.map(|words| words.join(" ")).collect();
    assert!(deleted.contains(&format!("kubectl delete namespace {NAMESPACE}")), "{deleted:?}");
    let cluster = format!("kubectl delete clusterrolebinding,clusterrole -l {INSTANCE}={RELEASE}");
    assert!(deleted.contains(&cluster), "{deleted:?}");
    for object in objects(&text).expect("YAML") {
        let (kind, metadata) = (object["kind"].as_str().expect("a kind"), &object["metadata"]);
        let goes = match kind {
            "CustomResourceDefinition" => continue,
            "Namespace" => metadata["name"] == NAMESPACE,
            "ClusterRole" | "ClusterRoleBinding" => metadata["labels"][INSTANCE] == RELEASE,
            _ => metadata["namespace"] == NAMESPACE,
        };
        assert!(goes, "{kind} {} stays", metadata["name"]);
    }
}
