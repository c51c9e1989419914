{{- /*
quintet.showcase $: the pipeline that shows the platform, as JSON: `name`, `model`, and the DAGs `capture` and `training`; empty where
none is of that kind. It is the first one that has a model and a DAG after another, and one whose source is a server of our own comes
before the others, as it asks nobody outside. cli/quintet/pipelines.py chooses the same.
*/ -}}
{{- define "quintet.showcase" -}}
{{- $found := dict -}}
{{- range $name, $pipeline := include "common.pipelines" . | fromJson -}}
{{- $shown := dict -}}
{{- range $dag, $given := $pipeline.dags -}}
{{- with and (not $shown) (dig "after" list ($given | default dict)) -}}
{{- $shown = dict "name" $name "model" (dig "name" "" $pipeline.model) "capture" (first .) "training" $dag -}}
{{- end -}}
{{- end -}}
{{- $_ := set $shown "ours" (and (not $pipeline.source.url) (not (empty $pipeline.source.server))) -}}
{{- if and $shown.model (or (not $found) (and $shown.ours (not $found.ours))) -}}
{{- $found = $shown -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{- /*
quintet.example (dict "root" $ "name" "weather" "model" <of inference.models>): a request that the API of a model answers; nothing where
its pipeline brings none.
*/ -}}
{{- define "quintet.example" -}}
{{- $pipeline := .model.pipeline | default .name -}}
{{- .root.Files.Get (printf "files/pipelines/%s/example.json" $pipeline) -}}
{{- end }}
