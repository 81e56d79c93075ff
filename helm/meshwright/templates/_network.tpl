{{/* Parts of network policies. */}}

{{- define "meshwright.policy-of" -}}
podSelector:
  matchLabels:
    {{- include "meshwright.selector" . | nindent 4 }}
policyTypes: [Ingress, Egress]
{{- end }}

{{/* Egress to a component: (dict "root" $ "to" "agent" "port" 8081). */}}
{{- define "meshwright.flow" -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "meshwright.selector" (dict "root" .root "component" .to) | nindent 10 }}
  ports: [{port: {{ .port }}}]
{{- end }}

{{/* Ingress from components: (dict "root" $ "from" (list "gateway") "port" 8081). */}}
{{- define "meshwright.callers" -}}
- from:
    {{- range .from }}
    - podSelector:
        matchLabels:
          {{- include "meshwright.selector" (dict "root" $.root "component" .) | nindent 10 }}
    {{- end }}
  ports: [{port: {{ .port }}}]
{{- end }}

{{- define "meshwright.dns-rule" -}}
- ports: [{{ range $i, $port := .Values.networkPolicy.dnsPorts }}{{ if $i }}, {{ end }}{port: {{ $port }}, protocol: UDP}, {port: {{ $port }}, protocol: TCP}{{ end }}]
  {{- with .Values.networkPolicy.dnsTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "meshwright.metrics-rule" -}}
{{- if .Values.metrics.enabled -}}
- from:
    {{- default (list (dict "namespaceSelector" dict)) .Values.metrics.from | toYaml | nindent 4 }}
  ports: [{port: metrics}]
{{- end }}
{{- end }}

{{/* The internet without what is near: (dict "root" $ "ports" (list 443)); without ports all of them. */}}
{{- define "meshwright.internet-rule" -}}
- to:
    - ipBlock: {cidr: 0.0.0.0/0, except: {{ toJson .root.Values.networkPolicy.browserNever }}}
    - ipBlock: {cidr: "::/0", except: {{ toJson .root.Values.networkPolicy.browserNever6 }}}
  {{- with .ports }}
  ports: [{{ range $i, $port := . }}{{ if $i }}, {{ end }}{port: {{ $port }}}{{ end }}]
  {{- end }}
{{- end }}

{{/* Kubernetes' API, by the Service's port or that of its servers. */}}
{{- define "meshwright.api-server-rule" -}}
- ports: [{{ range $i, $port := .Values.networkPolicy.apiServerPorts }}{{ if $i }}, {{ end }}{port: {{ $port }}}{{ end }}]
  {{- with .Values.networkPolicy.apiServerTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "meshwright.store-rule" -}}
{{- if .Values.redis.bundled -}}
{{ include "meshwright.flow" (dict "root" . "to" "redis" "port" 6379) }}
{{- else if include "meshwright.shared-store" . -}}
- ports: [{port: {{ .Values.redis.port }}}]
{{- end }}
{{- end }}

{{/* The ports of addresses, in or outside the cluster: (list "http://vllm.models:8000/v1"). */}}
{{- define "meshwright.url-rule" -}}
{{- $ports := list -}}
{{- range compact . }}
{{- $address := urlParse . }}
{{- $ports = append $ports (regexFind ":[0-9]+$" $address.host | trimPrefix ":" | default (eq $address.scheme "https" | ternary "443" "80")) }}
{{- end }}
{{- with uniq $ports -}}
- ports: [{{ range $i, $port := . }}{{ if $i }}, {{ end }}{port: {{ $port }}}{{ end }}]
{{- end }}
{{- end }}

{{/* Where flagd is, as an address whose port the policy reads. */}}
{{- define "meshwright.flagd-url" -}}
{{- with .Values.flags.flagdAddress }}http://{{ . }}{{ end }}
{{- end }}
