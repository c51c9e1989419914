{{/* sources.all $: the sources by pipeline, as YAML: every value but the ones Helm and the umbrella add. */}}
{{- define "sources.all" -}}
{{ omit .Values "enabled" "global" "common" | toYaml }}
{{- end }}
