{{- /*
common.podWords $: the words of pods.schema.json, for common.refuseUnknown, as JSON.
*/ -}}
{{- define "common.podWords" -}}
{{- $words := dict -}}
{{- range concat (list "affinity" "priorityClassName" "serviceAccount" "terminationGracePeriodSeconds" "tmpSize") (include "common.podLists" . | fromJsonArray) (include "common.podMaps" . | fromJsonArray) -}}
{{- $_ := set $words . "" -}}
{{- end -}}
{{- toJson $words -}}
{{- end }}

{{- define "common.podLists" -}}
["tolerations", "topologySpreadConstraints", "imagePullSecrets", "envFrom", "extraVolumes", "extraVolumeMounts"]
{{- end }}

{{- define "common.podMaps" -}}
["nodeSelector", "podAnnotations", "podLabels", "extraEnv"]
{{- end }}

{{- /*
common.podLevels $: the levels of a part, a list of {path, pods} as JSON, far ones first.
*/ -}}
{{- define "common.podLevels" -}}
{{- $levels := list (dict "path" "global.pods" "pods" (include "common.global" . | fromJson).pods) -}}
{{- if hasKey .Values "pods" -}}
{{- $levels = append $levels (dict "path" (printf "%s.pods" .Chart.Name) "pods" (.Values.pods | default dict)) -}}
{{- end -}}
{{- toJson $levels -}}
{{- end }}

{{- /*
common.mergedPods <list of {path, pods}>: levels as one, as JSON. Maps merge key by key, where the nearer level wins; lists are appended,
as a toleration or a volume of one level never makes another's needless; of the rest (affinity, whose parts would not mean the same
beside others) the nearer one is taken whole.
*/ -}}
{{- define "common.mergedPods" -}}
{{- $lists := include "common.podLists" . | fromJsonArray -}}
{{- $maps := include "common.podMaps" . | fromJsonArray -}}
{{- $merged := dict -}}
{{- range . -}}
{{- range $key, $value := .pods -}}
{{- if has $key $lists -}}
{{- $value = concat (get $merged $key | default list) $value | uniq -}}
{{- else if has $key $maps -}}
{{- $value = merge (dict) $value (get $merged $key | default dict) -}}
{{- else if eq $key "serviceAccount" -}}
{{- $value = mergeOverwrite (deepCopy (get $merged $key | default dict)) (deepCopy $value) -}}
{{- end -}}
{{- $_ := set $merged $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $merged -}}
{{- end }}

{{- /*
common.serviceAccountName (dict "root" $ "given" map): the account of a part's pods, or nothing where it is the namespace's default.
*/ -}}
{{- define "common.serviceAccountName" -}}
{{- with .given.serviceAccount -}}
{{- if and .create (not .name) (not (has $.root.Chart.Name (list "quintet" "pipeline"))) -}}
{{- $.root.Chart.Name -}}
{{- else -}}
{{- .name | default "" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /*
common.serviceAccount $: the account of a part that asks for one. A pipeline's own release takes the platform's.
*/ -}}
{{- define "common.serviceAccount" -}}
{{- $given := include "common.mergedPods" (include "common.podLevels" . | fromJsonArray) | fromJson -}}
{{- $account := $given.serviceAccount | default dict -}}
{{- if and $account.create (not (include "common.ownPipeline" .)) -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "common.serviceAccountName" (dict "root" . "given" $given) }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "common.labels" (dict "root" . "component" "account") | nindent 4 }}
  {{- with $account.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}
{{- end }}

{{- /*
common.accountAnnotations <list of {path, pods}>: the annotations key of an account that the platform has anyway, or nothing.
*/ -}}
{{- define "common.accountAnnotations" -}}
{{- with dig "serviceAccount" "annotations" dict (include "common.mergedPods" . | fromJson) -}}
annotations: {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end }}

{{- /*
common.podsSum $: what the values say of a part's pods, for the hash of a Job; nothing where they say nothing.
*/ -}}
{{- define "common.podsSum" -}}
{{- $given := include "common.mergedPods" (include "common.podLevels" . | fromJsonArray) -}}
{{- $proxy := include "common.proxyVariables" . -}}
{{- if ne (print $given $proxy) "{}{}" }}{{ print $given $proxy }}{{ end -}}
{{- end }}
