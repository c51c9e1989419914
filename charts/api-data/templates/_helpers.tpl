{{/*
api-data.wanted $: "true" or nothing: where pipelines are given, one of them has to read from this API.
*/}}
{{- define "api-data.wanted" -}}
{{- if (.Values.global | default dict).pipelines -}}
{{- range include "common.pipelines" . | fromJson -}}
{{- if and (not .source.url) (eq (dig "server" "service" "" .source) "api-data") -}}
true
{{- break -}}
{{- end -}}
{{- end -}}
{{- else -}}
true
{{- end -}}
{{- end }}
