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
