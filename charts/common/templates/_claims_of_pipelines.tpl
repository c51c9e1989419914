{{- /*
common.claims $: what no two pipelines may both have, by pipeline, as JSON: kind -> names. charts/pipeline compares those of its pipeline
with the platform's before it changes anything.
*/ -}}
{{- define "common.claims" -}}
{{- $claims := dict -}}
{{- range $name, $pipeline := include "common.pipelines" . | fromJson -}}
{{- $_ := set $claims $name (dict
  "schema" $pipeline.schemas
  "prefix" $pipeline.s3.prefixes
  "DAG" (keys $pipeline.dags | sortAlpha)
  "variable" (keys $pipeline.variables | sortAlpha)
  "connection" (keys $pipeline.connections | sortAlpha)
  "model" (list (dig "name" "" $pipeline.model) | compact)
  "experiment" (list (dig "experiment" "" $pipeline.model) | compact)) -}}
{{- end -}}
{{- toJson $claims -}}
{{- end }}
