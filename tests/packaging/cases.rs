//! The table of the chart's unit tests: for each value, what it changes in the rendering.

use Is::{Absent, Present};

/// What is expected at a place.
#[derive(Clone, Copy)]
pub enum Is {
    /// This, as JSON.
    Equal(&'static str),
    Present,
    Absent,
}

/// One thing that values do.
pub struct Case {
    /// Of the list in [`FEATURES`], or "" for what else the chart can do.
    pub feature: &'static str,
    pub values: &'static str,
    /// Each place is a kind, where needed with a part of the name (`Role@leader`), and a JSON pointer into that object;
    /// `arg` stands for the arguments of the operator, `arg@--x` for those that begin so.
    pub expect: &'static [(&'static str, Is)],
}

const fn case(feature: &'static str, values: &'static str, expect: &'static [(&'static str, Is)]) -> Case {
    Case { feature, values, expect }
}

const fn is(json: &'static str) -> Is {
    Is::Equal(json)
}

/// The union of what well-kept charts have.
pub const FEATURES: [&str; 33] = [
    "imagePullSecrets",
    "priorityClassName",
    "readOnlyRootFilesystem",
    "NOTES.txt",
    "liveness and readiness",
    "extraEnv",
    "commonLabels",
    "leader-election option",
    "seccomp RuntimeDefault",
    "drop ALL",
    "topologySpread",
    "ServiceMonitor or PodMonitor",
    "generated README",
    "extraArgs",
    "namespaced mode",
    "PDB",
    "kubeVersion",
    "aggregated roles",
    "extraObjects",
    "CRDs installable and upgradable",
    "values.schema.json",
    "NetworkPolicy",
    "Artifact Hub annotations",
    "ci/ values",
    "namespaceOverride",
    "chart unit tests",
    "image digest",
    "Grafana dashboard",
    "PrometheusRule",
    "resource-policy: keep",
    "helm test hook",
    "node selectors, tolerations and affinity",
    "extra volumes (CA bundle)",
];

/// Those that are no value, with the test that shows each.
pub const WITHOUT_A_VALUE: [(&str, &str); 8] = [
    ("NOTES.txt", "install::a_release_lives"),
    ("generated README", "files::the_readme_of_the_chart_lists_every_value"),
    ("kubeVersion", "refused::old_clusters_are_refused_and_the_names_of_clouds_are_not"),
    ("values.schema.json", "refused::wrong_values_are_refused_with_their_name"),
    ("Artifact Hub annotations", "features::artifact_hub_finds_what_it_shows"),
    ("ci/ values", "features::every_ci_rendering_is_sound"),
    ("chart unit tests", "features::each_value_does_what_it_says"),
    ("CRDs installable and upgradable", "install::a_release_lives"),
];

