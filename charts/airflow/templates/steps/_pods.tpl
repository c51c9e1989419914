{{/* airflow.stepPods $: what dags/pods.py must know to build a step pod, in its own names. */}}
{{- define "airflow.stepPods" -}}
{{- $text := include "airflow.stepPodsUnchecked" . -}}
{{- include "airflow.refusedInSteps" (dict "root" . "described" (fromYaml $text)) -}}
{{- $text -}}
{{- end }}

{{- define "airflow.stepPodsUnchecked" -}}
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
{{- $env = merge $env (include "airflow.proxyVariables" . | fromJson) }}
{{- range $name, $value := .Values.steps.env }}
{{- $_ := set $env $name (get $env $name | default (tpl (toString $value) $)) }}
{{- end }}
{{- with $files }}
secret_files: {{ toJson . }}
{{- end }}
{{- with include "common.mergedPods" (include "airflow.podLevelsOfSteps" $ | fromJsonArray) | fromJson }}
pods: {{ toJson . }}
{{- end }}
{{ include "airflow.stepEnvironment" (dict "root" . "given" (merge (dict "env" $env) .Values.steps)) }}
steps:
  {{- range $image, $step := include "airflow.steps" . | fromJson }}
  {{ $image }}: {{- include "airflow.stepEnvironment" (dict "root" $ "given" $step) | nindent 4 }}
    {{- with $step.pods }}
    pods: {{ toJson . }}
    {{- end }}
    {{- with $step.labels }}
    labels: {{ toJson . }}
    {{- end }}
    {{- with $step.resources }}
    resources: {{- include "common.resources" (dict "path" $step.resourcesFrom "given" .) | nindent 6 }}
    {{- end }}
  {{- else }} {}
  {{- end }}
{{- end }}

{{/* One layer of environment: values, keys of Secrets, keys of ConfigMaps. */}}
{{- define "airflow.stepEnvironment" -}}
{{- $root := .root -}}
env:
  {{- range $name, $value := .given.env }}
  {{ $name }}: {{ toString $value | quote }}
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
