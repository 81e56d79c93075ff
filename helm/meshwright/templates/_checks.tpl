{{/* Combinations of values that cannot work. Each sentence says what to do instead. The schema has refused wrong single values before. */}}
{{- define "meshwright.checks" -}}
{{- include "meshwright.check-state" . -}}
{{- include "meshwright.check-exposure" . -}}
{{- include "meshwright.check-auth" . -}}
{{- include "meshwright.check-scaling" . -}}
{{- include "meshwright.check-canary" . -}}
{{- include "meshwright.check-browser" . -}}
{{- include "meshwright.check-deletion-cost" . -}}
{{- include "meshwright.check-flags" . -}}
{{- include "meshwright.check-test" . -}}
{{- end }}

{{- define "meshwright.check-state" -}}
{{- $redis := .Values.redis -}}
{{- if gt (len (compact (list (ternary "bundled" "" $redis.bundled) $redis.url $redis.urlSecret.name))) 1 }}
{{- fail "redis: bundled, url and urlSecret.name are three ways to have one server. Keep one; with a server of your own set redis.bundled=false." }}
{{- end }}
{{- $agents := max (int (include "meshwright.most" (dict "root" . "component" "agent"))) (ternary 2 0 .Values.canary.enabled) -}}
{{- $tools := int (include "meshwright.most" (dict "root" . "component" "tools")) -}}
{{- if and (gt $agents 1) (not (include "meshwright.shared-store" .)) }}
{{- fail "agent: more than one agent needs a store that they share. Set redis.bundled=true, redis.url or redis.urlSecret.name; or keep agent.replicas=1 without autoscaling and canary." }}
{{- end }}
{{- if ne .Values.files.volume.accessMode "ReadWriteMany" }}
{{- if gt $tools 1 }}
{{- fail "tools: the files of a session lie on a volume that all tools pods need. Set files.volume.accessMode=ReadWriteMany with a storage class that has it; or keep tools.replicas=1 without autoscaling." }}
{{- end }}
{{- if and (gt $agents 1) (not .Values.files.url) }}
{{- fail "agent: more than one agent needs artifacts where all of them reach them. Set files.url to an object store, or files.volume.accessMode=ReadWriteMany." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "meshwright.check-exposure" -}}
{{- if not .Values.auth.enabled }}
{{- if not .Values.networkPolicy.enabled }}
{{- fail "networkPolicy.enabled=false without auth.enabled=true would let every pod of the cluster drive the mesh. Set one of them to true." }}
{{- end }}
{{- if .Values.ingress.enabled }}
{{- fail "ingress: without auth.enabled=true everybody who reaches the Ingress could drive the mesh. Set up auth, or use kubectl port-forward." }}
{{- end }}
{{- if or .Values.gatewayApi.grpcRoute.enabled .Values.gatewayApi.httpRoute.enabled }}
{{- fail "gatewayApi: without auth.enabled=true everybody who reaches the Gateway could drive the mesh. Set up auth, or use kubectl port-forward." }}
{{- end }}
{{- if ne .Values.gateway.service.type "ClusterIP" }}
{{- fail (printf "gateway.service.type=%s without auth.enabled=true would let everybody outside the cluster drive the mesh. Set up auth, or keep ClusterIP." .Values.gateway.service.type) }}
{{- end }}
{{- end }}
{{- if and .Values.auth.enabled (ne .Values.gateway.service.type "ClusterIP") (not .Values.gateway.tls.secret) }}
{{- fail (printf "gateway.service.type=%s without gateway.tls.secret would have callers send their tokens in clear text. Set gateway.tls.secret, or keep ClusterIP behind an Ingress." .Values.gateway.service.type) }}
{{- end }}
{{- if and (ne .Values.gateway.service.type "ClusterIP") .Values.networkPolicy.enabled (not .Values.networkPolicy.gatewayFrom) }}
{{- fail (printf "gateway.service.type=%s is for callers outside the cluster, and the network policy lets pods of the namespace alone reach the gateway. Name the callers in networkPolicy.gatewayFrom, as in [{ipBlock: {cidr: 0.0.0.0/0}}], or keep ClusterIP." .Values.gateway.service.type) }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "ingress.enabled=true needs ingress.host: the gateway answers only under names that it knows." }}
{{- end }}
{{- $routes := .Values.gatewayApi -}}
{{- if and (or $routes.grpcRoute.enabled $routes.httpRoute.enabled) (not $routes.parentRefs) }}
{{- fail "gatewayApi: a route needs a Gateway that carries it. Set gatewayApi.parentRefs." }}
{{- end }}
{{- range $kind := list "grpcRoute" "httpRoute" }}
{{- $route := index $routes $kind }}
{{- if and $route.enabled (not $route.hostnames) }}
{{- fail (printf "gatewayApi.%s.enabled=true needs gatewayApi.%s.hostnames: the gateway answers only under names that it knows." $kind $kind) }}
{{- end }}
{{- end }}
{{- if and $routes.grpcRoute.enabled $routes.httpRoute.enabled }}
{{- range $routes.grpcRoute.hostnames }}
{{- if has . $routes.httpRoute.hostnames }}
{{- fail (printf "gatewayApi: a Gateway takes %s from one kind of route only. Give gatewayApi.grpcRoute and gatewayApi.httpRoute different hostnames." .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "meshwright.check-auth" -}}
{{- with .Values.auth }}
{{- $keys := or .jwksUrl .jwksSecret.name -}}
{{- if .enabled }}
{{- if not $keys }}
{{- fail "auth.enabled=true needs the issuer's public keys. Set auth.jwksUrl or auth.jwksSecret.name." }}
{{- end }}
{{- if and .jwksUrl .jwksSecret.name }}
{{- fail "auth: jwksUrl and jwksSecret.name are two places for the same keys. Keep one." }}
{{- end }}
{{- if not (and .issuer .audience) }}
{{- fail "auth.enabled=true needs auth.issuer and auth.audience, or tokens that were made for others would do." }}
{{- end }}
{{- if not .meshKeySecret.name }}
{{- fail "auth.enabled=true needs auth.meshKeySecret.name: kubectl create secret generic mesh-key --from-literal=mesh.key=\"$(head -c 32 /dev/urandom | base64)\"" }}
{{- end }}
{{- else if or $keys .issuer .audience .meshKeySecret.name }}
{{- fail "auth: keys, issuer, audience or meshKeySecret are set and auth.enabled is false. Set auth.enabled=true, or leave them empty." }}
{{- end }}
{{- end }}
{{- if and (or .Values.quotas.sessions .Values.quotas.runs .Values.quotas.tokensPerDay .Values.quotas.leases) (not .Values.auth.enabled) }}
{{- fail "quotas are each principal's, and without auth.enabled=true all callers are one. Set up auth, or leave quotas at 0." }}
{{- end }}
{{- end }}

{{- define "meshwright.check-scaling" -}}
{{- range $component := list "agent" "tools" "browser" "gateway" }}
{{- with index $.Values $component }}
{{- if and .autoscaling.enabled (gt (int .autoscaling.min) (int .autoscaling.max)) }}
{{- fail (printf "%s.autoscaling: min is %d and max is %d. Set min to at most max." $component (int .autoscaling.min) (int .autoscaling.max)) }}
{{- end }}
{{- $cpu := or (not (hasKey .autoscaling "by")) (eq .autoscaling.by "cpu") }}
{{- if and .autoscaling.enabled $cpu (not (dig "requests" "cpu" "" .resources)) }}
{{- fail (printf "%s.autoscaling measures percent of the requested CPU. Set %s.resources.requests.cpu." $component $component) }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.browser.autoscaling }}
{{- if and .enabled (ne .by "cpu") (not $.Values.metrics.enabled) }}
{{- fail (printf "browser.autoscaling.by=%s reads a figure that the browsers report. Set metrics.enabled=true, or by=cpu." .by) }}
{{- end }}
{{- if and .enabled (eq .by "keda") (not .prometheusUrl) }}
{{- fail "browser.autoscaling.by=keda needs browser.autoscaling.prometheusUrl, as in http://prometheus.monitoring:9090." }}
{{- end }}
{{- end }}
{{- if and .Values.metrics.enabled (not .Values.networkPolicy.enabled) }}
{{- fail "metrics.enabled=true without networkPolicy.enabled=true would show the figures to every pod of the cluster. Set both, or none." }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.enabled) }}
{{- fail "metrics.serviceMonitor.enabled=true has nothing to scrape. Set metrics.enabled=true." }}
{{- end }}
{{- if and (or .Values.metrics.dashboards.enabled .Values.metrics.rules.enabled) (not .Values.metrics.enabled) }}
{{- fail "metrics.dashboards and metrics.rules have nothing to look at. Set metrics.enabled=true." }}
{{- end }}
{{- end }}

