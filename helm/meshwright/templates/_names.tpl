{{/* What objects are called. */}}
{{- define "meshwright.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Labels that never change: (dict "root" $ "component" "agent" "track" "stable"); track is optional. */}}
{{- define "meshwright.selector" -}}
app.kubernetes.io/name: meshwright
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .track }}
track: {{ . }}
{{- end }}
{{- end }}

{{- define "meshwright.labels" -}}
{{ include "meshwright.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: meshwright
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "meshwright.metadata" -}}
name: {{ include "meshwright.fullname" .root }}-{{ default .component .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "meshwright.labels" . | nindent 2 }}
{{- end }}

{{/* An image: (dict "image" .Values.image "tag" "" "digest" "" "root" $). */}}
{{- define "meshwright.image" -}}
{{- $image := .image -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .root.Chart.AppVersion $image.tag }}{{ end }}
{{- end }}

{{/* How many pods there are at least: (dict "root" $ "component" "agent"). */}}
{{- define "meshwright.least" -}}
{{- $values := index .root.Values .component -}}
{{- if and (hasKey $values "autoscaling") $values.autoscaling.enabled }}{{ $values.autoscaling.min }}{{ else }}{{ $values.replicas }}{{ end }}
{{- end }}

{{/* And at most. */}}
{{- define "meshwright.most" -}}
{{- $values := index .root.Values .component -}}
{{- if and (hasKey $values "autoscaling") $values.autoscaling.enabled }}{{ $values.autoscaling.max }}{{ else }}{{ $values.replicas }}{{ end }}
{{- end }}

{{/* "true" where a store of several agents is there. */}}
{{- define "meshwright.shared-store" -}}
{{- with .Values.redis }}{{ if or .bundled .url .urlSecret.name }}true{{ end }}{{ end }}
{{- end }}

{{/* "true" where agents keep nothing on the volume. */}}
{{- define "meshwright.agent-without-volume" -}}
{{- if and (include "meshwright.shared-store" .) .Values.files.url }}true{{ end }}
{{- end }}

{{/* The gateway's address inside the cluster, as clients write it. */}}
{{- define "meshwright.address" -}}
{{- with .Values.gateway.tls.secret }}https://{{ end }}{{ include "meshwright.fullname" . }}-gateway.{{ .Release.Namespace }}.svc:{{ .Values.gateway.service.port }}
{{- end }}

{{/* The demo shop, as browsers reach it. */}}
{{- define "meshwright.demo" -}}
http://{{ include "meshwright.fullname" . }}-web.{{ .Release.Namespace }}.svc:8084/demo/
{{- end }}

{{/* What browsers may reach beside the public internet. */}}
{{- define "meshwright.egress-allow" -}}
{{- $allowed := list -}}
{{- if .Values.web.demo }}
{{- range list "" "." ".svc" ".svc.cluster.local" }}
{{- $behind := . | empty | ternary "" (printf ".%s%s" $.Release.Namespace (trimSuffix "." .)) }}
{{- $allowed = append $allowed (printf "%s-web%s:8084" (include "meshwright.fullname" $) $behind) }}
{{- end }}
{{- end -}}
{{- concat $allowed .Values.browser.egress.allow | join "," }}
{{- end }}
