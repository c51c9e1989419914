{{- /*
common.checksum (any): the sha256 of its YAML. Give it configuration, never a generated value, which differs at each render.
*/ -}}
{{- define "common.checksum" -}}
{{- . | toYaml | sha256sum -}}
{{- end }}

{{- /*
common.jobName (dict "root" $ "name" "airflow-migrate" "spec" $podSpec): a Job cannot be changed, so another pod spec is another Job.
One that has failed stands in the cluster under its name and would never run again: its successor has the revision in the hash too.
*/ -}}
{{- define "common.jobName" -}}
{{- $name := printf "%s-%s" .name (.spec | sha256sum | trunc 8) -}}
{{- $found := lookup "batch/v1" "Job" .root.Release.Namespace $name -}}
{{- range ($found.status | default dict).conditions -}}
{{- if and (eq .type "Failed") (eq .status "True") -}}
{{- $name = printf "%s-%s" $.name (printf "%s %d" $.spec (int $.root.Release.Revision) | sha256sum | trunc 8) -}}
{{- end -}}
{{- end -}}
{{- $name -}}
{{- end }}

{{- /*
common.rollbackHook $: the annotations of a Job that runs before a rollback; where it fails, Helm prints its log and changes nothing.
*/ -}}
{{- define "common.rollbackHook" -}}
helm.sh/hook: pre-rollback
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
helm.sh/hook-output-log-policy: hook-failed
{{- end }}
