{{- /*
postgres.url (dict "root" $ "scheme" "postgresql" "host" host "role" r "password" p "database" d): the URL that a client connects by.
*/ -}}
{{- define "postgres.url" -}}
{{- $external := .root.Values.external -}}
{{- $host := $external.enabled | ternary $external.host .host -}}
{{- $port := $external.enabled | ternary $external.port 5432 | int -}}
{{- printf "%s://%s:%s@%s:%d/%s" .scheme .role .password $host $port .database -}}
{{- with $external.enabled | ternary $external.sslMode "" }}?sslmode={{ . }}{{ end -}}
{{- end }}

{{- /*
postgres.roles $: the login roles, each with its Secret's name without "postgres-".
*/ -}}
{{- define "postgres.roles" -}}
quintet_owner: owner
{{- range .Values.databases }}
{{ .role }}: {{ .role | replace "_" "-" }}
{{- end }}
{{- range $name, $_ := .Values.pipelines }}
{{ $name }}: {{ $name | replace "_" "-" }}
{{- end }}
{{- end }}
