{{/* A pod of the agent, of either track: (dict "root" $ "component" "agent" "track" "stable" "image" .Values.image). */}}
{{- define "meshwright.agent-pod" -}}
{{- $values := .root.Values.agent -}}
{{- $name := include "meshwright.fullname" .root -}}
metadata:
  labels:
    {{- include "meshwright.labels-of-pod" . | nindent 4 }}
  {{- with $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- include "meshwright.pod-basics" . | nindent 2 }}
  terminationGracePeriodSeconds: {{ include "meshwright.patience" . }}
  securityContext:
    {{- include "meshwright.pod-security" . | nindent 4 }}
  containers:
    - name: agent
      image: {{ include "meshwright.image" . }}
      imagePullPolicy: {{ .image.pullPolicy }}
      args: [serve, agent]
      env:
        {{- include "meshwright.env-of-service" (merge (dict "port" 8081) .) | nindent 8 }}
        {{- with include "meshwright.env-of-store" . }}{{ . | nindent 8 }}{{ end }}
        {{- with include "meshwright.env-of-files" . }}{{ . | nindent 8 }}{{ end }}
        {{- include "meshwright.env-of-quotas" . | nindent 8 }}
        - {name: MESHWRIGHT_TOOLS_ADDRESS, value: "{{ $name }}-tools:8082"}
        - {name: MESHWRIGHT_BROWSER_ADDRESS, value: "{{ $name }}-browser:8083"}
        - {name: MESHWRIGHT_SITE_DEMO, value: {{ .root.Values.web.demo | quote }}}
        - {name: MESHWRIGHT_DEMO_URL, value: {{ include "meshwright.demo" .root | quote }}}
        {{- with .root.Values.model.name }}
        - {name: MESHWRIGHT_MODEL, value: {{ . | quote }}}
        {{- end }}
        {{- with .root.Values.model.openaiBaseUrl }}
        - {name: MESHWRIGHT_OPENAI_BASE_URL, value: {{ . | quote }}}
        {{- end }}
      {{- with include "meshwright.env-from" . }}
      {{- . | nindent 6 }}
      {{- end }}
      ports:
        - {name: grpc, containerPort: 8081}
        {{- if .root.Values.metrics.enabled }}
        - {name: metrics, containerPort: {{ .root.Values.metrics.port }}}
        {{- end }}
      {{- include "meshwright.grpc-probes" (dict "port" 8081) | nindent 6 }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        {{- include "meshwright.container-security" . | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: data, mountPath: /var/lib/meshwright}
        {{- include "meshwright.auth-mounts" . | nindent 8 }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 1Gi}
    {{- include "meshwright.data-volume" . | nindent 4 }}
    {{- include "meshwright.auth-volumes" . | nindent 4 }}
{{- end }}
