{{- /*
postgres.url (dict "root" $ "scheme" "postgresql" "host" host "role" r "password" p "database" d): the URL that a client connects by.
*/ -}}
{{- define "postgres.url" -}}
{{- $external := .root.Values.external -}}
{{- $host := $external.enabled | ternary $external.host .host -}}
{{- $port := $external.enabled | ternary $external.port 5432 | int -}}
{{- printf "%s://%s:%s@%s:%d/%s" .scheme .role .password $host $port .database -}}
{{- if and (hasPrefix "verify-" $external.sslMode) (not (include "common.global" .root | fromJson).postgres.caSecret) -}}
{{- fail (printf "postgres.external.sslMode is %s, and no value says by which authority's certificate: name a Secret that holds it under ca.crt in global.postgres.caSecret." $external.sslMode) -}}
{{- end -}}
{{- with $external.enabled | ternary $external.sslMode "" }}?sslmode={{ . }}{{ end -}}
{{- end }}

{{- /*
postgres.pipelines $: the pipelines with tables in the database `quintet`: name -> {schemas, promotes}, as JSON.
*/ -}}
{{- define "postgres.pipelines" -}}
{{- $taken := list "superuser" "owner" "postgres" "public" "none" -}}
{{- range .Values.databases -}}
{{- $taken = append $taken .role -}}
{{- end -}}
{{- $found := dict -}}
{{- range $name, $given := include "common.pipelines" . | fromJson -}}
{{- if $given.schemas -}}
{{- if has $name $taken -}}
{{- fail (printf "global.pipelines.%s: Postgres has a role or a Secret of this name for another part: give the pipeline another one." $name) -}}
{{- end -}}
{{- $_ := set $found $name (dict "schemas" $given.schemas) -}}
{{- if $given.promotion -}}
{{- $_ := set (get $found $name) "promotes" true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{- /*
postgres.roles $: the login roles, each with its Secret's name without "postgres-".
*/ -}}
{{- define "postgres.roles" -}}
{{- if not (include "common.ownPipeline" .) }}
quintet_owner: owner
{{- range .Values.databases }}
{{ .role }}: {{ .role | replace "_" "-" }}
{{- end }}
{{- end }}
{{- include "postgres.pipelineRoles" . }}
{{- end }}

{{- /*
postgres.pipelineRoles $: those of the pipelines, in the same way.
*/ -}}
{{- define "postgres.pipelineRoles" -}}
{{- include "postgres.stepRoles" . }}
{{- range $role, $settings := include "postgres.servingRoles" . | fromJson }}
{{ $role }}: {{ $settings.secret }}
{{- end }}
{{- end }}

{{- /*
postgres.stepRoles $: those of the steps, in the same way: one a pipeline, and one for its promotion, if it promotes.
*/ -}}
{{- define "postgres.stepRoles" -}}
{{- range $name, $settings := include "postgres.pipelines" . | fromJson }}
{{ $name }}: {{ $name }}
{{- if $settings.promotes }}
{{ $name }}_promotion: {{ $name }}-promotion
{{- end }}
{{- end }}
{{- end }}

{{- /*
postgres.servingRoles $: those by which the inference API reads the records of promotions: role -> {secret, schema}, as JSON.
*/ -}}
{{- define "postgres.servingRoles" -}}
{{- $roles := dict -}}
{{- range $name, $settings := include "postgres.pipelines" . | fromJson -}}
{{- if and $settings.promotes $.Values.servingRole.enabled -}}
{{- $_ := set $roles (printf "%s_serving" $name) (dict "secret" (printf "%s-serving" $name) "schema" (first $settings.schemas)) -}}
{{- end -}}
{{- end -}}
{{- toJson $roles -}}
{{- end }}

{{- /*
postgres.outsideEgress .Values.external: the egress rule by which a pod reaches a server of one's own.
*/ -}}
{{- define "postgres.outsideEgress" -}}
- ports: [{port: {{ .port }}}]
{{- with .peers }}
  to: {{ toJson . }}
{{- end }}
{{- end }}

{{- /*
postgres.password (dict "root" $ "secret" "postgres-airflow"): the role's password, which the URL of the same Secret must hold: one
that was edited by hand would go from here into the URL, and Postgres and running pods would not know it.
*/ -}}
{{- define "postgres.password" -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $password := include "common.keptValue" (dict "root" .root "namespace" $namespace "secret" .secret "key" "password") -}}
{{- $found := (lookup "v1" "Secret" $namespace .secret).data | default dict -}}
{{- if and $password (hasKey $found "url") (not (contains (printf ":%s@" $password) (get $found "url" | b64dec))) -}}
{{- fail (printf "The Secret %s of namespace %s has a password that its url does not hold: it was edited by hand, and Postgres does not know it. `make rotate SECRET=%s` gives it another one everywhere." .secret $namespace .secret) -}}
{{- end -}}
{{- $password -}}
{{- end }}
