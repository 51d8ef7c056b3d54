//! Values that are refused before anything is rendered, with words that tell why.

use super::helm::{Helm, chart, objects};
use atlas_privatelink_operator::{
    atlas::url::BaseUrl,
    cli::{Cli, Command},
    duration::HumanDuration,
};
use clap::Parser;
use serde_json::Value;

/// Values, and what the complaint must contain.
const REFUSED: [(&str, &str); 37] = [
    ("operator: {pollIntervall: 10s}", "pollIntervall"),
    ("operator: {pollInterval: 10}", "/operator/pollInterval"),
    ("operator: {pollInterval: 10 seconds}", "/operator/pollInterval"),
    ("operator: {pollInterval: ''}", "/operator/pollInterval"),
    ("operator: {pollInterval: 1ms1h}", "/operator/pollInterval"),
    ("operator: {pollInterval: 1m1m}", "/operator/pollInterval"),
    ("operator: {pollInterval: 99ms}", "/operator/pollInterval"),
    ("operator: {resyncInterval: '0'}", "/operator/resyncInterval"),
    ("operator: {resyncInterval: 999999999999d}", "/operator/resyncInterval"),
    ("leaderElection: {leaseDuration: 1s}", "/leaderElection/leaseDuration"),
    ("leaderElection: {leaseDuration: 15}", "/leaderElection/leaseDuration"),
    ("{leaderElection: {enabled: false}, replicas: 2}", "/replicas"),
    ("operator: {atlasApiVersion: v3}", "/operator/atlasApiVersion"),
    ("operator: {atlasBaseUrl: cloud.mongodb.com}", "/operator/atlasBaseUrl"),
    ("operator: {atlasBaseUrl: 'https://a/b/c'}", "/operator/atlasBaseUrl"),
    ("operator: {atlasBaseUrl: 'https://a?b'}", "/operator/atlasBaseUrl"),
    ("operator: {atlasBaseUrl: 'https://user:pw@h'}", "/operator/atlasBaseUrl"),
    ("operator: {atlasBaseUrl: 'https://h:port'}", "/operator/atlasBaseUrl"),
    ("operator: {atlasBaseUrl: 'http://cloud.mongodb.com'}", "or set operator.allowHttp"),
    ("operator: {atlasBaseUrl: 'http://127.0.0.1.evil.example'}", "or set operator.allowHttp"),
    ("operator: {concurrency: 0}", "/operator/concurrency"),
    ("operator: {httpListen: localhost}", "/operator/httpListen"),
    ("operator: {httpListen: 'localhost:8080'}", "/operator/httpListen"),
    ("defaults: {deletionPolicy: Delete}", "/defaults/deletionPolicy"),
    ("namespaces: payments", "/namespaces"),
    ("namespaces: [Payments]", "/namespaces/0"),
    ("image: {digest: latest}", "/image/digest"),
    ("image: {tag: 1.0}", "/image/tag"),
    ("replicas: two", "/replicas"),
    ("commonLabels: {team: 7}", "/commonLabels/team"),
    ("rbac: {clusterAdmin: true}", "clusterAdmin"),
    ("extraArgs: --log-level=debug", "/extraArgs"),
    ("monitoring: {missingKinds: ignore}", "/monitoring/missingKinds"),
    ("caBundle: {configMap: a, secret: b}", "configMap or secret, not both"),
    ("serviceAccount: {create: false}", "set serviceAccount.name"),
    ("serviceMonitor: {enabled: true}", "install the Prometheus operator first"),
    ("{serviceMonitor: {enabled: true}, service: {enabled: false}, monitoring: {missingKinds: force}}", "podMonitor"),
];

#[test]
fn wrong_values_are_refused_with_their_name() {
    let helm = Helm::offline();
    for (values, expected) in REFUSED {
        match helm.template(&chart(), values, &[]) {
            Ok(_) => panic!("taken: {values}"),
            Err(said) => assert!(said.contains(expected), "{values}\nis refused with {said}\nand not with {expected}"),
        }
    }
}

/// Where Helm is told to pass over the schema, the templates still refuse.
#[test]
fn two_operators_need_an_election() {
    let render = |replicas: u8| {
        let values = format!("leaderElection: {{enabled: false}}\nreplicas: {replicas}");
        Helm::offline().template(&chart(), &values, &["--skip-schema-validation"])
    };
    render(1).expect("one is enough");
    assert!(render(2).expect_err("taken").contains("leaderElection.enabled is false: replicas must not be above 1"));
}

