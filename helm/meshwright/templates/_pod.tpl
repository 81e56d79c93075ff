{{/* Parts of pods. Each takes (dict "root" $ "component" "agent"), and "values" where those of the component have another name or place. */}}

{{/* How a pod may run: as nobody in particular, with nothing it does not need. */}}
{{- define "meshwright.pod-security" -}}
runAsNonRoot: true
runAsUser: {{ default 10001 .user }}
runAsGroup: {{ default 10001 .user }}
fsGroup: {{ default 10001 .user }}
# A large volume is not walked through at every start.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  {{- default (dict "type" "RuntimeDefault") .seccomp | toYaml | nindent 2 }}
{{- end }}

{{- define "meshwright.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where a pod may run. */}}
{{- define "meshwright.placement" -}}
{{- $values := default (index .root.Values .component) .values -}}
{{- $affinity := deepCopy $values.affinity -}}
{{- if and (has .component (list "agent" "tools")) (include "meshwright.volume-of" .) (eq .root.Values.files.volume.accessMode "ReadWriteOnce") -}}
{{- $mine := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (dict "meshwright-files" .root.Release.Name)) -}}
{{- $pods := default dict $affinity.podAffinity -}}
{{- $required := append (default list $pods.requiredDuringSchedulingIgnoredDuringExecution) $mine -}}
{{- $affinity = set $affinity "podAffinity" (set $pods "requiredDuringSchedulingIgnoredDuringExecution" $required) -}}
{{- end -}}
{{- with $affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
topologySpreadConstraints:
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "meshwright.selector" $ | nindent 8 }}
    # Each version spreads by itself, or an upgrade would crowd.
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}

{{- define "meshwright.labels-of-pod" -}}
{{ include "meshwright.labels" . }}
{{- if include "meshwright.volume-of" . }}
meshwright-files: {{ .root.Release.Name }}
{{- end }}
{{- with (default (index .root.Values .component) .values).podLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What every pod has around its container. */}}
{{- define "meshwright.pod-basics" -}}
serviceAccountName: {{ include "meshwright.fullname" .root }}-{{ .component }}
automountServiceAccountToken: false
# Addresses of all services of the namespace as variables are of no use here and slow the start down.
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "meshwright.placement" . }}
{{- end }}

{{/* Agents and tools keep to the pods that they know by name until they connect anew and look the name up again. Until then a pod that goes
serves on: they would have none if it were the only one. */}}
{{- define "meshwright.serve-on" -}}
{{- with (index .root.Values .component).drain.lookup -}}
lifecycle:
  preStop: {exec: {command: [sleep, {{ . | quote }}]}}
{{- end }}
{{- end }}

{{/* Seconds from the order to stop to the kill: serving on, delay or handing over, telling the streams (10 s), grace, cleaning up (5 s), and some air. */}}
{{- define "meshwright.patience" -}}
{{- $drain := (index .root.Values .component).drain -}}
{{ add (default 0 $drain.lookup) (max $drain.delay (default 0 $drain.handOver)) $drain.grace 20 }}
{{- end }}

{{/* Probes of a gRPC service. Only the process's own loop decides whether it lives; what it needs decides whether it gets calls. */}}
{{- define "meshwright.grpc-probes" -}}
startupProbe:
  grpc: {port: {{ .port }}, service: live}
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: {{ default 60 .startSeconds }}
livenessProbe:
  grpc: {port: {{ .port }}, service: live}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  grpc: {port: {{ .port }}}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 1
{{- end }}
