{{- /*
airflow.steps $: the steps of every pipeline by image, as JSON: what each has beside what airflow.steps gives to all.
  {{- range $image, $step := include "airflow.steps" $ | fromJson }}
A step has `env`, `secretEnv`, `configEnv`, `labels`, `pods`, `resources` and, for messages, `resourcesFrom`; and `guarded`, the Secrets that are
not for every step of its pipeline. cli/quintet/pipelines.py derives the same environment; airflow.steps.overrides of a release wins over it.
*/ -}}
{{- define "airflow.steps" -}}
{{- $steps := dict -}}
{{- $overrides := include "common.ownPipeline" . | empty | ternary .Values.steps.overrides dict -}}
{{- range $name, $pipeline := include "common.pipelines" . | fromJson -}}
{{- $tracked := dict -}}
{{- with $pipeline.model -}}
{{- $tracked = dict "MLFLOW_EXPERIMENT_NAME" .experiment "MLFLOW_MODEL_NAME" .name -}}
{{- end -}}
{{- $apart := list -}}
{{- range $pipeline.steps -}}
{{- $apart = or .database (not $pipeline.schemas) | ternary $apart (list (printf "postgres-%s" $name)) -}}
{{- end -}}
{{- range $step, $given := $pipeline.steps -}}
{{- $image := printf "%s-%s" $name $step -}}
{{- $own := get $overrides $image | default dict -}}
{{- $env := mergeOverwrite (deepCopy $tracked) $pipeline.env $given.env -}}
{{- range $variable, $value := $own.env -}}
{{- $_ := set $env $variable (tpl (toString $value) $) -}}
{{- end -}}
{{- $secrets := dict -}}
{{- range $variable, $key := dict "AWS_ACCESS_KEY_ID" "access-key" "AWS_SECRET_ACCESS_KEY" "secret-key" -}}
{{- $_ := set $secrets $variable (dict "secret" (printf "minio-%s" $name) "key" $key) -}}
{{- end -}}
{{- $user := eq $step $pipeline.promotion | ternary (printf "%s-promotion" $name) $name -}}
{{- if and $pipeline.schemas $given.database -}}
{{- $_ := set $secrets "DATABASE_URL" (dict "secret" (printf "postgres-%s" $user) "key" "url") -}}
{{- end -}}
{{- if $pipeline.model -}}
{{- range $variable, $key := dict "MLFLOW_TRACKING_USERNAME" "username" "MLFLOW_TRACKING_PASSWORD" "password" -}}
{{- $_ := set $secrets $variable (dict "secret" (printf "mlflow-%s" $user) "key" $key) -}}
{{- end -}}
{{- end -}}
{{- $secrets = mergeOverwrite $secrets (deepCopy $pipeline.secretEnv) (deepCopy $given.secretEnv) (deepCopy ($own.secretEnv | default dict)) -}}
{{- $guarded := eq $step $pipeline.promotion | ternary (list (printf "postgres-%s" $user) (printf "mlflow-%s" $user)) $apart -}}
{{- range list $given.secretEnv ($own.secretEnv | default dict) -}}
{{- range . -}}
{{- $guarded = append $guarded .secret -}}
{{- end -}}
{{- end -}}
{{- $source := $given.source | ternary (dict "SOURCE_API_BASE_URL" (dict "configMap" (include "common.ownName" (dict "root" $ "name" "sources")) "key" $name)) dict -}}
{{- $_ := set $steps $image (dict
  "env" $env
  "secretEnv" $secrets
  "configEnv" (mergeOverwrite $source (deepCopy ($own.configEnv | default dict)))
  "resources" ($own.resources | default $given.resources)
  "resourcesFrom" (hasKey $own "resources" | ternary (printf "airflow.steps.overrides.%s" $image) (printf "global.pipelines.%s.steps.%s" $name $step) | printf "%s.resources")
  "labels" ($given.source | ternary (dict "quintet/source" $name) dict)
  "pods" (include "common.mergedPods" (include "airflow.podLevelsOfStep" (dict "name" $name "pipeline" $pipeline "step" $step) | fromJsonArray) | fromJson)
  "guarded" ($guarded | uniq)) -}}
{{- end -}}
{{- end -}}
{{- toJson $steps -}}
{{- end }}
