{{- /*
postgres.setupConfig $: what the Job reads: its script and statements, and the migrations.
*/ -}}
{{- define "postgres.setupConfig" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "common.ownName" (dict "root" . "name" "postgres-setup") }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "common.labels" (dict "root" . "component" "setup") | nindent 4 }}
data:
  {{- include "postgres.setup" . | nindent 2 }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "common.ownName" (dict "root" . "name" "postgres-migrations") }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "common.labels" (dict "root" . "component" "setup") | nindent 4 }}
data:
  {{- range $path, $sql := include "postgres.migrations" . | fromYaml }}
  {{ $path | replace "/" "." }}: {{ $sql | toJson }}
  {{- end }}
{{- end }}

{{- /*
postgres.migrations $: the migrations of all pipelines, path below /etc/postgres-migrations -> SQL. Those of a release of its own are
values, which charts/pipeline puts into .Values.ownMigrations.
*/ -}}
{{- define "postgres.migrations" -}}
{{- range $pipeline, $_ := include "postgres.pipelines" . | fromJson }}
{{- $files := dict }}
{{- if include "common.ownPipeline" $ }}
{{- range $name, $sql := $.Values.ownMigrations }}
{{- $_ := set $files (printf "pipelines/%s/migrations/%s" $pipeline $name) $sql }}
{{- end }}
{{- else }}
{{- $files = $.Files.Glob (printf "files/pipelines/%s/migrations/*.sql" $pipeline) }}
{{- end }}
{{- if not $files }}
{{- fail (printf "global.pipelines.%s.schemas have no tables: pipelines/%s/migrations/0001_tables.sql is missing." $pipeline $pipeline) }}
{{- end }}
{{- range $path, $sql := $files }}
{{ trimPrefix "files/" $path }}: {{ toString $sql | toJson }}
{{- end }}
{{- end }}
{{- range $path, $sql := .Files.Glob "files/promotion/*.sql" }}
promotion/{{ base $path }}: {{ toString $sql | toJson }}
{{- end }}
{{- end }}
