{{- /*
common.podSecurityContext $: Pod Security "restricted", with the ids of global.securityContext.
*/ -}}
{{- define "common.podSecurityContext" -}}
{{- $ids := (include "common.global" . | fromJson).securityContext -}}
runAsNonRoot: true
{{- range $name := list "runAsUser" "runAsGroup" "fsGroup" }}
{{- with get $ids $name }}
{{ $name }}: {{ int64 . }}
{{- end }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- /*
common.containerSecurityContext $
*/ -}}
{{- define "common.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
