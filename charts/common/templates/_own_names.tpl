{{- /*
common.refuseNotOne $: fails where values of a release of its own are not those of one pipeline, by its name.
*/ -}}
{{- define "common.refuseNotOne" -}}
{{- $names := keys .Values.global.pipelines | sortAlpha -}}
{{- if ne (len $names) 1 -}}
{{- fail (printf "global.pipelines names %d pipelines (%s), and a release of its own is one: name exactly one, with the content of its pipeline.yaml." (len $names) (join ", " $names | default "none")) -}}
{{- end -}}
{{- $name := first $names -}}
{{- $path := printf "global.pipelines.%s" $name -}}
{{- if hasKey (get .Values.global.pipelines $name) "enabled" -}}
{{- fail (printf "%s.enabled is for the platform's own release: drop it here; `quintet undeploy` takes this release away." $path) -}}
{{- end -}}
{{- if ne .Release.Name $name -}}
{{- fail (printf "The release is called %s, and its pipeline %s: call it %s too, so that no other has that name." .Release.Name $name $name) -}}
{{- end -}}
{{- end }}

{{- /*
common.refuseOthersNames (dict "name" "weather" "pipeline" <of common.pipelines>): fails where a pipeline in a release of its own names
what may be another's. So no two of them have anything in common; charts/pipeline/files/check.py compares one with the platform's.
*/ -}}
{{- define "common.refuseOthersNames" -}}
{{- $name := .name -}}
{{- $pipeline := .pipeline -}}
{{- $path := printf "global.pipelines.%s" $name -}}
{{- /* Users, roles and Secrets of the platform, and what Postgres keeps for itself. */ -}}
{{- $reserved := list "admin" "airflow" "common" "flask" "inference" "migrations" "minio" "mlflow" "none" "owner" "pg" "pipeline" "pipelines" "postgres" "promotion" "public" "quintet" "root" "serving" "source" "sources" "step" "steps" "superuser" -}}
{{- if has $name $reserved -}}
{{- fail (printf "No pipeline can be called %s: the platform has a role, user or Secret of that name. Take another." $name) -}}
{{- end -}}
{{- $word := printf "is %s, or begins with %s_" $name $name -}}
{{- $kebab := printf "is %s, or begins with %s-" $name $name -}}
{{- include "common.refuseOthers" (dict "what" (printf "%s.schemas" $path) "names" $pipeline.schemas "pattern" (printf "^%s(_.*)?$" $name) "say" $word) -}}
{{- include "common.refuseOthers" (dict "what" (printf "%s.dags" $path) "names" (keys $pipeline.dags | sortAlpha) "pattern" (printf "^%s(_.*)?$" $name) "say" $word) -}}
{{- range list "variables" "connections" -}}
{{- include "common.refuseOthers" (dict "what" (printf "%s.%s" $path .) "names" (keys (get $pipeline .) | sortAlpha) "pattern" (printf "^%s_" $name) "say" (printf "begins with %s_" $name)) -}}
{{- end -}}
{{- include "common.refuseOthers" (dict "what" (printf "%s.s3.prefixes" $path) "names" $pipeline.s3.prefixes "pattern" (printf "^%s/" $name) "say" (printf "begins with %s/" $name)) -}}
{{- $secrets := concat (include "common.secretsOf" $pipeline.secretEnv | fromJsonArray) (include "common.secretsOf" $pipeline.connections | fromJsonArray) -}}
{{- $pods := list $pipeline.pods (dig "serving" "pods" dict $pipeline.model) -}}
{{- range $pipeline.steps -}}
{{- $secrets = concat $secrets (include "common.secretsOf" .secretEnv | fromJsonArray) -}}
{{- $pods = append $pods .pods -}}
{{- end -}}
{{- range $pods -}}
{{- $secrets = concat $secrets (include "common.namesInPods" . | fromJsonArray) -}}
{{- end -}}
{{- with $pipeline.model -}}
{{- include "common.refuseOthers" (dict "what" (printf "%s.model" $path) "names" (list .name .experiment) "pattern" (printf "^%s(-.*)?$" $name) "say" $kebab) -}}
{{- $serving := .serving | default dict -}}
{{- range $uri := list "inputUri" "runUri" -}}
{{- with get $serving $uri -}}
{{- include "common.refuseOthers" (dict "what" (printf "%s.model.serving.%s" $path $uri) "names" (list .) "pattern" (printf "^s3://data/%s/" $name) "say" (printf "begins with s3://data/%s/" $name)) -}}
{{- end -}}
{{- end -}}
{{- $secrets = concat $secrets (list $serving.clientKeysSecret (dig "ingress" "tlsSecret" "" $serving) | compact) -}}
{{- with dig "cache" "existingClaim" "" $serving -}}
{{- include "common.refuseOthers" (dict "what" (printf "%s.model.serving.cache.existingClaim" $path) "names" (list .) "pattern" (printf "^%s(-.*)?$" $name) "say" $kebab) -}}
{{- end -}}
{{- end -}}
{{- include "common.refuseOthers" (dict "what" (printf "%s (secretEnv, connections, pods, model.serving)" $path) "names" $secrets "pattern" (printf "^((postgres|minio|mlflow)-)?%s(-.*)?$" $name) "say" (printf "Secret is one of the pipeline's own, or begins with %s-" $name)) -}}
{{- with $pipeline.source -}}
{{- if or (not .url) .simulate -}}
{{- fail (printf "%s.source: a server of Quintet's own is a part of the platform's release: name the address of the source in %s.source.url, and drop simulate." $path $path) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /*
common.refuseOthers (dict "what" "schemas" "names" list "pattern" "^weather(_.*)?$" "say" "is weather, or begins with weather_"): refuses a name
that could be another pipeline's. What begins with a pipeline's name is its alone, as no such name has a sign in it.
*/ -}}
{{- define "common.refuseOthers" -}}
{{- range .names -}}
{{- if not (regexMatch $.pattern .) -}}
{{- fail (printf "%s names %s, which may be another's: in a release of its own each %s." $.what . $.say) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /*
common.secretsOf <map of variable -> {secret, key}>: names of the Secrets, as a JSON list.
*/ -}}
{{- define "common.secretsOf" -}}
{{- $found := list -}}
{{- range . -}}
{{- $found = append $found .secret -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{- /*
common.namesInPods <pods of one level>: what may be another's, as a JSON list: its account, Secrets, claims.
*/ -}}
{{- define "common.namesInPods" -}}
{{- $found := list (dig "serviceAccount" "name" "" .) -}}
{{- range (.extraEnv | default dict) -}}
{{- if kindIs "map" . }}{{ $found = append $found (dig "valueFrom" "secretKeyRef" "name" "" .) }}{{ end -}}
{{- end -}}
{{- range .envFrom }}{{ $found = append $found (dig "secretRef" "name" "" .) }}{{ end -}}
{{- range .extraVolumes -}}
{{- $found = append $found (dig "secret" "secretName" "" .) -}}
{{- $found = append $found (dig "persistentVolumeClaim" "claimName" "" .) -}}
{{- end -}}
{{- compact $found | toJson -}}
{{- end }}
