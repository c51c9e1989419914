{{- /*
common.externalUrl .Values.ingress: the origin under which a browser reaches a UI through its ingress.
*/ -}}
{{- define "common.externalUrl" -}}
{{- .externalUrl | default (printf "%s://%s" (.tlsSecret | empty | ternary "http" "https") .host) -}}
{{- end }}
