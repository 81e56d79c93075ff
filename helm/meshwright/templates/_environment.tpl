{{/* Variables of the containers, one list for each component: (dict "root" $ "component" "agent"). */}}

{{/* A list of variables with the settings of the values in the place of those that they name: (dict "env" text "settings" map). */}}
{{- define "meshwright.with-settings" -}}
{{- range fromYamlArray .env }}
{{- if not (hasKey $.settings .name) }}
- {{ toJson . }}
{{- end }}
{{- end }}
{{- range $name, $value := .settings }}
- {{ toJson (dict "name" $name "value" $value) }}
{{- end }}
{{- end }}

{{- define "meshwright.agent-env" -}}
{{- $name := include "meshwright.fullname" .root -}}
{{ include "meshwright.env-of-service" (merge (dict "port" 8081) .) }}
{{ include "meshwright.env-of-store" . }}
{{ include "meshwright.env-of-files" . }}
{{ include "meshwright.env-of-quotas" . }}
{{- if eq .track "canary" }}
- {name: MESHWRIGHT_TRACK, value: canary}
{{- end }}
- {name: MESHWRIGHT_HAND_OVER_GRACE, value: {{ .root.Values.agent.drain.handOver | quote }}}
- {name: MESHWRIGHT_RETENTION_DAYS, value: {{ .root.Values.agent.retentionDays | quote }}}
- {name: MESHWRIGHT_TOOLS_ADDRESS, value: "{{ $name }}-tools:8082"}
- {name: MESHWRIGHT_BROWSER_ADDRESS, value: "{{ $name }}-browser:8083"}
- {name: MESHWRIGHT_SITE_DEMO, value: {{ .root.Values.web.demo | quote }}}
- {name: MESHWRIGHT_DEMO_URL, value: {{ include "meshwright.demo" .root | quote }}}
{{- with .root.Values.flags }}
{{- if .configMap.name }}
- {name: MESHWRIGHT_FLAGS_FILE, value: /etc/meshwright/flags/{{ .configMap.key }}}
{{- else if .flagdAddress }}
- {name: MESHWRIGHT_FLAGD_ADDRESS, value: {{ .flagdAddress | quote }}}
{{- with .flagdSelector }}
- {name: MESHWRIGHT_FLAGD_SELECTOR, value: {{ . | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- with .root.Values.model.name }}
- {name: MESHWRIGHT_MODEL, value: {{ . | quote }}}
{{- end }}
{{- with .root.Values.model.openaiBaseUrl }}
- {name: MESHWRIGHT_OPENAI_BASE_URL, value: {{ . | quote }}}
{{- end }}
{{- end }}

{{- define "meshwright.tools-env" -}}
{{ include "meshwright.env-of-service" (merge (dict "port" 8082) .) }}
# Agents find pods that were added when they connect anew.
- {name: MESHWRIGHT_CONNECTION_AGE, value: "10"}
{{ include "meshwright.env-of-files" . }}
- {name: MESHWRIGHT_BROWSER_ADDRESS, value: "{{ include "meshwright.fullname" .root }}-browser:8083"}
{{- end }}

{{- define "meshwright.browser-env" -}}
{{ include "meshwright.env-of-service" (merge (dict "port" 8083) .) }}
# Tools find pods that were added when they connect anew; somebody may be waiting for one.
- {name: MESHWRIGHT_CONNECTION_AGE, value: "3"}
{{- with .root.Values.browser }}
- {name: MESHWRIGHT_BROWSER_CAPACITY, value: {{ .capacity | quote }}}
- {name: MESHWRIGHT_BROWSER_WARM, value: {{ .warm | quote }}}
- {name: MESHWRIGHT_BROWSER_SANDBOX, value: {{ .sandbox | quote }}}
{{- with include "meshwright.egress-allow" $.root }}
- {name: MESHWRIGHT_EGRESS_ALLOW, value: {{ . | quote }}}
{{- end }}
{{- with .egress.proxy }}
- {name: MESHWRIGHT_EGRESS_PROXY, value: {{ . | quote }}}
{{- end }}
- {name: MESHWRIGHT_QUOTA_LEASES, value: {{ $.root.Values.quotas.leases | quote }}}
{{- end }}
{{- end }}

{{- define "meshwright.gateway-env" -}}
{{- $name := include "meshwright.fullname" .root -}}
{{ include "meshwright.env" . }}
{{ include "meshwright.env-of-auth" . }}
{{- if not .root.Values.auth.enabled }}
# The network policy keeps others out.
- {name: MESHWRIGHT_TRUSTED_NETWORK, value: "true"}
{{- else if not .root.Values.gateway.tls.secret }}
- {name: MESHWRIGHT_TLS_ENDS_BEFORE, value: "true"}
{{- end }}
- {name: MESHWRIGHT_HOST, value: 0.0.0.0}
- {name: MESHWRIGHT_PORT, value: "8080"}
- {name: MESHWRIGHT_AGENT_ADDRESS, value: "{{ $name }}-agent:8081"}
{{- if .root.Values.canary.enabled }}
- {name: MESHWRIGHT_AGENT_CANARY_ADDRESS, value: "{{ $name }}-agent-canary:8081"}
- {name: MESHWRIGHT_TRAFFIC_CONFIGMAP, value: "{{ .root.Release.Namespace }}/{{ $name }}-traffic"}
# For what became of the weights; `meshwright traffic show` in the pod reads it.
- {name: MESHWRIGHT_DATA_DIR, value: /tmp/data}
{{- end }}
- {name: MESHWRIGHT_TOOLS_ADDRESS, value: "{{ $name }}-tools:8082"}
- {name: MESHWRIGHT_BROWSER_ADDRESS, value: "{{ $name }}-browser:8083"}
- {name: MESHWRIGHT_SITE_ADDRESS, value: "{{ $name }}-web:8084"}
- {name: MESHWRIGHT_ALLOWED_HOSTS, value: {{ include "meshwright.allowed-hosts" .root | quote }}}
- {name: MESHWRIGHT_RUNTIME_DIR, value: /tmp}
{{- with .root.Values.gateway }}
- {name: MESHWRIGHT_GATEWAY_WORKERS, value: {{ .workers | quote }}}
- {name: MESHWRIGHT_GATEWAY_CALLS_PER_SECOND, value: {{ .callsPerSecond | quote }}}
- {name: MESHWRIGHT_GATEWAY_DRAIN_SECONDS, value: {{ .drain.grace | quote }}}
{{- with .corsOrigins }}
- {name: MESHWRIGHT_CORS_ORIGINS, value: {{ join "," . | quote }}}
{{- end }}
{{- if .tls.secret }}
- {name: MESHWRIGHT_TLS_CERTIFICATE, value: /etc/meshwright/tls/tls.crt}
- {name: MESHWRIGHT_TLS_KEY, value: /etc/meshwright/tls/tls.key}
{{- end }}
{{- end }}
{{- end }}

{{- define "meshwright.web-env" -}}
{{ include "meshwright.env" . }}
- {name: MESHWRIGHT_LISTEN, value: "0.0.0.0:8084"}
# What it serves is public.
- {name: MESHWRIGHT_TRUSTED_NETWORK, value: "true"}
- {name: MESHWRIGHT_SITE_DEMO, value: {{ .root.Values.web.demo | quote }}}
{{- end }}

{{- define "meshwright.deletion-cost-env" -}}
{{ include "meshwright.env" . }}
- {name: MESHWRIGHT_DELETION_COST_SERVICE, value: "{{ .root.Release.Namespace }}/{{ include "meshwright.fullname" .root }}-browser-metrics"}
- {name: MESHWRIGHT_DELETION_COST_MARK, value: /tmp/said}
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
