{{- /*
common.image (dict "root" $ "name" "airflow"): the full reference: global.images.<name>, else <registry>/<name>:<tag>.
*/ -}}
{{- define "common.image" -}}
{{- $global := include "common.global" .root | fromYaml -}}
{{- $registry := $global.image.registry | default "quintet" -}}
{{- $tag := $global.image.tag | default .root.Chart.AppVersion -}}
{{- get $global.images .name | default (printf "%s/%s:%s" $registry .name $tag) -}}
{{- end }}

{{- /*
common.imagePullPolicy $
*/ -}}
{{- define "common.imagePullPolicy" -}}
{{- (include "common.global" . | fromYaml).image.pullPolicy -}}
{{- end }}

{{- /*
common.imagePullSecrets $: the whole block of a pod spec, or nothing.
*/ -}}
{{- define "common.imagePullSecrets" -}}
{{- $global := include "common.global" . | fromYaml -}}
{{- with $global.image.pullSecrets -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end -}}
{{- end }}