{{- define "meshwright.check-canary" -}}
{{- with .Values.canary }}
{{- if and (not .enabled) (gt (int .weight) 0) }}
{{- fail (printf "canary.weight=%d sends sessions to a track that is not there. Set canary.enabled=true, or weight=0." (int .weight)) }}
{{- end }}
{{- if and .enabled (not (or .image.tag .image.digest)) }}
{{- fail "canary.enabled=true needs canary.image.tag or canary.image.digest: without one it would be a second stable track." }}
{{- end }}
{{- if hasKey $.Values.agent.settings "MESHWRIGHT_TRACK" }}
{{- fail "agent.settings.MESHWRIGHT_TRACK would put all agents on one track. Leave it out: canary.enabled=true sets it on the canary's pods." }}
{{- end }}
{{- if and .enabled (gt (int .weight) 0) (eq (int .replicas) 0) }}
{{- fail "canary.weight sends sessions to a track without pods. Set canary.replicas to at least 1, or weight=0." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "meshwright.check-browser" -}}
{{- with .Values.browser }}
{{- if and (eq .sandbox "on") (eq .seccomp.type "RuntimeDefault") }}
{{- fail "browser.sandbox=on cannot start with browser.seccomp.type=RuntimeDefault, which forbids user namespaces. Set the type to Localhost and put images/chromium-seccomp.json on the nodes, or set sandbox=auto." }}
{{- end }}
{{- if gt (int .warm) (int .capacity) }}
{{- fail (printf "browser.warm=%d contexts stand ready for browser.capacity=%d leases. Set warm to at most capacity." (int .warm) (int .capacity)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "meshwright.check-deletion-cost" -}}
{{- if .Values.browser.deletionCost.enabled }}
{{- if semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version }}
{{- fail (printf "browser.deletionCost.enabled=true needs Kubernetes 1.30 or newer, whose ValidatingAdmissionPolicy keeps it to one annotation, and this is %s. Set browser.deletionCost.enabled=false." .Capabilities.KubeVersion.Version) }}
{{- end }}
{{- if not .Values.metrics.enabled }}
{{- fail "browser.deletionCost.enabled=true reads a figure that the browsers report. Set metrics.enabled=true." }}
{{- end }}
{{- if le (int (include "meshwright.most" (dict "root" . "component" "browser"))) 1 }}
{{- fail "browser.deletionCost.enabled=true says which of several browser pods is to go first, and there is one at most. Set browser.replicas to at least 2 or browser.autoscaling.enabled=true, or deletionCost.enabled=false." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "meshwright.check-flags" -}}
{{- with .Values.flags }}
{{- if and .configMap.name .flagdAddress }}
{{- fail "flags.configMap and flags.flagdAddress are two sources of feature flags. Keep one." }}
{{- end }}
{{- if and .flagdSelector (not .flagdAddress) }}
{{- fail "flags.flagdSelector chooses among the flags of a flagd. Set flags.flagdAddress." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "meshwright.check-test" -}}
{{- with .Values.test }}
{{- if and (not .task) (not $.Values.web.demo) }}
{{- fail "test.task is empty and the demo shop that it would look at is off. Set web.demo=true, or test.task and test.expect." }}
{{- end }}
{{- end }}
{{- end }}
