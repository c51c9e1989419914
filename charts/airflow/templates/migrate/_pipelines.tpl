{{- /*
What pipelines bring to Airflow's database; a value of the release wins over a pipeline's.

airflow.variables $: value by name, as JSON.
airflow.connectionSecrets $: `secret` and `key` by the connection's id, as JSON.
*/ -}}
{{- define "airflow.variables" -}}
{{- $variables := include "airflow.ofPipelines" (dict "root" . "part" "variables") | fromJson -}}
{{- range $name, $value := .Values.variables.values -}}
{{- $_ := set $variables $name (toString $value) -}}
{{- end -}}
{{- toJson $variables -}}
{{- end }}

{{- define "airflow.connectionSecrets" -}}
{{- $pipelines := include "airflow.ofPipelines" (dict "root" . "part" "connections") | fromJson -}}
{{- mergeOverwrite $pipelines (deepCopy .Values.connections.secrets) | toJson -}}
{{- end }}

{{- define "airflow.ofPipelines" -}}
{{- $found := dict -}}
{{- $owners := dict -}}
{{- range $pipeline, $given := include "common.pipelines" .root | fromJson -}}
{{- range $name, $value := get $given $.part -}}
{{- if hasKey $owners $name -}}
{{- fail (printf "global.pipelines.%s.%s and that of %s both have %s: Airflow has one of a name for all, so begin each with its pipeline's." $pipeline $.part (get $owners $name) $name) -}}
{{- end -}}
{{- $_ := set $owners $name $pipeline -}}
{{- $_ := set $found $name $value -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}
