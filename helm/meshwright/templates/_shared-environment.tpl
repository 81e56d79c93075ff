{{/* Variables that several containers have: (dict "root" $ "component" "agent"). */}}

{{- define "meshwright.env" -}}
- {name: MESHWRIGHT_LOG_LEVEL, value: {{ .root.Values.logLevel | quote }}}
- {name: MESHWRIGHT_LOG_FORMAT, value: json}
{{- with .root.Values.telemetry.otlpEndpoint }}
- {name: MESHWRIGHT_OTLP_ENDPOINT, value: {{ . | quote }}}
{{- end }}
{{- end }}

{{/* What a gRPC service has beside. */}}
{{- define "meshwright.env-of-service" -}}
{{- $drain := (index .root.Values .component).drain -}}
{{ include "meshwright.env" . }}
- {name: MESHWRIGHT_LISTEN, value: "0.0.0.0:{{ .port }}"}
- {name: MESHWRIGHT_DRAIN_DELAY, value: {{ $drain.delay | quote }}}
- {name: MESHWRIGHT_STOP_GRACE, value: {{ $drain.grace | quote }}}
{{- if .root.Values.metrics.enabled }}
- {name: MESHWRIGHT_METRICS_ADDRESS, value: "0.0.0.0:{{ .root.Values.metrics.port }}"}
{{- end }}
# The network policy is what lets services listen without authentication, and show their figures.
- {name: MESHWRIGHT_TRUSTED_NETWORK, value: {{ .root.Values.networkPolicy.enabled | quote }}}
{{ include "meshwright.env-of-auth" . }}
{{- if .root.Values.auth.enabled }}
- {name: MESHWRIGHT_MESH_KEY_FILE, value: /etc/meshwright/mesh-key/key}
{{- end }}
{{- end }}

{{- define "meshwright.env-of-auth" -}}
{{- with .root.Values.auth }}
{{- if .enabled -}}
- {name: MESHWRIGHT_AUTH_JWKS, value: {{ default "/etc/meshwright/jwks/jwks.json" .jwksUrl | quote }}}
- {name: MESHWRIGHT_AUTH_ISSUER, value: {{ .issuer | quote }}}
- {name: MESHWRIGHT_AUTH_AUDIENCE, value: {{ .audience | quote }}}
{{- end }}
{{- end }}
{{- end }}

{{/* Limits of a principal. */}}
{{- define "meshwright.env-of-quotas" -}}
{{- with .root.Values.quotas -}}
- {name: MESHWRIGHT_QUOTA_SESSIONS, value: {{ .sessions | int64 | quote }}}
- {name: MESHWRIGHT_QUOTA_RUNS, value: {{ .runs | int64 | quote }}}
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
