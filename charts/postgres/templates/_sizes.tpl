{{- /*
postgres.pipelineSessions $: how many sessions the roles of the release's pipelines together may open, by their limits.
*/ -}}
{{- define "postgres.pipelineSessions" -}}
{{- $pipelines := include "postgres.pipelines" . | fromJson -}}
{{- $sum := mul (len $pipelines) (int .Values.pipelineRole.connections) -}}
{{- range $pipelines -}}
{{- if .promotes -}}
{{- $sum = add $sum (int $.Values.promotionRole.connections) -}}
{{- end -}}
{{- end -}}
{{- add $sum (mul (include "postgres.servingRoles" . | fromJson | len) (int .Values.servingRole.connections)) -}}
{{- end }}

{{- /*
postgres.sessions $: how many sessions all roles together may open, with those of the pipelines in releases of their own to come.
*/ -}}
{{- define "postgres.sessions" -}}
{{- $ofOne := add (int .Values.pipelineRole.connections) (int .Values.promotionRole.connections) -}}
{{- if .Values.servingRole.enabled -}}
{{- $ofOne = add $ofOne (int .Values.servingRole.connections) -}}
{{- end -}}
{{- $sum := add (include "postgres.pipelineSessions" .) (mul (int .Values.ownReleases) $ofOne) -}}
{{- range .Values.databases -}}
{{- $sum = add $sum (int .connections) -}}
{{- end -}}
{{- $sum -}}
{{- end }}

{{- /*
postgres.sizes $: max_connections and shared_buffers, as lines of postgresql.conf that .Values.config has not; it refuses what the
roles or the memory limit cannot hold. Measured: a new session holds 1.1 MB of its own, one that has read the catalogue 2.7 MB.
*/ -}}
{{- define "postgres.sizes" -}}
{{- $given := .Values.config -}}
{{- $sessions := include "postgres.sessions" . | int -}}
{{- $needed := add $sessions (int .Values.reservedConnections) | int -}}
{{- $connections := get $given "max_connections" | default $needed | int -}}
{{- if lt $connections $needed -}}
{{- fail (printf "postgres.config.max_connections is %d, and the roles may open %d sessions, with postgres.reservedConnections %d: leave it out, or lower postgres.ownReleases or the connections of postgres.databases, postgres.pipelineRole, postgres.promotionRole and postgres.servingRole." $connections $sessions $needed) -}}
{{- end -}}
{{- if not (hasKey $given "max_connections") }}
max_connections = '{{ $connections }}'
{{- end -}}
{{- with (.Values.resources.limits | default dict).memory -}}
{{- $limit := include "common.mebibytes" . | int64 -}}
{{- $buffers := div $limit 4 -}}
{{- if hasKey $given "shared_buffers" -}}
{{- $buffers = include "postgres.mebibytes" $given.shared_buffers | int64 -}}
{{- else }}
shared_buffers = '{{ $buffers }}MB'
{{- end -}}
{{- $sum := add $buffers (div (mul $connections 5) 2) -}}
{{- if gt $sum $limit -}}
{{- fail (printf "postgres: shared_buffers of %d MB and %d sessions of 2.5 MB take %d MB, more than postgres.resources.limits.memory, which is %s: raise it, or lower postgres.ownReleases or the connections of postgres.databases, postgres.pipelineRole, postgres.promotionRole and postgres.servingRole." $buffers $connections $sum .) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /*
postgres.mebibytes "128MB": a setting of Postgres as a number of MB, which are of 1024 kB; without a unit it counts pages of 8 kB.
*/ -}}
{{- define "postgres.mebibytes" -}}
{{- $kilobytes := dict "" 8 "kB" 1 "MB" 1024 "GB" 1048576 "TB" 1073741824 -}}
{{- $amount := toString . -}}
{{- $unit := regexFind "[A-Za-z]*$" $amount -}}
{{- if not (and (regexMatch "^[0-9]+[A-Za-z]*$" $amount) (hasKey $kilobytes $unit)) -}}
{{- fail (printf "postgres.config.shared_buffers is %s: write a whole number and kB, MB or GB after it, such as 192MB." $amount) -}}
{{- end -}}
{{- div (mul (trimSuffix $unit $amount | int64) (get $kilobytes $unit | int64)) 1024 -}}
{{- end }}
