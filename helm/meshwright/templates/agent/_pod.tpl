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
        {{- include "meshwright.with-settings" (dict "env" (include "meshwright.agent-env" .) "settings" $values.settings) | nindent 8 }}
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
        {{- if .root.Values.flags.configMap.name }}
        # A folder, because a single file that is mounted never changes.
        - {name: flags, mountPath: /etc/meshwright/flags, readOnly: true}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 1Gi}
    {{- include "meshwright.data-volume" . | nindent 4 }}
    {{- include "meshwright.auth-volumes" . | nindent 4 }}
    {{- with .root.Values.flags.configMap.name }}
    - name: flags
      # Agents start without it, as the settings say.
      configMap: {name: {{ . }}, optional: true}
    {{- end }}
{{- end }}
