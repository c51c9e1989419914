{{- /*
common.pipelines $: the pipelines of global.pipelines that are not left out, by name, as JSON; `schemas`, `s3`, `source` and `model`
are always there, empty where a pipeline has none, and so is every key of a step. It is worked out once a chart and kept in
.Values.commonPipelines.
  {{- range $name, $pipeline := include "common.pipelines" $ | fromJson }}
What an entry may say is pipelines/pipeline.schema.json. cli/quintet/pipelines.py derives the same from the same content.
*/ -}}
{{- define "common.pipelines" -}}
{{- if not (hasKey .Values "commonPipelines") -}}
{{- $own := (.Values.global | default dict).ownRelease -}}
{{- if $own -}}
{{- include "common.refuseNotOne" . -}}
{{- end -}}
{{- $found := dict -}}
{{- range $name, $given := ((.Values.global | default dict).pipelines | default dict) -}}
{{- if dig "enabled" true $given -}}
{{- $defaults := dict "env" dict "secretEnv" dict "variables" dict "connections" dict "schemas" list "source" dict "model" dict "pods" dict
    "s3" (dict "prefixes" (list (printf "%s/" $name)) "expireDays" dict "lifecycle" false) -}}
{{- $pipeline := mergeOverwrite $defaults (deepCopy $given) -}}
{{- range $step, $settings := $pipeline.steps -}}
{{- $plain := dict "source" false "database" true "env" dict "secretEnv" dict "resources" dict "pods" dict -}}
{{- $_ := set $pipeline.steps $step (mergeOverwrite $plain (deepCopy ($settings | default dict))) -}}
{{- end -}}
{{- if $own -}}
{{- include "common.refuseOthersNames" (dict "name" $name "pipeline" $pipeline) -}}
{{- end -}}
{{- $_ := set $pipeline "promotion" (dig "model" "promotion" "step" "" $pipeline) -}}
{{- if and $pipeline.promotion (not $pipeline.schemas) -}}
{{- fail (printf "global.pipelines.%s.model.promotion needs a first schema, which holds its record: name one in global.pipelines.%s.schemas." $name $name) -}}
{{- end -}}
{{- range $key, $days := $pipeline.s3.expireDays -}}
{{- $own := false -}}
{{- range $pipeline.s3.prefixes }}{{ if hasPrefix . $key }}{{ $own = true }}{{ end }}{{ end -}}
{{- if not $own -}}
{{- fail (printf "global.pipelines.%s.s3.expireDays names %s, which is not below its prefixes: %s." $name $key (join ", " $pipeline.s3.prefixes)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $found $name $pipeline -}}
{{- end -}}
{{- end -}}
{{- $_ := set .Values "commonPipelines" (toJson $found) -}}
{{- end -}}
{{- .Values.commonPipelines -}}
{{- end }}
