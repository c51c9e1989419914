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
  {{- include "postgres.sizes" . | trim | nindent 2 }}
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
{{- (.Files.Glob "files/*.{sql,py}").AsConfig }}
{{- $pipelines := include "postgres.pipelines" . }}
pipelines.json: {{ $pipelines | quote }}
setup.sh: |
  set -eu
  log_in() { # log_in <Secret>: what follows connects as the user of that Secret
      PGUSER=$(cat "/run/postgres/$1/username") PGPASSWORD=$(cat "/run/postgres/$1/password")
      export PGUSER PGPASSWORD
  }
  as() { # as <Secret> <psql arguments>: run psql as the user of that Secret
      log_in "$1"
      shift
      psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$@"
  }
  role() { # role <role> <Secret> <sessions>
      if [ "$(cat "/run/postgres/$2/username")" != "$1" ]; then
          echo "The Secret of the role $1 must say so: its username is $(cat "/run/postgres/$2/username")." >&2
          exit 2
      fi
      as superuser --dbname=postgres --set=role="$1" --set=secrets=/run/postgres --set=secret="$2" --set=connections="$3" --file=role.sql
  }
  until pg_isready --quiet; do sleep 1; done
  cd /etc/postgres-setup
  # The setup role changes its own password by the one that its Secret held before, until the server knows the new one.
  if [ -e /run/postgres/superuser/former-password ] && ! as superuser --dbname=postgres --command="SELECT" > /dev/null 2>&1; then
      log_in superuser
      PGPASSWORD=$(cat /run/postgres/superuser/former-password) psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
          --dbname=postgres --set=secrets=/run/postgres --file=own_password.sql
  fi

  {{- range $database, $settings := .Values.databases }}
  {{- $secret := $settings.role | replace "_" "-" }}
  role {{ $settings.role }} {{ $secret }} {{ $settings.connections }}
  as superuser --dbname=postgres --set=database={{ $database }} --set=owner={{ $settings.role }} --file=database.sql
  as {{ $secret }} --dbname={{ $database }} --set=database={{ $database }} {{ include "postgres.limits" (dict "role" $settings.role "limits" $settings) }} --file=private.sql --file=limits.sql
  {{- end }}
  role quintet_owner owner -1
  as superuser --dbname=postgres --set=database=quintet --set=owner=quintet_owner --file=database.sql
  as owner --dbname=quintet --set=database=quintet --file=private.sql
  as superuser --dbname=postgres --set=database=quintet --file=large_objects.sql
  {{- if not .Values.external.enabled }}
  {{- range list "postgres" "template1" }}
  as superuser --dbname=postgres --set=database={{ . }} --file=private.sql
  {{- end }}
  {{- end }}
  {{- range $pipeline, $settings := $pipelines | fromJson }}
  role {{ $pipeline }} {{ $pipeline }} {{ $.Values.pipelineRole.connections }}
  {{- range $settings.schemas }}
  as owner --dbname=quintet --set=role={{ $pipeline }} --set=schema={{ . }} --file=schema.sql
  {{- end }}
  as {{ $pipeline }} --dbname=quintet --set=schema={{ first $settings.schemas }} {{ include "postgres.limits" (dict "role" $pipeline "limits" $.Values.pipelineRole) }} --file=search_path.sql --file=limits.sql
  {{- if $settings.promotes }}
  {{- $role := printf "%s_promotion" $pipeline }}
  role {{ $role }} {{ $pipeline }}-promotion {{ $.Values.promotionRole.connections }}
  as owner --dbname=quintet --set=role={{ $role }} --set=schema={{ first $settings.schemas }} --file=promotion_role.sql
  as {{ $pipeline }}-promotion --dbname=quintet {{ include "postgres.limits" (dict "role" $role "limits" $.Values.promotionRole) }} --file=limits.sql
  {{- end }}
  {{- end }}
  log_in owner
  PGDATABASE=quintet python3 migrate.py /etc/postgres-migrations < pipelines.json
  {{- range $role, $settings := include "postgres.servingRoles" . | fromJson }}
  role {{ $role }} {{ $settings.secret }} {{ $.Values.servingRole.connections }}
  as owner --dbname=quintet --set=role={{ $role }} --set=schema={{ $settings.schema }} --file=serving_role.sql
  as {{ $settings.secret }} --dbname=quintet --set=schema={{ $settings.schema }} {{ include "postgres.limits" (dict "role" $role "limits" $.Values.servingRole) }} --file=search_path.sql --file=limits.sql
  {{- end }}
{{- end }}

{{- /*
postgres.migrations $: the migrations of all pipelines, path below /etc/postgres-migrations -> SQL.
*/ -}}
{{- define "postgres.migrations" -}}
{{- range $pipeline, $_ := include "postgres.pipelines" . | fromJson }}
{{- $files := $.Files.Glob (printf "files/pipelines/%s/migrations/*.sql" $pipeline) }}
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

{{- define "postgres.limits" -}}
--set=role={{ .role }} --set=statement_timeout={{ .limits.statementTimeout }} --set=lock_timeout={{ .limits.lockTimeout }} --set=idle_timeout={{ .limits.idleInTransactionTimeout }}
{{- end }}
