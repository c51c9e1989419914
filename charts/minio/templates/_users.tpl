{{- /*
minio.users $: users by name, each with its buckets and what it may there, as JSON: those of the values, and one a pipeline of
global.pipelines. `serving` reads what the inference API serves of these: the run to serve and the newest input; a pipeline's own release
has <name>-serving for that.
*/ -}}
{{- define "minio.users" -}}
{{- $own := include "common.ownPipeline" . -}}
{{- $users := deepCopy .Values.users -}}
{{- $taken := append (keys $users) "root" -}}
{{- if $own -}}
{{- $users = dict -}}
{{- end -}}
{{- $served := list -}}
{{- range $name, $pipeline := include "common.pipelines" . | fromJson -}}
{{- if has $name $taken -}}
{{- fail (printf "global.pipelines.%s: S3 has another user of this name. Say in global.pipelines.%s.s3 what the pipeline may, and take it out of minio.users; or give the pipeline another name." $name $name) -}}
{{- end -}}
{{- $_ := set $users $name (dict "buckets" (list "data") "prefixes" $pipeline.s3.prefixes "lifecycle" $pipeline.s3.lifecycle "tasks" true) -}}
{{- if $pipeline.model -}}
{{- $serving := $pipeline.model.serving | default dict -}}
{{- with $serving.inputUri -}}
{{- if hasPrefix "s3://data/" . -}}
{{- $key := trimPrefix "s3://data/" . -}}
{{- $served = append $served (regexReplaceAll "[^/]+$" $key "" | default $key) -}}
{{- end -}}
{{- end -}}
{{- $served = append $served (printf "%s/latest_model.json" $name) -}}
{{- end -}}
{{- end -}}
{{- if and $own $served -}}
{{- $_ := set $users (printf "%s-serving" $own) (dict "buckets" (list "data") "prefixes" $served "readOnly" true) -}}
{{- end -}}
{{- with and (not $own) (get $users "serving") -}}
{{- if hasKey . "prefixes" -}}
{{- $_ := set . "prefixes" (concat .prefixes $served | uniq) -}}
{{- end -}}
{{- end -}}
{{- toJson $users -}}
{{- end }}

{{- /*
minio.buckets $: buckets by name, each with its `expireDays`, as JSON. Those of the values win over a pipeline's in the bucket `data`.
*/ -}}
{{- define "minio.buckets" -}}
{{- $own := include "common.ownPipeline" . -}}
{{- $buckets := dict -}}
{{- range $bucket, $settings := $own | empty | ternary .Values.buckets dict -}}
{{- $_ := set $buckets $bucket (dict "expireDays" dict) -}}
{{- end -}}
{{- range include "common.pipelines" . | fromJson -}}
{{- $data := get $buckets "data" | default (dict "expireDays" dict) -}}
{{- range $prefix, $days := .s3.expireDays -}}
{{- $_ := set $data.expireDays $prefix $days -}}
{{- end -}}
{{- $_ := set $buckets "data" $data -}}
{{- end -}}
{{- range $bucket, $settings := $own | empty | ternary .Values.buckets dict -}}
{{- range $prefix, $days := ($settings | default dict).expireDays -}}
{{- $_ := set (get $buckets $bucket).expireDays $prefix $days -}}
{{- end -}}
{{- end -}}
{{- toJson $buckets -}}
{{- end }}
