{{/* Volumes and where they are mounted: (dict "root" $ "component" "agent"). */}}

{{/* "true" where the component keeps something on the volume of files. */}}
{{- define "meshwright.volume-of" -}}
{{- if eq .component "tools" }}true{{ else if eq .component "agent" }}{{ if not (include "meshwright.agent-without-volume" .root) }}true{{ end }}{{ end }}
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

{{/* What a pod shows to Kubernetes' API. */}}
{{- define "meshwright.identity-volume" -}}
- name: identity
  projected:
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- end }}

{{/* The keys of authentication. The gateway vouches for nobody, so it has no mesh key. */}}
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
