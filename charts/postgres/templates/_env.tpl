{{- /*
postgres.serverEnv $: libpq's environment that leads to the server.   postgres.ownerEnv $: as the owner of the tables.
*/ -}}
{{- define "postgres.serverEnv" -}}
- name: PGHOST
  value: {{ .Values.external.enabled | ternary .Values.external.host "postgres" }}
- name: PGPORT
  value: {{ .Values.external.enabled | ternary .Values.external.port 5432 | int | quote }}
{{- with .Values.external.enabled | ternary .Values.external.sslMode "" }}
- name: PGSSLMODE
  value: {{ . }}
{{- end }}
{{- with include "common.postgresCaEnv" . }}
{{- . | nindent 0 }}
{{- end }}
{{- end }}

{{- define "postgres.ownerEnv" -}}
{{ include "postgres.serverEnv" . }}
{{- range $variable, $key := dict "PGUSER" "username" "PGPASSWORD" "password" }}
- name: {{ $variable }}
  valueFrom: {secretKeyRef: {name: {{ include "common.secretName" (dict "root" $ "name" "postgres-owner") }}, key: {{ $key }}}}
{{- end }}
{{- end }}
