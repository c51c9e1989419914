{{- /*
pipeline.given $: the pipeline of this release, as common.pipelines has it, as JSON.
*/ -}}
{{- define "pipeline.given" -}}
{{- include "common.pipelines" . | fromJson | values | first | toJson -}}
{{- end }}

{{- /*
pipeline.claims $: what no two pipelines may both have, as JSON; the chart quintet writes the same of all of its pipelines.
*/ -}}
{{- define "pipeline.claims" -}}
{{- include "common.claims" . | fromJson | values | first | toJson -}}
{{- end }}
