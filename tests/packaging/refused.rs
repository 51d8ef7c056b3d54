//! Values that are refused before anything is rendered, with words that tell why.

use super::helm::{Helm, chart};

/// Values, and what the complaint must contain.
const REFUSED: [(&str, &str); 21] = [
    ("operator: {pollIntervall: 10s}", "pollIntervall"),
    ("operator: {pollInterval: 10}", "/operator/pollInterval"),
    ("operator: {pollInterval: 10 seconds}", "/operator/pollInterval"),
    ("operator: {atlasApiVersion: v3}", "/operator/atlasApiVersion"),
    ("operator: {atlasBaseUrl: cloud.mongodb.com}", "/operator/atlasBaseUrl"),
    ("operator: {concurrency: 0}", "/operator/concurrency"),
    ("operator: {httpListen: localhost}", "/operator/httpListen"),
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

/// An older cluster has no CEL in schemas; a cloud's suffix is no older version.
#[test]
fn old_clusters_are_refused_and_the_names_of_clouds_are_not() {
    let render = |version| Helm::offline().template(&chart(), "", &["--kube-version", version]);
    assert!(render("v1.28.9").expect_err("taken").contains("kubeVersion"));
    for version in ["v1.29.0", "v1.29.1-eks-1234567", "v1.30.5-gke.1014001", "v1.36.3"] {
        render(version).unwrap_or_else(|error| panic!("{version}: {error}"));
    }
}
