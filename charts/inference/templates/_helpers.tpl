{{/* inference.models $: every model with its values over the defaults, as JSON. */}}
{{- define "inference.models" -}}
{{- $models := dict }}
{{- range $name, $given := .Values.models }}
{{- $_ := set $models $name (mergeOverwrite (deepCopy $.Values.defaults) (deepCopy ($given | default dict))) }}
{{- end }}
{{- toJson $models }}
{{- end }}

{{/*
inference.recordSecret (dict "root" $ "name" "forest" "model" $model): the Secret by which the API of a model asks its pipeline's
record of promotions.
*/}}
{{- define "inference.recordSecret" -}}
postgres-{{ .model.pipeline | default .name | replace "_" "-" }}-serving
{{- end }}

{{/* One variable from one key of a Secret: (dict "root" $ "env" "X" "secret" "mlflow-serving" "key" "username") */}}
{{- define "inference.secretEnv" -}}
- name: {{ .env }}
  valueFrom: {secretKeyRef: {name: {{ include "common.secretName" (dict "root" .root "name" .secret) }}, key: {{ .key }}}}
{{- end }}
