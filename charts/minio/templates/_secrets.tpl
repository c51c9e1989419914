{{- /*
minio.userSecrets $: the key of each user; those of pipelines in the tasks namespace too.
*/ -}}
{{- define "minio.userSecrets" -}}
{{- range $user, $settings := include "minio.users" . | fromJson }}
{{- $name := printf "minio-%s" $user }}
{{- $id := include "common.keptValue" (dict "root" $ "namespace" $.Release.Namespace "secret" $name "key" "access-key" "first" $user) }}
{{- $key := include "common.keptValue" (dict "root" $ "namespace" $.Release.Namespace "secret" $name "key" "secret-key") }}
{{- range $namespace := $settings.tasks | default false | ternary (list $.Release.Namespace (include "common.tasksNamespace" $)) (list $.Release.Namespace) }}
---
{{ include "common.secret" (dict "root" $ "namespace" $namespace "name" $name "component" "minio" "data" (dict
  "access-key" $id "secret-key" $key)) }}
{{- end }}
{{- end }}
{{- end }}
