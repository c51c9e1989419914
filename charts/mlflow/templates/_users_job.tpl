{{- /*
mlflow.usersJob $: the Job that brings experiments, models, users and rights to what the values say.
*/ -}}
{{- define "mlflow.usersJob" -}}
{{- $pod := include "common.pods" (dict "root" . "object" (include "mlflow.usersPod" (dict "root" . "arguments" list))) }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "common.jobName" (dict "root" . "name" (include "common.ownName" (dict "root" . "name" "mlflow-users")) "spec" $pod) }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "common.labels" (dict "root" . "component" "users") | nindent 4 }}
spec:
  backoffLimit: 10
  template:
    {{- $pod | nindent 4 }}
{{- end }}

{{- /*
mlflow.removalJob $: the hook that takes the users of a pipeline's own release away, and with global.removeData its experiment and model.
*/ -}}
{{- define "mlflow.removalJob" -}}
{{- $arguments := list (printf "--remove=%s" ((include "common.global" . | fromJson).removeData | ternary "data" "users")) }}
{{- include "common.removalJob" (dict "root" . "name" "mlflow-removal" "pod" (include "mlflow.usersPod" (dict "root" . "arguments" $arguments))) }}
{{- end }}

{{- /*
mlflow.usersConfig $: what the Job reads.
*/ -}}
{{- define "mlflow.usersConfig" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "common.ownName" (dict "root" . "name" "mlflow-users") }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "common.labels" (dict "root" . "component" "users") | nindent 4 }}
data:
  {{- include "mlflow.grants" . | nindent 2 }}
{{- end }}

{{- /*
mlflow.userSecrets $: the password of each user; those of steps in the tasks namespace too.
*/ -}}
{{- define "mlflow.userSecrets" -}}
{{- $ns := .Release.Namespace }}
{{- range $user, $settings := include "mlflow.users" . | fromJson }}
{{- $name := printf "mlflow-%s" $user }}
{{- $password := include "common.keptValue" (dict "root" $ "namespace" $ns "secret" $name "key" "password") }}
{{- range $namespace := $settings.tasks | default false | ternary (list $ns (include "common.tasksNamespace" $)) (list $ns) }}
---
{{ include "common.secret" (dict "root" $ "namespace" $namespace "name" $name "component" "users" "data" (dict
  "username" $user "password" $password)) }}
{{- end }}
{{- end }}
{{- end }}
