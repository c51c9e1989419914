{{- /*
mlflow.users $: users by name, each with its rights and whether its Secret stands in the tasks namespace too, as JSON: those of the
values, and two of each pipeline of global.pipelines with a model: one of its steps, and one of the step that promotes, if there is one.
A pipeline's own release has them and <name>-serving, that of its inference API.
*/ -}}
{{- define "mlflow.users" -}}
{{- $ownRelease := include "common.ownPipeline" . -}}
{{- $users := deepCopy .Values.users -}}
{{- $taken := concat (keys $users) (list "admin" "flask") -}}
{{- if $ownRelease -}}
{{- $users = dict -}}
{{- end -}}
{{- range $name, $pipeline := include "common.pipelines" . | fromJson -}}
{{- with $pipeline.model -}}
{{- $own := dict $name (dict "experiments" (dict .experiment "EDIT") "models" (dict .name "READ") "tasks" true) -}}
{{- if $pipeline.promotion -}}
{{- $_ := set $own (printf "%s-promotion" $name) (dict "experiments" (dict .experiment "READ") "models" (dict .name "EDIT") "tasks" true) -}}
{{- end -}}
{{- if $ownRelease -}}
{{- $_ := set $own (printf "%s-serving" $name) (dict "experiments" (dict .experiment "READ") "models" (dict .name "READ")) -}}
{{- end -}}
{{- range $user, $settings := $own -}}
{{- if or (has $user $taken) (hasKey $users $user) -}}
{{- fail (printf "global.pipelines.%s: MLflow has another user %s. Take it out of mlflow.users, or give the pipeline another name." $name $user) -}}
{{- end -}}
{{- $_ := set $users $user $settings -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $users -}}
{{- end }}

{{- /*
mlflow.names $: the `experiments` and `models` that exist from the start, as JSON: those of the pipelines, and those of the values.
*/ -}}
{{- define "mlflow.names" -}}
{{- $experiments := list -}}
{{- $models := list -}}
{{- range include "common.pipelines" . | fromJson -}}
{{- with .model -}}
{{- $experiments = append $experiments .experiment -}}
{{- $models = append $models .name -}}
{{- end -}}
{{- end -}}
{{- if not (include "common.ownPipeline" .) -}}
{{- $experiments = concat $experiments .Values.experiments | uniq -}}
{{- $models = concat $models .Values.models | uniq -}}
{{- end -}}
{{- dict "experiments" $experiments "models" $models | toJson -}}
{{- end }}

{{- /*
mlflow.grants $: contents of the ConfigMap mlflow-users.
*/ -}}
{{- define "mlflow.grants" -}}
{{- $names := include "mlflow.names" . | fromJson -}}
{{- $users := dict -}}
{{- range $user, $settings := include "mlflow.users" . | fromJson -}}
{{- $_ := set $users $user (pick $settings "experiments" "models") -}}
{{- range $kind := list "experiments" "models" -}}
{{- if kindIs "map" (get $settings $kind) -}}
{{- range $name, $_ := get $settings $kind -}}
{{- if not (has $name (get $names $kind)) -}}
{{- fail (printf "mlflow.users.%s.%s gives a right on %s, which no pipeline has and mlflow.%s does not name." $user $kind $name $kind) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
users.py: {{ .Files.Get "files/scripts/users.py" | toJson }}
{{- if include "common.ownPipeline" . }}
retention.py: {{ .Files.Get "files/scripts/retention.py" | toJson }}
{{- end }}
grants.json: {{ merge (dict "users" $users "release" .Release.Name) $names | toJson | toJson }}
{{- end }}
