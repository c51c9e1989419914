{{- /*
common.checksum (any): the sha256 of its YAML. Give it configuration, never a generated value, which differs at each render.
*/ -}}
{{- define "common.checksum" -}}
{{- . | toYaml | sha256sum -}}
{{- end }}

{{- /*
common.jobName (dict "root" $ "name" "airflow-migrate" "spec" $podSpec): a Job cannot be changed, so another pod spec is another Job.
*/ -}}
{{- define "common.jobName" -}}
{{- printf "%s-%s" .name (.spec | sha256sum | trunc 8) -}}
{{- end }}
