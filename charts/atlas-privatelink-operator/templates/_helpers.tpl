{{- define "atlas-privatelink-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "atlas-privatelink-operator.fullname" -}}
{{- $name := include "atlas-privatelink-operator.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "atlas-privatelink-operator.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- /* Cluster-scoped names must differ between releases of the same name in several namespaces. */}}
{{- define "atlas-privatelink-operator.clusterName" -}}
{{- printf "%s-%s" (include "atlas-privatelink-operator.namespace" .) (include "atlas-privatelink-operator.fullname" .) }}
{{- end }}

{{- define "atlas-privatelink-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "atlas-privatelink-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: operator
{{- end }}

{{- /* The chart's own labels win: the selectors rest on them. */}}
{{- define "atlas-privatelink-operator.labels" -}}
{{- $own := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" "atlas-privatelink" }}
{{- merge $own (include "atlas-privatelink-operator.selectorLabels" . | fromYaml) .Values.commonLabels | toYaml }}
{{- end }}

{{- /* The metadata of a namespaced object: (dict "root" $ "name" … "labels" … "annotations" …), all but root optional. */}}
{{- define "atlas-privatelink-operator.metadata" -}}
{{- $root := .root -}}
name: {{ default (include "atlas-privatelink-operator.fullname" $root) .name | quote }}
{{- if not .cluster }}
namespace: {{ default (include "atlas-privatelink-operator.namespace" $root) .namespace | quote }}
{{- end }}
labels:
  {{- merge (dict) (default dict .labels) (include "atlas-privatelink-operator.labels" $root | fromYaml) | toYaml | nindent 2 }}
{{- with merge (dict) (default dict .annotations) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "atlas-privatelink-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "atlas-privatelink-operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.create is false: set serviceAccount.name" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "atlas-privatelink-operator.image" -}}
{{- with .Values.image }}
{{- if .digest }}
{{- printf "%s@%s" .repository .digest }}
{{- else }}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "atlas-privatelink-operator.port" -}}
{{- default "8080" (regexFind "[0-9]+$" .Values.operator.httpListen) }}
{{- end }}

{{- define "atlas-privatelink-operator.leaseName" -}}
{{- default (include "atlas-privatelink-operator.fullname" .) .Values.leaderElection.leaseName }}
{{- end }}

{{- /* "true" if an operator stands for election. Of several that do not, each would do the work of all. */}}
{{- define "atlas-privatelink-operator.elects" -}}
{{- if .Values.leaderElection.enabled -}}
true
{{- else if gt (int .Values.replicas) 1 }}
{{- fail "leaderElection.enabled is false: replicas must not be above 1" }}
{{- end }}
{{- end }}

{{- /* Where Atlas is. The operator would refuse plain http to others than itself, and be started again and again. */}}
{{- define "atlas-privatelink-operator.baseUrl" -}}
{{- $loopback := "^(?i)http://(localhost|127([.][0-9]{1,3}){3}|\\[::1\\])(:[0-9]+)?/?$" }}
{{- with .Values.operator }}
{{- if not (or .allowHttp (hasPrefix "https:" .atlasBaseUrl) (regexMatch $loopback .atlasBaseUrl)) }}
{{- fail "operator.atlasBaseUrl is plain http: keys would travel unprotected; use https, or set operator.allowHttp" }}
{{- end }}
{{- .atlasBaseUrl }}
{{- end }}
{{- end }}

{{- /* Every flag of `run` that a value sets. */}}
{{- define "atlas-privatelink-operator.args" -}}
{{- $args := list "run"
  (printf "--atlas-base-url=%s" (include "atlas-privatelink-operator.baseUrl" .))
  (printf "--atlas-api-version=%s" .Values.operator.atlasApiVersion)
  (printf "--poll-interval=%s" .Values.operator.pollInterval)
  (printf "--resync-interval=%s" .Values.operator.resyncInterval)
  (printf "--default-deletion-policy=%s" .Values.defaults.deletionPolicy)
  (printf "--concurrency=%d" (int .Values.operator.concurrency))
  (printf "--log-format=%s" .Values.operator.logFormat)
  (printf "--log-level=%s" .Values.operator.logLevel) }}
{{- if include "atlas-privatelink-operator.elects" . }}
{{- $args = concat $args (list
  "--leader-election"
  (printf "--leader-election-lease-name=%s" (include "atlas-privatelink-operator.leaseName" .))
  (printf "--leader-election-lease-duration=%s" .Values.leaderElection.leaseDuration)) }}
{{- end }}
{{- with .Values.operator.httpListen }}{{ $args = append $args (printf "--http-listen=%s" .) }}{{ end }}
{{- if .Values.operator.allowHttp }}{{ $args = append $args "--allow-http" }}{{ end }}
{{- range uniq .Values.namespaces }}{{ $args = append $args (printf "--namespace=%s" .) }}{{ end }}
{{- with .Values.proxy.https }}{{ $args = append $args (printf "--https-proxy=%s" .) }}{{ end }}
{{- with .Values.proxy.noProxy }}{{ $args = append $args (printf "--no-proxy=%s" .) }}{{ end }}
{{- if include "atlas-privatelink-operator.caVolume" . }}
{{- $args = append $args (printf "--ca-file=/etc/atlas-privatelink/ca/%s" .Values.caBundle.key) }}
{{- end }}
{{- concat $args .Values.extraArgs | toYaml }}
{{- end }}

{{- /* The volume of the CA bundle, if there is one. */}}
{{- define "atlas-privatelink-operator.caVolume" -}}
{{- with .Values.caBundle }}
{{- $items := list (dict "key" .key "path" .key) }}
{{- if and .configMap .secret }}
{{- fail "caBundle: set configMap or secret, not both" }}
{{- else if .configMap }}
{{- dict "name" "ca-bundle" "configMap" (dict "name" .configMap "items" $items) | toYaml }}
{{- else if .secret }}
{{- dict "name" "ca-bundle" "secret" (dict "secretName" .secret "items" $items) | toYaml }}
{{- end }}
{{- end }}
{{- end }}

{{- /* "true" if a monitoring object of this kind is to be rendered: (dict "root" $ "kind" …). */}}
{{- define "atlas-privatelink-operator.monitors" -}}
{{- $policy := .root.Values.monitoring.missingKinds }}
{{- if or (eq $policy "force") (.root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" .kind)) -}}
true
{{- else if eq $policy "fail" }}
{{- fail (printf "the cluster has no %s (monitoring.coreos.com/v1): install the Prometheus operator first, or set monitoring.missingKinds to skip or force" .kind) }}
{{- end }}
{{- end }}

{{- /* What ServiceMonitor and PodMonitor say of their one endpoint. */}}
{{- define "atlas-privatelink-operator.endpoint" -}}
- port: http
  path: /metrics
  honorLabels: true # `namespace` is the resource's
  {{- with .interval }}
  interval: {{ . }}
  {{- end }}
  {{- with .scrapeTimeout }}
  scrapeTimeout: {{ . }}
  {{- end }}
  {{- with .relabelings }}
  relabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .metricRelabelings }}
  metricRelabelings:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
