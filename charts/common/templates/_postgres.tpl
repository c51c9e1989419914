{{- /*
The certificate authority of an outside Postgres, where global.postgres.caSecret names one; else nothing. libpq and asyncpg take it
from PGSSLROOTCERT, so that no URL has to name a file.

common.postgresCaEnv $   common.postgresCaMount $   common.postgresCaVolume $: an item each of env, volumeMounts and volumes.
*/ -}}
{{- define "common.postgresCaEnv" -}}
{{- if (include "common.global" . | fromJson).postgres.caSecret -}}
- {name: PGSSLROOTCERT, value: {{ include "common.postgresCaFolder" . }}/ca.crt}
{{- end -}}
{{- end }}

{{- define "common.postgresCaMount" -}}
{{- if (include "common.global" . | fromJson).postgres.caSecret -}}
- {name: postgres-ca, mountPath: {{ include "common.postgresCaFolder" . }}, readOnly: true}
{{- end -}}
{{- end }}

{{- define "common.postgresCaVolume" -}}
{{- with (include "common.global" . | fromJson).postgres.caSecret -}}
- name: postgres-ca
  secret: {secretName: {{ . }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end -}}
{{- end }}

{{- define "common.postgresCaFolder" -}}
/etc/postgres-ca
{{- end }}