#[rustfmt::skip]
pub const CASES: &[Case] = &[
    // As it comes.
    case("liveness and readiness", "livenessProbe: {periodSeconds: 7}\nreadinessProbe: {failureThreshold: 9}", &[
        ("Deployment/spec/template/spec/containers/0/livenessProbe/httpGet", is(r#"{"path": "/healthz", "port": "http"}"#)),
        ("Deployment/spec/template/spec/containers/0/livenessProbe/periodSeconds", is("7")),
        ("Deployment/spec/template/spec/containers/0/readinessProbe/httpGet", is(r#"{"path": "/readyz", "port": "http"}"#)),
        ("Deployment/spec/template/spec/containers/0/readinessProbe/failureThreshold", is("9")),
    ]),
    case("seccomp RuntimeDefault", "podSecurityContext: {fsGroup: 7}", &[
        ("Deployment/spec/template/spec/securityContext/seccompProfile/type", is(r#""RuntimeDefault""#)),
        ("Deployment/spec/template/spec/securityContext/runAsNonRoot", is("true")),
        ("Deployment/spec/template/spec/securityContext/fsGroup", is("7")),
    ]),
    case("drop ALL", "securityContext: {privileged: false}", &[
        ("Deployment/spec/template/spec/containers/0/securityContext/capabilities", is(r#"{"drop": ["ALL"]}"#)),
        ("Deployment/spec/template/spec/containers/0/securityContext/allowPrivilegeEscalation", is("false")),
        ("Deployment/spec/template/spec/containers/0/securityContext/privileged", is("false")),
    ]),
    case("readOnlyRootFilesystem", "securityContext: {readOnlyRootFilesystem: false}", &[
        ("Deployment/spec/template/spec/containers/0/securityContext/readOnlyRootFilesystem", is("false")),
    ]),
    case("resource-policy: keep", "crds: {keep: false}", &[
        ("CustomResourceDefinition@atlasprivatelinks/metadata/annotations", Absent),
    ]),
    case("CRDs installable and upgradable", "crds: {enabled: false}", &[("CustomResourceDefinition", Absent)]),

    // Where it works, and what it may.
    case("namespaced mode", "namespaces: [payments, orders]", &[
        ("ClusterRole", Absent), ("ClusterRoleBinding", Absent),
        ("Role@operators-release-atlas-privatelink-operator/rules/2", is(r#"{"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["get"]}"#)),
        ("Role@operators-release-atlas-privatelink-operator/metadata/namespace", is(r#""payments""#)),
        ("RoleBinding@operators-release-atlas-privatelink-operator/subjects/0/namespace", is(r#""operators""#)),
        ("arg", is(r#""--namespace=payments""#)), ("arg", is(r#""--namespace=orders""#)),
    ]),
    case("aggregated roles", "rbac: {aggregate: false}", &[("ClusterRole@-view", Absent), ("ClusterRole@-edit", Absent)]),
    case("", "rbac: {create: false}", &[
        ("ClusterRole", Absent), ("ClusterRoleBinding", Absent), ("Role", Absent), ("RoleBinding", Absent),
    ]),
    case("", "serviceAccount: {create: false, name: mine}", &[
        ("ServiceAccount", Absent), ("Deployment/spec/template/spec/serviceAccountName", is(r#""mine""#)),
        ("ClusterRoleBinding/subjects/0/name", is(r#""mine""#)),
    ]),
    case("", "serviceAccount: {annotations: {a: b}}", &[("ServiceAccount/metadata/annotations/a", is(r#""b""#))]),

    // Flags of the operator.
    case("", "operator: {atlasBaseUrl: 'https://cloud.mongodbgov.com'}", &[("arg", is(r#""--atlas-base-url=https://cloud.mongodbgov.com""#))]),
    case("", "operator: {atlasApiVersion: v1.0}", &[("arg", is(r#""--atlas-api-version=v1.0""#))]),
    case("", "operator: {pollInterval: 1m30s}", &[("arg", is(r#""--poll-interval=1m30s""#))]),
    case("", "operator: {resyncInterval: 1h}", &[("arg", is(r#""--resync-interval=1h""#))]),
    case("", "operator: {concurrency: 1024}", &[("arg", is(r#""--concurrency=1024""#))]),
    case("", "operator: {logFormat: text}", &[("arg", is(r#""--log-format=text""#))]),
    case("", "operator: {logLevel: 'info,kube=debug'}", &[("arg", is(r#""--log-level=info,kube=debug""#))]),
    case("", "operator: {httpListen: '127.0.0.1:9090'}", &[
        ("arg", is(r#""--http-listen=127.0.0.1:9090""#)),
        ("Deployment/spec/template/spec/containers/0/ports/0/containerPort", is("9090")),
    ]),
    case("", "operator: {allowHttp: true, atlasBaseUrl: 'http://atlas.test'}", &[
        ("arg", is(r#""--allow-http""#)), ("arg", is(r#""--atlas-base-url=http://atlas.test""#)),
    ]),
    case("", "operator: {atlasBaseUrl: 'http://127.0.0.1:8080/'}", &[("arg", is(r#""--atlas-base-url=http://127.0.0.1:8080/""#)), ("arg@--allow-http", Absent)]),
    case("", "operator: {atlasBaseUrl: 'http://[::1]:8080'}", &[("arg", is(r#""--atlas-base-url=http://[::1]:8080""#))]),
    case("", "operator: {pollInterval: 1m2s3ms, resyncInterval: 999999999d}", &[
        ("arg", is(r#""--poll-interval=1m2s3ms""#)), ("arg", is(r#""--resync-interval=999999999d""#)),
    ]),
    case("", "defaults: {deletionPolicy: Retain}", &[("arg", is(r#""--default-deletion-policy=Retain""#))]),
    case("leader-election option", "leaderElection: {leaseName: mine, leaseDuration: 30s}", &[
        ("arg", is(r#""--leader-election""#)), ("arg", is(r#""--leader-election-lease-name=mine""#)),
        ("arg", is(r#""--leader-election-lease-duration=30s""#)),
        ("Role@leader-election/rules/1/resourceNames", is(r#"["mine"]"#)),
        ("Role@leader-election/metadata/namespace", is(r#""operators""#)),
    ]),
    case("leader-election option", "leaderElection: {enabled: false}\nstrategy: {type: Recreate}", &[
        ("arg@--leader-election", Absent), ("Role", Absent), ("RoleBinding", Absent), ("ClusterRole", Present),
    ]),
    case("", "proxy: {https: 'http://proxy:3128', noProxy: 'a,b'}", &[
        ("arg", is(r#""--https-proxy=http://proxy:3128""#)), ("arg", is(r#""--no-proxy=a,b""#)),
    ]),
    case("extra volumes (CA bundle)", "caBundle: {configMap: roots, key: roots.pem}", &[
        ("arg", is(r#""--ca-file=/etc/atlas-privatelink/ca/roots.pem""#)),
        ("Deployment/spec/template/spec/volumes/0", is(r#"{"name": "ca-bundle", "configMap": {"name": "roots", "items": [{"key": "roots.pem", "path": "roots.pem"}]}}"#)),
        ("Deployment/spec/template/spec/containers/0/volumeMounts/0", is(r#"{"name": "ca-bundle", "mountPath": "/etc/atlas-privatelink/ca", "readOnly": true}"#)),
    ]),
    case("extra volumes (CA bundle)", "caBundle: {secret: roots}", &[
        ("arg", is(r#""--ca-file=/etc/atlas-privatelink/ca/ca.crt""#)),
        ("Deployment/spec/template/spec/volumes/0/secret/secretName", is(r#""roots""#)),
    ]),
    case("extra volumes (CA bundle)", "{caBundle: {secret: roots}, extraVolumes: [{name: tmp, emptyDir: {}}], extraVolumeMounts: [{name: tmp, mountPath: /tmp}]}", &[
        ("Deployment/spec/template/spec/volumes/0/name", is(r#""ca-bundle""#)),
        ("Deployment/spec/template/spec/volumes/1", is(r#"{"name": "tmp", "emptyDir": {}}"#)),
        ("Deployment/spec/template/spec/containers/0/volumeMounts/1", is(r#"{"name": "tmp", "mountPath": "/tmp"}"#)),
    ]),
    case("extraArgs", "extraArgs: ['--no-proxy=a: b']", &[("arg", is(r#""--no-proxy=a: b""#))]),
    case("extraEnv", "extraEnv: [{name: A, value: b}]\nextraEnvFrom: [{secretRef: {name: s}}]", &[
        ("Deployment/spec/template/spec/containers/0/env/2", is(r#"{"name": "A", "value": "b"}"#)),
        ("Deployment/spec/template/spec/containers/0/env/1/name", is(r#""POD_NAMESPACE""#)),
        ("Deployment/spec/template/spec/containers/0/envFrom/0/secretRef/name", is(r#""s""#)),
    ]),

    // The image.
    case("", "image: {repository: mirror/operator, tag: '2', pullPolicy: Always}", &[
        ("Deployment/spec/template/spec/containers/0/image", is(r#""mirror/operator:2""#)),
        ("Deployment/spec/template/spec/containers/0/imagePullPolicy", is(r#""Always""#)),
        ("Pod/spec/containers/0/image", is(r#""mirror/operator:2""#)),
    ]),
    case("image digest", "image: {repository: o, tag: '2', digest: 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'}", &[
        ("Deployment/spec/template/spec/containers/0/image", is(r#""o@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#)),
    ]),
    case("imagePullSecrets", "imagePullSecrets: [{name: registry}]", &[
        ("Deployment/spec/template/spec/imagePullSecrets", is(r#"[{"name": "registry"}]"#)),
        ("Pod/spec/imagePullSecrets", is(r#"[{"name": "registry"}]"#)),
    ]),

    // Names, labels, annotations.
    case("", "nameOverride: other", &[("Deployment/metadata/name", is(r#""release-other""#))]),
    case("", "fullnameOverride: other", &[
        ("Deployment/metadata/name", is(r#""other""#)), ("arg", is(r#""--leader-election-lease-name=other""#)),
    ]),
    case("namespaceOverride", "namespaceOverride: elsewhere", &[
        ("Deployment/metadata/namespace", is(r#""elsewhere""#)), ("Role@leader-election/metadata/namespace", is(r#""elsewhere""#)),
        ("ClusterRoleBinding/subjects/0/namespace", is(r#""elsewhere""#)),
        ("Pod/spec/containers/0/args/2", is(r#""http://release-atlas-privatelink-operator.elsewhere.svc:8080/readyz""#)),
    ]),
    case("commonLabels", "commonLabels: {team: network, app.kubernetes.io/name: stolen}\ncommonAnnotations: {a: b}", &[
        ("Deployment/metadata/labels/team", is(r#""network""#)),
        ("Deployment/metadata/labels/app.kubernetes.io~1name", is(r#""atlas-privatelink-operator""#)),
        ("Deployment/spec/template/metadata/labels/team", is(r#""network""#)),
        ("CustomResourceDefinition@atlasprivatelinks/metadata/labels/team", is(r#""network""#)),
        ("CustomResourceDefinition@atlasprivatelinks/metadata/annotations", is(r#"{"helm.sh/resource-policy": "keep", "a": "b"}"#)),
        ("Deployment/spec/template/metadata/annotations/a", is(r#""b""#)),
    ]),
    case("", "annotations: {a: b}\npodAnnotations: {c: d}\npodLabels: {e: f}", &[
        ("Deployment/metadata/annotations", is(r#"{"a": "b"}"#)),
        ("Deployment/spec/template/metadata/annotations/c", is(r#""d""#)),
        ("Deployment/spec/template/metadata/labels/e", is(r#""f""#)),
        ("Deployment/spec/selector/matchLabels/e", Absent),
    ]),

    // The Pods.
    case("", "replicas: 0\nrevisionHistoryLimit: 1\nstrategy: {type: Recreate}\nterminationGracePeriodSeconds: 5", &[
        ("Deployment/spec/replicas", is("0")), ("Deployment/spec/revisionHistoryLimit", is("1")),
        ("Deployment/spec/strategy/type", is(r#""Recreate""#)),
        ("Deployment/spec/template/spec/terminationGracePeriodSeconds", is("5")),
    ]),
    case("", "resources: {limits: {memory: 1Gi}}", &[("Deployment/spec/template/spec/containers/0/resources/limits/memory", is(r#""1Gi""#))]),
    case("priorityClassName", "priorityClassName: system-cluster-critical\nruntimeClassName: gvisor", &[
        ("Deployment/spec/template/spec/priorityClassName", is(r#""system-cluster-critical""#)),
        ("Deployment/spec/template/spec/runtimeClassName", is(r#""gvisor""#)),
    ]),
    case("node selectors, tolerations and affinity", "nodeSelector: {pool: infra}\ntolerations: [{operator: Exists}]\naffinity: {nodeAffinity: {}}", &[
        ("Deployment/spec/template/spec/nodeSelector", is(r#"{"kubernetes.io/os": "linux", "pool": "infra"}"#)),
        ("Deployment/spec/template/spec/tolerations", is(r#"[{"operator": "Exists"}]"#)),
        ("Deployment/spec/template/spec/affinity", is(r#"{"nodeAffinity": {}}"#)),
        ("Pod/spec/tolerations", is(r#"[{"operator": "Exists"}]"#)), ("Pod/spec/nodeSelector/pool", is(r#""infra""#)),
    ]),
    case("topologySpread", "topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]", &[
        ("Deployment/spec/template/spec/topologySpreadConstraints", is(r#"[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "atlas-privatelink-operator", "app.kubernetes.io/instance": "release", "app.kubernetes.io/component": "operator"}}}]"#)),
    ]),
    case("", "dnsPolicy: None\ndnsConfig: {nameservers: [10.0.0.1]}\nhostAliases: [{ip: 10.0.0.2}]", &[
        ("Deployment/spec/template/spec/dnsPolicy", is(r#""None""#)),
        ("Deployment/spec/template/spec/dnsConfig/nameservers", is(r#"["10.0.0.1"]"#)),
        ("Deployment/spec/template/spec/hostAliases/0/ip", is(r#""10.0.0.2""#)),
    ]),
    case("", "extraContainers: [{name: side}]\ninitContainers: [{name: first}]", &[
        ("Deployment/spec/template/spec/containers/1/name", is(r#""side""#)),
        ("Deployment/spec/template/spec/initContainers/0/name", is(r#""first""#)),
    ]),
    case("PDB", "replicas: 2", &[
        ("PodDisruptionBudget/spec/maxUnavailable", is("1")), ("PodDisruptionBudget/spec/selector/matchLabels", Present),
    ]),
    case("PDB", "replicas: 3\npodDisruptionBudget: {minAvailable: 0}", &[
        ("PodDisruptionBudget/spec/minAvailable", is("0")), ("PodDisruptionBudget/spec/maxUnavailable", Absent),
    ]),
    case("PDB", "replicas: 3\npodDisruptionBudget: {maxUnavailable: 50%}", &[("PodDisruptionBudget/spec/maxUnavailable", is(r#""50%""#))]),
    case("PDB", "replicas: 2\npodDisruptionBudget: {enabled: false}", &[
        ("PodDisruptionBudget", Absent), ("Deployment/spec/replicas", is("2")),
    ]),

    // Around it.
    case("", "service: {enabled: false}", &[("Service", Absent), ("Pod", Absent)]),
    case("", "service: {type: NodePort, port: 80, annotations: {a: b}, labels: {c: d}}", &[
        ("Service/spec/type", is(r#""NodePort""#)), ("Service/spec/ports/0/port", is("80")),
        ("Service/spec/ports/0/targetPort", is(r#""http""#)),
        ("Service/metadata/annotations/a", is(r#""b""#)), ("Service/metadata/labels/c", is(r#""d""#)),
        ("Pod/spec/containers/0/args/2", is(r#""http://release-atlas-privatelink-operator.operators.svc:80/readyz""#)),
    ]),
    case("NetworkPolicy", "networkPolicy: {enabled: true}", &[
        ("NetworkPolicy/spec/policyTypes", is(r#"["Ingress", "Egress"]"#)),
        ("NetworkPolicy/spec/ingress", is(r#"[{"ports": [{"port": 8080, "protocol": "TCP"}]}]"#)),
        ("NetworkPolicy/spec/egress/1/ports", is(r#"[{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]"#)),
        ("NetworkPolicy/spec/egress/1/to", Absent),
    ]),
    case("NetworkPolicy", "networkPolicy: {enabled: true, ingressFrom: [{podSelector: {}}], egressPorts: [8443], egressTo: [{ipBlock: {cidr: 10.0.0.0/8}}], extraEgress: [{ports: [{port: 3128}]}]}", &[
        ("NetworkPolicy/spec/ingress/0/from", is(r#"[{"podSelector": {}}]"#)),
        ("NetworkPolicy/spec/egress/1", is(r#"{"ports": [{"port": 8443, "protocol": "TCP"}], "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}"#)),
        ("NetworkPolicy/spec/egress/2", is(r#"{"ports": [{"port": 3128}]}"#)),
    ]),
    case("ServiceMonitor or PodMonitor", "monitoring: {missingKinds: force}\nserviceMonitor: {enabled: true, interval: 15s, scrapeTimeout: 10s, labels: {a: b}, annotations: {c: d}, relabelings: [{action: keep}], metricRelabelings: [{action: drop}]}", &[
        ("ServiceMonitor/spec/endpoints", is(r#"[{"port": "http", "path": "/metrics", "honorLabels": true, "interval": "15s", "scrapeTimeout": "10s", "relabelings": [{"action": "keep"}], "metricRelabelings": [{"action": "drop"}]}]"#)),
        ("ServiceMonitor/metadata/labels/a", is(r#""b""#)), ("ServiceMonitor/metadata/annotations/c", is(r#""d""#)),
        ("ServiceMonitor/spec/namespaceSelector/matchNames", is(r#"["operators"]"#)), ("PodMonitor", Absent),
    ]),
    case("ServiceMonitor or PodMonitor", "monitoring: {missingKinds: force}\npodMonitor: {enabled: true, interval: 15s, scrapeTimeout: 10s, labels: {a: b}, annotations: {c: d}, relabelings: [{action: keep}], metricRelabelings: [{action: drop}]}", &[
        ("PodMonitor/spec/podMetricsEndpoints", is(r#"[{"port": "http", "path": "/metrics", "honorLabels": true, "interval": "15s", "scrapeTimeout": "10s", "relabelings": [{"action": "keep"}], "metricRelabelings": [{"action": "drop"}]}]"#)),
        ("PodMonitor/metadata/labels/a", is(r#""b""#)), ("PodMonitor/metadata/annotations/c", is(r#""d""#)), ("ServiceMonitor", Absent),
    ]),
    case("", "monitoring: {missingKinds: skip}\nserviceMonitor: {enabled: true}\npodMonitor: {enabled: true}\nprometheusRule: {enabled: true}", &[
        ("ServiceMonitor", Absent), ("PodMonitor", Absent), ("PrometheusRule", Absent), ("Deployment", Present),
    ]),
    case("PrometheusRule", "monitoring: {missingKinds: force}\nprometheusRule: {enabled: true, labels: {a: b}, annotations: {c: d}, extraGroups: [{name: mine, rules: []}]}", &[
        ("PrometheusRule/spec/groups/0", is(r#"{"name": "packed", "rules": [{"alert": "A", "expr": "up == 0", "annotations": {"summary": "{{ $labels.pod }} is down"}}]}"#)),
        ("PrometheusRule/spec/groups/1/name", is(r#""mine""#)),
        ("PrometheusRule/metadata/labels/a", is(r#""b""#)), ("PrometheusRule/metadata/annotations/c", is(r#""d""#)),
    ]),
    case("Grafana dashboard", "dashboard: {enabled: true, namespace: grafana, labels: {find: me}, annotations: {folder: Atlas}}", &[
        ("ConfigMap/data/atlas-privatelink.json", is(r#""{\n  \"title\": \"{{ packed }}\"\n}""#)),
        ("ConfigMap/metadata/namespace", is(r#""grafana""#)), ("ConfigMap/metadata/labels/find", is(r#""me""#)),
        ("ConfigMap/metadata/labels/grafana_dashboard", is(r#""1""#)), ("ConfigMap/metadata/annotations/folder", is(r#""Atlas""#)),
    ]),
    case("extraObjects", "extraObjects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-more'}}, \"kind: Secret\\nmetadata: {name: {{ .Release.Namespace }}-text}\"]", &[
        ("ConfigMap/metadata/name", is(r#""release-more""#)), ("Secret/metadata/name", is(r#""operators-text""#)),
    ]),
    case("helm test hook", "test: {timeout: 5m, resources: {limits: {memory: 1Gi}}}", &[
        ("Pod/metadata/annotations/helm.sh~1hook", is(r#""test""#)),
        ("Pod/spec/containers/0/args", is(r#"["probe", "--timeout=5m", "http://release-atlas-privatelink-operator.operators.svc:8080/readyz"]"#)),
        ("Pod/spec/containers/0/resources/limits/memory", is(r#""1Gi""#)),
        ("Pod/metadata/labels/app.kubernetes.io~1component", is(r#""test""#)),
    ]),
    case("helm test hook", "test: {enabled: false}", &[("Pod", Absent)]),
    case("", "global: {imageRegistry: nobody-reads-this}", &[("Deployment/spec/template/spec/containers/0/image", Present)]),
];
