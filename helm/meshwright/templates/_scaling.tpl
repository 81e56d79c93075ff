{{/* Up at once, since somebody waits; down one by one, since every pod that goes has streams to move. */}}
{{- define "meshwright.scaling-behavior" -}}
{{- $scaling := (index .root.Values .component).autoscaling -}}
scaleUp:
  stabilizationWindowSeconds: 0
  policies:
    - {type: Percent, value: 100, periodSeconds: 15}
    - {type: Pods, value: 2, periodSeconds: 15}
scaleDown:
  stabilizationWindowSeconds: {{ $scaling.calm }}
  policies:
    - {type: Pods, value: 1, periodSeconds: {{ $scaling.pause }}}
{{- end }}
