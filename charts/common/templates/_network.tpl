{{- /*
Rules of NetworkPolicies by global.networkPolicy. A rule without peers would let everybody in, so that an empty list makes none.

common.dnsEgress $: the egress rule by which a pod resolves names.
*/ -}}
{{- define "common.dnsEgress" -}}
{{- with (include "common.global" . | fromJson).networkPolicy.dns -}}
{{- if .peers -}}
- to: {{ toJson .peers }}
  ports:
    {{- range .ports }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end -}}
{{- end -}}
{{- end }}

{{- /*
common.kubernetesApiEgress $: the egress rule by which a pod reaches the Kubernetes API.
*/ -}}
{{- define "common.kubernetesApiEgress" -}}
{{- with (include "common.global" . | fromJson).networkPolicy.kubernetesApi -}}
{{- if .peers -}}
- to: {{ toJson .peers }}
  ports:
    {{- range .ports }}
    - {port: {{ . }}}
    {{- end }}
{{- end -}}
{{- end -}}
{{- end }}

{{- /*
common.ingressRule (dict "root" $ "port" "http"): the ingress rule by which an ingress controller reaches a port.
*/ -}}
{{- define "common.ingressRule" -}}
{{- with (include "common.global" .root | fromJson).networkPolicy.ingress.peers -}}
- from: {{ toJson . }}
  ports: [{port: {{ $.port }}}]
{{- end -}}
{{- end }}

{{- /*
common.ciliumKubernetesApi (dict "root" $ "name" "airflow-launcher" "selector" (dict "matchLabels" …)): the same way in Cilium's own
words, where global.networkPolicy.cilium asks for them; else nothing.
*/ -}}
{{- define "common.ciliumKubernetesApi" -}}
{{- with (include "common.global" .root | fromJson).networkPolicy -}}
{{- if .cilium -}}
---
# To Cilium the API server is not an address: an ipBlock matches neither it nor the nodes.
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: {{ $.name }}
  namespace: {{ $.root.Release.Namespace }}
  labels: {{- include "common.labels" (dict "root" $.root "component" "network") | nindent 4 }}
spec:
  endpointSelector: {{- toYaml $.selector | nindent 4 }}
  egress:
    - toEntities: [kube-apiserver]
{{- end -}}
{{- end -}}
{{- end }}
