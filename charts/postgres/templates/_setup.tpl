{{- /*
postgres.setup $: what the setup Job runs; files/*.sql hold the statements, setup.sh their order. A pipeline's own release has the part
of a pipeline, and remove.sh for the Job that takes it away.
*/ -}}
{{- define "postgres.setup" -}}
{{- $own := include "common.ownPipeline" . }}
{{- (.Files.Glob "files/*.{sql,py}").AsConfig }}
{{- $pipelines := include "postgres.pipelines" . }}
pipelines.json: {{ $pipelines | quote }}
log_in.sh: |
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
setup.sh: |
  . /etc/postgres-setup/log_in.sh
  {{- if not $own }}
  # The setup role changes its own password by the one that its Secret held before, until the server knows the new one.
  if [ -e /run/postgres/superuser/former-password ] && ! as superuser --dbname=postgres --command="SELECT" > /dev/null 2>&1; then
      log_in superuser
      PGPASSWORD=$(cat /run/postgres/superuser/former-password) psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 \
          --dbname=postgres --set=oldest=15 --set=secrets=/run/postgres --file=version.sql --file=own_password.sql
  fi
  as superuser --dbname=postgres --set=oldest=15 --file=version.sql

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
  {{- end }}
  {{- range $pipeline, $settings := $pipelines | fromJson }}
  {{- range $settings.schemas }}
  as owner --dbname=quintet --set=pipeline={{ $pipeline }} --set=schema={{ . }} --set=adopts={{ $own | empty }} --file=schema_owner.sql
  {{- end }}
  {{- end }}
  {{- range $pipeline, $settings := $pipelines | fromJson }}
  role {{ $pipeline }} {{ $pipeline }} {{ $.Values.pipelineRole.connections }}
  {{- range $settings.schemas }}
  as owner --dbname=quintet --set=comment="{{ include "postgres.schemaComment" $pipeline }}" --set=role={{ $pipeline }} --set=schema={{ . }} --file=schema.sql
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
{{- if $own }}
remove.sh: |
  . /etc/postgres-setup/log_in.sh
  {{- range $pipeline, $settings := $pipelines | fromJson }}
  if [ "$REMOVE_DATA" = true ]; then
      {{- range $settings.schemas }}
      as owner --dbname=quintet --set=schema={{ . }} --file=schema_removed.sql
      {{- end }}
      {{- range list $pipeline (printf "%s_promotion" $pipeline) }}
      as owner --dbname=quintet --set=series={{ . }} --file=notes_removed.sql
      {{- end }}
  fi
  {{- end }}
  {{- range $role, $_ := include "postgres.pipelineRoles" . | fromYaml }}
  as superuser --dbname=postgres --set=role={{ $role }} --set=owner=quintet_owner --set=data="$REMOVE_DATA" --file=role_removed.sql
  if [ "$REMOVE_DATA" = true ]; then
      as owner --dbname=quintet --set=role={{ $role }} --file=rights_removed.sql
      as superuser --dbname=postgres --set=role={{ $role }} --file=role_dropped.sql
  fi
  {{- end }}
{{- end }}
{{- end }}

{{- /*
postgres.schemaComment "weather": what says of a schema whose it is.
*/ -}}
{{- define "postgres.schemaComment" -}}
Of the pipeline {{ . }}
{{- end }}

{{- define "postgres.limits" -}}
--set=role={{ .role }} --set=statement_timeout={{ .limits.statementTimeout }} --set=lock_timeout={{ .limits.lockTimeout }} --set=idle_timeout={{ .limits.idleInTransactionTimeout }}
{{- end }}
