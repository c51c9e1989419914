{{- /*
pipeline.dagFiles $: data of a ConfigMap with what the Jobs publish: DAG files, and as `steps.json` the images and pods of the steps, by
the definitions by which the platform's own have theirs.
*/ -}}
{{- define "pipeline.dagFiles" -}}
{{- $airflow := .Subcharts.airflow -}}
{{- $images := dict -}}
{{- range $image, $_ := include "airflow.steps" $airflow | fromJson -}}
{{- $_ := set $images $image (include "common.image" (dict "root" $airflow "name" $image)) -}}
{{- end -}}
{{- $steps := dict "images" $images "steps" (include "airflow.stepPods" $airflow | fromYaml).steps -}}
{{- $release := dict "pipeline" .Release.Name "claims" (include "pipeline.claims" . | fromJson) -}}
{{- $data := dict "release.json" (toPrettyJson $release) "steps.json" (toPrettyJson $steps) -}}
{{- merge $data .Values.files.dags | toYaml -}}
{{- end }}
