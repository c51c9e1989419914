{{- /*
airflow.dagFiles $: paths in the chart of the pipelines' DAG files, as a JSON list. All lie in one folder of Airflow's pods, where none
may take the place of another.
*/ -}}
{{- define "airflow.dagFiles" -}}
{{- $owners := dict -}}
{{- range $path, $_ := .Files.Glob "files/dags/*.py" -}}
{{- $_ := set $owners (base $path) "dags" -}}
{{- end -}}
{{- $found := list -}}
{{- range $name, $_ := include "common.pipelines" . | fromJson -}}
{{- range $path, $_ := $.Files.Glob (printf "files/pipelines/%s/dags/*.py" $name) -}}
{{- $folder := printf "pipelines/%s/dags" $name -}}
{{- if hasKey $owners (base $path) -}}
{{- fail (printf "%s/%s and %s/%s have one name, and Airflow's pods have all DAG files in one folder: rename the first, to begin with %s." $folder (base $path) (get $owners (base $path)) (base $path) $name) -}}
{{- end -}}
{{- $_ := set $owners (base $path) $folder -}}
{{- $found = append $found $path -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}
