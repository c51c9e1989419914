{{- /*
sources.addresses $: the ConfigMap that steps read their source's address from.
*/ -}}
{{- define "sources.addresses" -}}
{{- with include "sources.all" . | fromJson }}
# Step pods read their source's address from it.
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "common.ownName" (dict "root" $ "name" "sources") }}
  namespace: {{ include "common.tasksNamespace" $ }}
  labels: {{- include "common.labels" (dict "root" $ "component" "source") | nindent 4 }}
data:
  {{- range $pipeline, $source := . }}
  {{ $pipeline }}: {{ $source.url | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{- /*
sources.ways $: the NetworkPolicies by which steps reach their source.
*/ -}}
{{- define "sources.ways" -}}
{{- if include "common.networkPolicies" . }}
{{- range $pipeline, $source := include "sources.all" . | fromJson }}
---
# Of a pipeline's steps only those that ask its source.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: source-{{ $pipeline }}
  namespace: {{ include "common.tasksNamespace" $ }}
  labels: {{- include "common.labels" (dict "root" $ "component" "source") | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/component: step
      quintet/source: {{ $pipeline }}
  policyTypes: [Egress]
  egress: {{- toYaml $source.egress | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}
