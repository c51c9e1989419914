{{- /*
pipeline.given $: the pipeline of this release, as common.pipelines has it, as JSON.
*/ -}}
{{- define "pipeline.given" -}}
{{- include "common.pipelines" . | fromJson | values | first | toJson -}}
{{- end }}

{{- /*
pipeline.own (dict "what" "schemas" "names" list "pattern" "^weather(_.*)?$" "say" "is weather, or begins with weather_"): refuses a name
that could be another pipeline's. What begins with a pipeline's name is its alone, as no such name has a sign in it.
*/ -}}
{{- define "pipeline.own" -}}
{{- range .names -}}
{{- if not (regexMatch $.pattern .) -}}
{{- fail (printf "%s names %s, which may be another's: in a release of its own each %s." $.what . $.say) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /*
pipeline.secrets <map of variable -> {secret, key}>: names of the Secrets, as a JSON list.
*/ -}}
{{- define "pipeline.secrets" -}}
{{- $found := list -}}
{{- range . -}}
{{- $found = append $found .secret -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{- /*
pipeline.claims $: what no two pipelines may both have, as JSON; the chart quintet writes the same of all of its pipelines.
*/ -}}
{{- define "pipeline.claims" -}}
{{- include "common.claims" . | fromJson | values | first | toJson -}}
{{- end }}
