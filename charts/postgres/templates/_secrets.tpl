{{- /*
postgres.pipelineSecrets $: the Secrets of the pipelines' roles: that of the inference API here alone, the steps' in both namespaces.
*/ -}}
{{- define "postgres.pipelineSecrets" -}}
{{- $ns := .Release.Namespace }}
{{- range $role, $settings := include "postgres.servingRoles" . | fromJson }}
---
{{- $name := printf "postgres-%s" $settings.secret }}
{{- $password := include "postgres.password" (dict "root" $ "secret" $name) }}
{{ include "common.secret" (dict "root" $ "namespace" $ns "name" $name "component" "postgres" "data" (dict
  "username" $role "password" $password
  "url" (include "postgres.url" (dict "root" $ "scheme" "postgresql" "host" "postgres" "role" $role "password" $password "database" "quintet")))) }}
{{- end }}
{{- range $role, $secret := include "postgres.stepRoles" . | fromYaml }}
{{- $name := printf "postgres-%s" $secret }}
{{- $password := include "postgres.password" (dict "root" $ "secret" $name) }}
{{- range $namespace := list $ns (include "common.tasksNamespace" $) }}
---
{{ include "common.secret" (dict "root" $ "namespace" $namespace "name" $name "component" "postgres" "data" (dict
  "username" $role "password" $password
  "url" (include "postgres.url" (dict "root" $ "scheme" "postgresql" "host" (printf "postgres.%s.svc" $ns) "role" $role "password" $password "database" "quintet")))) }}
{{- end }}
{{- end }}
{{- end }}
