{{- /*
common.global: .Values.global over its defaults, as YAML. A chart that is installed alone needs no global values.
  {{- $global := include "common.global" $ | fromYaml }}
*/ -}}
{{- define "common.global" -}}
{{- $defaults := dict
  "image" (dict "registry" "" "tag" "" "pullPolicy" "IfNotPresent" "pullSecrets" list)
  "images" dict
  "storageClass" ""
  "secrets" (dict "generate" true "existing" dict)
  "tasks" (dict "namespace" "")
  "networkPolicy" (dict "enabled" true) -}}
{{- $given := .Values.global | default dict -}}
{{- range $key, $_ := $given -}}
{{- if not (hasKey $defaults $key) -}}
{{- fail (printf "global.%s is no value of Quintet; there are: %s." $key (keys $defaults | sortAlpha | join ", ")) -}}
{{- end -}}
{{- end -}}
{{- mergeOverwrite $defaults (deepCopy $given) | toYaml -}}
{{- end }}

{{- /*
common.tasksNamespace $: where step pods run.
*/ -}}
{{- define "common.tasksNamespace" -}}
{{- $global := include "common.global" . | fromYaml -}}
{{- $global.tasks.namespace | default (printf "%s-tasks" .Release.Namespace) -}}
{{- end }}

{{- /*
common.networkPolicies $: "true" or nothing.
*/ -}}
{{- define "common.networkPolicies" -}}
{{- $global := include "common.global" . | fromYaml -}}
{{- if $global.networkPolicy.enabled }}true{{ end -}}
{{- end }}

{{- /*
common.storageClass $: the storageClassName line of a claim, or nothing where the cluster's default holds.
*/ -}}
{{- define "common.storageClass" -}}
{{- $global := include "common.global" . | fromYaml -}}
{{- with $global.storageClass -}}
storageClassName: {{ . | quote }}
{{- end -}}
{{- end }}
