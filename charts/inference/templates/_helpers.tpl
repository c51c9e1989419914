{{/*
inference.models $: every model with its values, as JSON: those of the pipelines, and those of `models` that no pipeline has. Values
of `models` are over model.serving of the pipeline, and these over `defaults`, but for `pods`, whose levels are in podLevels; those of a pipeline that is left out go with it. A
pipeline's own release has its own model alone.
*/}}
{{- define "inference.models" -}}
{{- $served := dict -}}
{{- $trained := dict -}}
{{- range $pipeline, $given := include "common.pipelines" . | fromJson -}}
{{- with $given.model -}}
{{- if hasKey $trained .name -}}
{{- fail (printf "global.pipelines.%s and global.pipelines.%s both train the model %s: give one of them another model.name." (get $trained .name) $pipeline .name) -}}
{{- end -}}
{{- $_ := set $trained .name $pipeline -}}
{{- $own := dict "pipeline" $pipeline "record" (empty $given.promotion | ternary "registry" $.Values.defaults.record) -}}
{{- $levels := list (dict "path" "inference.defaults.pods" "pods" $.Values.defaults.pods) (dict "path" (printf "global.pipelines.%s.model.serving.pods" $pipeline) "pods" (dig "serving" "pods" dict .)) -}}
{{- $_ := set $served .name (mergeOverwrite (deepCopy $.Values.defaults) $own (deepCopy (.serving | default dict)) (dict "podLevels" $levels)) -}}
{{- end -}}
{{- end -}}
{{- $leftOut := list -}}
{{- range ((.Values.global | default dict).pipelines | default dict) -}}
{{- if not (dig "enabled" true .) -}}
{{- $leftOut = append $leftOut (dig "model" "name" "" .) -}}
{{- end -}}
{{- end -}}
{{- range $name, $given := include "common.ownPipeline" . | empty | ternary .Values.models dict -}}
{{- if or (hasKey $served $name) (not (has $name $leftOut)) -}}
{{- $base := get $served $name | default (deepCopy $.Values.defaults) -}}
{{- $levels := append ($base.podLevels | default (list (dict "path" "inference.defaults.pods" "pods" $.Values.defaults.pods))) (dict "path" (printf "inference.models.%s.pods" $name) "pods" (dig "pods" dict ($given | default dict))) -}}
{{- $_ := set $served $name (mergeOverwrite $base (deepCopy ($given | default dict)) (dict "podLevels" $levels)) -}}
{{- end -}}
{{- end -}}
{{- toJson $served -}}
{{- end }}

{{/*
inference.recordSecret (dict "root" $ "name" "weather" "model" $model): the Secret by which the API of a model asks its pipeline's
record of promotions.
*/}}
{{- define "inference.recordSecret" -}}
postgres-{{ .model.pipeline | default .name | replace "_" "-" }}-serving
{{- end }}

{{/*
inference.user (dict "root" $ "server" "mlflow"): the Secret by which the API reads at MLflow or S3: of all APIs of the platform, or of
that of a pipeline's own release.
*/}}
{{- define "inference.user" -}}
{{- $pipeline := include "common.ownPipeline" .root -}}
{{ .server }}-{{ $pipeline | empty | ternary "serving" (printf "%s-serving" $pipeline) }}
{{- end }}

{{/* One variable from one key of a Secret: (dict "root" $ "env" "X" "secret" "mlflow-serving" "key" "username") */}}
{{- define "inference.secretEnv" -}}
- name: {{ .env }}
  valueFrom: {secretKeyRef: {name: {{ include "common.secretName" (dict "root" .root "name" .secret) }}, key: {{ .key }}}}
{{- end }}
