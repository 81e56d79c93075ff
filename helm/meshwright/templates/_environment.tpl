{{/* Variables of containers. Each takes (dict "root" $ "component" "agent"). */}}

{{- define "meshwright.env" -}}
- {name: MESHWRIGHT_LOG_LEVEL, value: {{ .root.Values.logLevel | quote }}}
- {name: MESHWRIGHT_LOG_FORMAT, value: json}
{{- with .root.Values.telemetry.otlpEndpoint }}
- {name: MESHWRIGHT_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- if and .root.Values.metrics.enabled (ne .component "web") }}
- {name: MESHWRIGHT_METRICS_ADDRESS, value: "0.0.0.0:{{ .root.Values.metrics.port }}"}
{{- end }}
{{- range $name, $value := (index .root.Values .component).settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{/* What a gRPC service has beside. */}}
{{- define "meshwright.env-of-service" -}}
{{ include "meshwright.env" . }}
- {name: MESHWRIGHT_LISTEN, value: "0.0.0.0:{{ .port }}"}
- {name: MESHWRIGHT_DRAIN_DELAY, value: {{ (index .root.Values .component).drain.delay | quote }}}
- {name: MESHWRIGHT_STOP_GRACE, value: {{ (index .root.Values .component).drain.grace | quote }}}
{{ include "meshwright.env-of-auth" . }}
{{- if .root.Values.auth.enabled }}
- {name: MESHWRIGHT_MESH_KEY_FILE, value: /etc/meshwright/mesh-key/key}
{{- end }}
{{- end }}

{{/* Without authentication the network policy is what lets services listen. */}}
{{- define "meshwright.env-of-auth" -}}
{{- with .root.Values.auth -}}
{{- if .enabled -}}
- {name: MESHWRIGHT_AUTH_JWKS, value: {{ default "/etc/meshwright/jwks/jwks.json" .jwksUrl | quote }}}
- {name: MESHWRIGHT_AUTH_ISSUER, value: {{ .issuer | quote }}}
- {name: MESHWRIGHT_AUTH_AUDIENCE, value: {{ .audience | quote }}}
{{- else -}}
- {name: MESHWRIGHT_TRUSTED_NETWORK, value: "true"}
{{- end }}
{{- end }}
{{- end }}

{{/* Limits of a principal, of which each service keeps its own. */}}
{{- define "meshwright.env-of-quotas" -}}
{{- with .root.Values.quotas -}}
- {name: MESHWRIGHT_QUOTA_SESSIONS, value: {{ .sessions | quote }}}
- {name: MESHWRIGHT_QUOTA_CONCURRENT_RUNS, value: {{ .concurrentRuns | quote }}}
- {name: MESHWRIGHT_QUOTA_TOKENS_PER_DAY, value: {{ .tokensPerDay | int64 | quote }}}
{{- end }}
{{- end }}

{{/* Where the address of the store comes from. */}}
{{- define "meshwright.env-of-store" -}}
{{- with .root.Values.redis -}}
{{- if .urlSecret.name -}}
- name: MESHWRIGHT_STORE_URL
  valueFrom:
    secretKeyRef: {name: {{ .urlSecret.name }}, key: {{ .urlSecret.key }}}
{{- else if .url -}}
- {name: MESHWRIGHT_STORE_URL, value: {{ .url | quote }}}
{{- else if .bundled -}}
- {name: MESHWRIGHT_STORE_URL, value: "redis://{{ include "meshwright.fullname" $.root }}-redis:6379/0"}
{{- end }}
{{- end }}
{{- end }}

{{- define "meshwright.env-of-files" -}}
{{- with .root.Values.files.url -}}
- {name: MESHWRIGHT_FILES_URL, value: {{ . | quote }}}
{{- end }}
{{- end }}

{{/* Secrets that hold variables. */}}
{{- define "meshwright.env-from" -}}
{{- $secrets := list -}}
{{- if has .component (list "agent" "tools") }}{{ $secrets = append $secrets .root.Values.files.credentialsSecret }}{{ end -}}
{{- if eq .component "agent" }}{{ $secrets = append $secrets .root.Values.model.keysSecret }}{{ end -}}
{{- with compact $secrets -}}
envFrom:
  {{- range . }}
  - secretRef: {name: {{ . }}}
  {{- end }}
{{- end }}
{{- end }}

{{/* Volumes with the keys of authentication. */}}
{{- define "meshwright.auth-volumes" -}}
{{- with .root.Values.auth -}}
{{- if and .enabled .jwksSecret.name }}
- name: jwks
  secret:
    secretName: {{ .jwksSecret.name }}
    items: [{key: {{ .jwksSecret.key }}, path: jwks.json}]
{{- end }}
{{- if and .enabled (ne $.component "gateway") }}
- name: mesh-key
  secret:
    secretName: {{ .meshKeySecret.name }}
    items: [{key: {{ .meshKeySecret.key }}, path: key}]
{{- end }}
{{- end }}
{{- end }}

{{- define "meshwright.auth-mounts" -}}
{{- with .root.Values.auth -}}
{{- if and .enabled .jwksSecret.name }}
- {name: jwks, mountPath: /etc/meshwright/jwks, readOnly: true}
{{- end }}
{{- if and .enabled (ne $.component "gateway") }}
- {name: mesh-key, mountPath: /etc/meshwright/mesh-key, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{/* The folder of what outlives a process. */}}
{{- define "meshwright.data-volume" -}}
- name: data
{{- if include "meshwright.volume-of" . }}
  persistentVolumeClaim:
    claimName: {{ default (printf "%s-files" (include "meshwright.fullname" .root)) .root.Values.files.volume.existingClaim }}
{{- else }}
  emptyDir: {sizeLimit: 1Gi}
{{- end }}
{{- end }}

{{/* Names under which the gateway answers: on the pod itself, in the cluster, and outside. */}}
{{- define "meshwright.allowed-hosts" -}}
{{- $service := printf "%s-gateway" (include "meshwright.fullname" .) -}}
{{- $inside := printf "%s.%s" $service .Release.Namespace -}}
{{- $hosts := list "localhost" "127.0.0.1" "[::1]" $service $inside (printf "%s.svc" $inside) (printf "%s.svc.cluster.local" $inside) -}}
{{- if .Values.ingress.enabled }}{{ $hosts = append $hosts .Values.ingress.host }}{{ end -}}
{{- range list .Values.gatewayApi.grpcRoute .Values.gatewayApi.httpRoute }}
{{- if .enabled }}{{ $hosts = concat $hosts .hostnames }}{{ end }}
{{- end -}}
{{- concat $hosts .Values.gateway.allowedHosts | uniq | join "," }}
{{- end }}
