{{- /*
inference.outsidePostgres (dict "root" $ "external" <postgres.external>): the way to the record of promotions in a Postgres of one's own.
*/ -}}
{{- define "inference.outsidePostgres" -}}
{{- range $name, $model := include "inference.models" .root | fromJson }}
{{- if eq $model.record "both" }}
---
# The record of promotions is outside.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: inference-{{ $name }}-outside-postgres
  namespace: {{ $.root.Release.Namespace }}
  labels: {{- include "common.labels" (dict "root" $.root "component" "network") | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "common.selectorLabels" (dict "root" $.root "component" $name) | nindent 6 }}
  policyTypes: [Egress]
  egress:
    {{- include "postgres.outsideEgress" $.external | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}
