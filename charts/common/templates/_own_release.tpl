{{- /*
A pipeline as a release of its own, charts/pipeline, beside the platform: what it makes has the pipeline's name in its own.

common.ownPipeline $: the name of the pipeline; nothing in the platform's release.
*/ -}}
{{- define "common.ownPipeline" -}}
{{- if (include "common.global" . | fromJson).ownRelease -}}
{{- include "common.pipelines" . | fromJson | keys | first -}}
{{- end -}}
{{- end }}

{{- /*
common.ownName (dict "root" $ "name" "postgres-setup"): the name of an object that a release has once: postgres-setup-<pipeline> in one
of a pipeline's own.
*/ -}}
{{- define "common.ownName" -}}
{{- $pipeline := include "common.ownPipeline" .root -}}
{{- $pipeline | empty | ternary .name (printf "%s-%s" .name $pipeline) -}}
{{- end }}

{{- /*
common.removalJob (dict "root" $ "name" "postgres-removal" "pod" $podSpec): a Job of a pipeline's own release that takes away what no
object of Kubernetes is, before `helm uninstall` takes the rest; where it fails, Helm prints its log and takes nothing.
*/ -}}
{{- define "common.removalJob" -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "common.ownName" (dict "root" .root "name" .name) }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "common.labels" (dict "root" .root "component" "removal") | nindent 4 }}
  annotations:
    helm.sh/hook: pre-delete
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
    helm.sh/hook-output-log-policy: hook-failed
spec:
  backoffLimit: 3
  activeDeadlineSeconds: 240
  template:
    {{- include "common.pods" (dict "root" .root "object" .pod) | nindent 4 }}
{{- end }}
