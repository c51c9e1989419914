{{- /*
Secrets have fixed names (postgres-airflow, minio-serving, ...). Each is either the user's own, named by
global.secrets.existing.<fixed name>, or generated at the first install and kept for ever after.

common.secretName (dict "root" $ "name" "postgres-airflow"): the name to refer to, in any chart.
*/ -}}
{{- define "common.secretName" -}}
{{- $global := include "common.global" .root | fromJson -}}
{{- get $global.secrets.existing .name | default .name -}}
{{- end }}

{{- /*
common.keptValue (dict "root" $ "namespace" ns "secret" "postgres-airflow" "key" "password" "length" 32 "base64" false "first" ""):
what the cluster's Secret, or its copy for steps, holds under the key, or `first`, or else a new random alphanumeric value,
base64-encoded where asked.
Nothing where the Secret is the user's own. Call it once per value and pass the variable on: two calls before the first install differ.
*/ -}}
{{- define "common.keptValue" -}}
{{- $global := include "common.global" .root | fromJson -}}
{{- if not (get $global.secrets.existing .secret) -}}
{{- if not $global.secrets.generate -}}
{{- fail (printf "global.secrets.generate is false: make the Secret %s yourself (with the key %s) and name it in global.secrets.existing.%s." .secret .key .secret) -}}
{{- end -}}
{{- $found := include "common.heldSecret" (dict "root" .root "namespace" .namespace "name" .secret) | fromJson -}}
{{- if hasKey $found .key -}}
{{- get $found .key | b64dec -}}
{{- else if .first -}}
{{- .first -}}
{{- else -}}
{{- $new := randAlphaNum (int (.length | default 32)) -}}
{{- .base64 | default false | ternary ($new | b64enc) $new -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /*
common.secret (dict "root" $ "namespace" ns "name" "postgres-airflow" "component" "postgres" "data" (dict "password" $password)):
a whole Secret that outlives the release, because the volumes that its passwords open do; of a pipeline's own release it goes, as its
users do. Nothing where it is the user's own.
*/ -}}
{{- define "common.secret" -}}
{{- $global := include "common.global" .root | fromJson -}}
{{- if not (get $global.secrets.existing .name) -}}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "common.labels" (dict "root" .root "component" .component) | nindent 4 }}
  {{- $annotations := include "common.ownPipeline" .root | empty | ternary (dict "helm.sh/resource-policy" "keep") dict }}
  {{- with include "common.madeAgain" (dict "root" .root "names" (list .name)) }}
  {{- $_ := set $annotations "quintet/made-again" . }}
  {{- end }}
  {{- with $annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
type: Opaque
data:
  {{- range $key, $value := .data }}
  {{ $key }}: {{ $value | b64enc | quote }}
  {{- end }}
{{- end -}}
{{- end }}
