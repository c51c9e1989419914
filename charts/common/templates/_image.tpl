{{- /*
common.image (dict "root" $ "name" "airflow"): the full reference: global.images.<name>, else <registry>/<name>:<tag>. Without
either it refuses: a reference without a registry would be one of Docker Hub, where the name may be anybody's.
*/ -}}
{{- define "common.image" -}}
{{- $global := include "common.global" .root | fromJson -}}
{{- $reference := get $global.images .name -}}
{{- if not (or $reference $global.image.registry) -}}
{{- fail (printf "No value says where the image %s is: `make push REGISTRY=registry.example.com/quintet` prints each reference and writes dist/images.yaml, for --values of the chart quintet; else set global.images.%s, or global.image.registry." .name .name) -}}
{{- end -}}
{{- $tag := $global.image.tag | default .root.Chart.AppVersion -}}
{{- $reference | default (printf "%s/%s:%s" $global.image.registry .name $tag) -}}
{{- end }}

{{- /*
common.imagePullPolicy $
*/ -}}
{{- define "common.imagePullPolicy" -}}
{{- (include "common.global" . | fromJson).image.pullPolicy -}}
{{- end }}

{{- /*
common.imagePullSecrets $: the whole block of a pod spec, or nothing.
*/ -}}
{{- define "common.imagePullSecrets" -}}
{{- $global := include "common.global" . | fromJson -}}
{{- with $global.image.pullSecrets -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end -}}
{{- end }}
