{{- /*
postgres.config $: the server's files. Dead clients are noticed within two minutes: a killed pod must not hold its locks.
*/ -}}
{{- define "postgres.config" -}}
postgresql.conf: |
  listen_addresses = '*'
  unix_socket_directories = '/tmp'
  password_encryption = 'scram-sha-256'
  log_destination = 'stderr'
  log_lock_waits = on
  tcp_keepalives_idle = 60
  tcp_keepalives_interval = 10
  tcp_keepalives_count = 6
  {{- range $key, $value := .Values.config }}
  {{ $key }} = '{{ $value }}'
  {{- end }}
pg_hba.conf: |
  local all all     scram-sha-256
  host  all all all scram-sha-256
{{- end }}

{{- /*
postgres.setup $: what the setup Job runs; files/*.sql hold the statements, setup.sh their order.
*/ -}}
{{- define "postgres.setup" -}}
{{- (.Files.Glob "files/*.sql").AsConfig }}
{{- range $pipeline, $_ := .Values.pipelines }}
{{- $tables := $.Files.Get (printf "files/tables/%s.sql" $pipeline) }}
{{ $pipeline }}.sql: {{ required (printf "postgres.pipelines.%s has no tables: charts/postgres/files/tables/%s.sql is missing." $pipeline $pipeline) $tables | toJson }}
{{- end }}
setup.sh: |
  set -eu
  as() { # as <Secret> <psql arguments>: run psql as the user of that Secret
      PGUSER=$(cat "/run/postgres/$1/username") PGPASSWORD=$(cat "/run/postgres/$1/password")
      export PGUSER PGPASSWORD
      shift
      psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$@"
  }
  until pg_isready --quiet; do sleep 1; done
  cd /etc/postgres-setup

  as superuser --dbname=postgres --set=role=quintet_owner --set=secrets=/run/postgres --set=secret=owner --file=role.sql
  {{- range $database, $settings := .Values.databases }}
  as superuser --dbname=postgres {{ include "postgres.roleArguments" (dict "role" $settings.role "limits" $settings) }} --file=role.sql --file=limits.sql
  as superuser --dbname=postgres --set=database={{ $database }} --set=owner={{ $settings.role }} --file=database.sql
  {{- end }}
  as superuser --dbname=postgres --set=database=quintet --set=owner=quintet_owner --file=database.sql
  {{- range $pipeline, $settings := .Values.pipelines }}
  as superuser --dbname=postgres {{ include "postgres.roleArguments" (dict "role" $pipeline "limits" $.Values.pipelineRole) }} --file=role.sql --file=limits.sql
  {{- range $settings.schemas }}
  as owner --dbname=quintet --set=role={{ $pipeline }} --set=schema={{ . }} --file=schema.sql
  {{- end }}
  as superuser --dbname=quintet --set=role={{ $pipeline }} --set=schema={{ first $settings.schemas }} --file=search_path.sql
  as owner --dbname=quintet --single-transaction --file={{ $pipeline }}.sql
  {{- if $settings.promotes }}
  as owner --dbname=quintet --single-transaction --set=role={{ $pipeline }} --set=schema={{ first $settings.schemas }} --file=promotion.sql
  {{- end }}
  {{- end }}
{{- end }}

{{- define "postgres.roleArguments" -}}
--set=role={{ .role }} --set=secrets=/run/postgres --set=secret={{ .role | replace "_" "-" }} --set=connections={{ .limits.connections }} --set=statement_timeout={{ .limits.statementTimeout }} --set=lock_timeout={{ .limits.lockTimeout }} --set=idle_timeout={{ .limits.idleInTransactionTimeout }}
{{- end }}