/// The operator takes what the schema takes: otherwise the Pod would be started again and again.
#[test]
fn what_the_chart_takes_the_operator_takes() {
    for text in ["1d", "999999999d", "1d2h3m4s5ms", "999999999h999999999ms"] {
        let values = format!("operator: {{resyncInterval: '{text}'}}");
        Helm::offline().template(&chart(), &values, &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
        text.parse::<HumanDuration>().unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    for (text, allow_http) in [
        ("https://cloud.mongodbgov.com", false),
        ("https://cloud.mongodb.com:443/", false),
        ("http://LOCALHOST:1", false),
        ("http://127.8.9.10", false),
        ("http://[::1]:1/", false),
        ("https://[2001:db8::1]", false),
        ("http://atlas.test", true),
    ] {
        let values = format!("operator: {{atlasBaseUrl: '{text}', allowHttp: {allow_http}}}");
        Helm::offline().template(&chart(), &values, &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
        BaseUrl::parse(text, allow_http).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
}

fn operator_takes(flag: &str, text: &str) -> bool {
    let value = format!("--{flag}={text}");
    let words = ["x", "run", "--leader-election", "--leader-election-namespace=x", &value];
    let Command::Run(arguments) = Cli::try_parse_from(words).expect("a duration").command else {
        unreachable!("it is told to run")
    };
    arguments.settings().is_ok() && arguments.leader_election.settings().is_ok()
}

/// Where they are too short to be meant, the two agree, too.
#[test]
fn the_chart_refuses_what_is_too_short_for_the_operator() {
    let helm = Helm::offline();
    for text in
        ["0", "0s", "99ms", "0s099ms", "100ms", "1s", "1s999ms", "1999ms", "0m1500ms", "2s", "1s1000ms", "0m2s", "1m"]
    {
        for (flag, value) in [
            ("poll-interval", "operator.pollInterval"),
            ("leader-election-lease-duration", "leaderElection.leaseDuration"),
        ] {
            let (outer, inner) = value.split_once('.').expect("two words");
            let taken = helm.template(&chart(), &format!("{outer}: {{{inner}: '{text}'}}"), &[]).is_ok();
            assert_eq!(taken, operator_takes(flag, text), "{value}: {text}");
        }
    }
}

/// A name of digits alone is a text, wherever it stands.
#[test]
fn a_name_that_looks_like_a_number_is_a_text() {
    let values = r#"{namespaces: ["1"], leaderElection: {leaseName: "2"}, serviceAccount: {name: "3"}, nameOverride: "4",
        fullnameOverride: "5", namespaceOverride: "6", priorityClassName: "7", runtimeClassName: "8",
        commonLabels: {a: "9"}, commonAnnotations: {b: "10"}, dashboard: {enabled: true, namespace: "11"}, replicas: 2,
        caBundle: {configMap: "12"}, networkPolicy: {enabled: true}, monitoring: {missingKinds: force},
        serviceMonitor: {enabled: true}, podMonitor: {enabled: true}, prometheusRule: {enabled: true}}"#;
    let chart = chart();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), values).expect("written");
    let (folder, file) = (chart.to_str().expect("text"), file.path().to_str().expect("text"));
    let named = ["template", "13", folder, "--namespace", "14", "--values", file];
    let plain = ["template", "13", folder, "--namespace", "14"];
    for arguments in [&named[..], &plain] {
        let rendered = Helm::offline().run(arguments).expect("rendered");
        let objects = objects(&rendered).expect("YAML");
        assert!(objects.len() > 8);
        for object in &objects {
            let is_definition = object["kind"] == "CustomResourceDefinition";
            let part = if is_definition { &object["metadata"] } else { object };
            numbers_are_meant(part, &object["kind"], "kind");
        }
    }
}

/// The fields that are numbers in Kubernetes; what definitions say of a field is not looked at.
const NUMBERS: [&str; 11] = [
    "containerPort",
    "failureThreshold",
    "maxUnavailable",
    "periodSeconds",
    "port",
    "replicas",
    "revisionHistoryLimit",
    "runAsGroup",
    "runAsUser",
    "terminationGracePeriodSeconds",
    "timeoutSeconds",
];

fn numbers_are_meant(value: &Value, kind: &Value, field: &str) {
    match value {
        Value::Number(number) => assert!(NUMBERS.contains(&field), "{kind}: {field} is the number {number}"),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| numbers_are_meant(value, kind, name)),
        Value::Array(items) => items.iter().for_each(|item| numbers_are_meant(item, kind, field)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// An older cluster has no CEL in schemas; a cloud's suffix is no older version.
#[test]
fn old_clusters_are_refused_and_the_names_of_clouds_are_not() {
    let render = |version| Helm::offline().template(&chart(), "", &["--kube-version", version]);
    assert!(render("v1.28.9").expect_err("taken").contains("kubeVersion"));
    for version in ["v1.29.0", "v1.29.1-eks-1234567", "v1.30.5-gke.1014001", "v1.36.3"] {
        render(version).unwrap_or_else(|error| panic!("{version}: {error}"));
    }
}
