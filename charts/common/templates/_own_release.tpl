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
