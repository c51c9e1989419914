{{/* airflow.stepPods $: what dags/pods.py must know to build a step pod, in its own names. */}}
{{- define "airflow.stepPods" -}}
{{- $global := include "common.global" . | fromJson -}}
namespace: {{ include "common.tasksNamespace" . }}
operator: {{ .Values.steps.operator }}
service_account: step
image_pull_policy: {{ $global.image.pullPolicy }}
security_context: {{- include "common.podSecurityContext" . | nindent 2 }}
image_pull_secrets: {{ toJson $global.image.pullSecrets }}
labels:
  app.kubernetes.io/name: step
  app.kubernetes.io/instance: {{ .Release.Name }}
  app.kubernetes.io/component: step
  app.kubernetes.io/part-of: quintet
{{- $files := dict }}
{{- $env := include "common.clientVariables" . | fromJson }}
{{- with $global.caSecret }}
{{- $_ := set $files (include "common.caFolder" $) . }}
{{- end }}
{{- with $global.postgres.caSecret }}
{{- $_ := set $files (include "common.postgresCaFolder" $) . }}
{{- $_ := set $env "PGSSLROOTCERT" (printf "%s/ca.crt" (include "common.postgresCaFolder" $)) }}
{{- end }}
{{- $steps := deepCopy .Values.steps }}
{{- $_ := set $steps "env" (merge $env (include "airflow.proxyVariables" . | fromJson) $steps.env) }}
{{- with $files }}
secret_files: {{ toJson . }}
{{- end }}
{{ include "airflow.stepEnvironment" (dict "root" . "given" $steps) }}
pipelines:
  {{- range $name, $given := .Values.steps.pipelines }}
  {{ $name }}: {{- include "airflow.stepEnvironment" (dict "root" $ "given" $given) | nindent 4 }}
  {{- end }}
steps:
  {{- range $name, $given := .Values.steps.overrides }}
  {{ $name }}: {{- include "airflow.stepEnvironment" (dict "root" $ "given" $given) | nindent 4 }}
    {{- with $given.resources }}
    resources: {{- include "common.resources" (dict "path" (printf "airflow.steps.overrides.%s.resources" $name) "given" .) | nindent 6 }}
    {{- end }}
  {{- end }}
{{- end }}

{{/* One layer of environment: values (as templates), keys of Secrets, keys of ConfigMaps. */}}
{{- define "airflow.stepEnvironment" -}}
{{- $root := .root -}}
env:
  {{- range $name, $value := .given.env }}
  {{ $name }}: {{ tpl (toString $value) $root | quote }}
  {{- else }} {}
  {{- end }}
secret_env:
  {{- range $name, $ref := .given.secretEnv }}
  {{ $name }}: {secret: {{ include "common.secretName" (dict "root" $root "name" $ref.secret) }}, key: {{ $ref.key }}}
  {{- else }} {}
  {{- end }}
config_env:
  {{- range $name, $ref := .given.configEnv }}
  {{ $name }}: {config_map: {{ $ref.configMap }}, key: {{ $ref.key }}}
  {{- else }} {}
  {{- end }}
{{- end }}
