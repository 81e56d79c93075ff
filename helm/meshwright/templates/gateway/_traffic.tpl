{{/* The wanted weights: (dict "live" ConfigMap "weight" 10 "revision" 3). Those that are live stay, however they came to be, until the values
change: an upgrade of something else undoes no shift. */}}
{{- define "meshwright.traffic" -}}
{{- $live := default dict .live -}}
{{- $kept := dig "data" "traffic.json" "" $live -}}
{{- $before := dig "metadata" "annotations" "meshwright/weight-of-values" "" $live -}}
{{- if and $kept (eq $before (toString .weight)) -}}
{{ $kept | trim }}
{{- else -}}
{"canary_weight": {{ .weight }}, "revision": {{ .revision }}, "since": 0, "history": []}
{{- end }}
{{- end }}
