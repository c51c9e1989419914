{{- /*
common.global: .Values.global over its defaults, as JSON, which Helm reads many times as fast as YAML: every image,
Secret and rule of the network asks for it. It is worked out once a chart and kept in .Values.commonGlobal. A chart that is
installed alone needs no global values. The pipelines are not in it, as they are ten times as long as the rest: common.pipelines has
them.
  {{- $global := include "common.global" $ | fromJson }}
*/ -}}
{{- define "common.global" -}}
{{- if not (hasKey .Values "commonGlobal") -}}
{{- $defaults := dict
  "ownRelease" false
  "removeData" false
  "image" (dict "registry" "" "tag" "" "pullPolicy" "IfNotPresent" "pullSecrets" list)
  "images" dict
  "storageClass" ""
  "securityContext" (dict "runAsUser" 10001 "runAsGroup" 10001 "fsGroup" 10001)
  "secrets" (dict "generate" true "existing" dict)
  "postgres" (dict "caSecret" "")
  "caSecret" ""
  "s3" (dict "checksums" "when_supported")
  "tasks" (dict "namespace" "")
  "pods" dict
  "proxy" (dict "url" "" "peers" list "noProxy" list)
  "pipelines" dict
  "networkPolicy" (include "common.network" . | fromJson) -}}
{{- $given := .Values.global | default dict -}}
{{- include "common.refuseUnknown" (dict "path" "global" "given" $given "known" $defaults) -}}
{{- include "common.refuseUnknown" (dict "path" "global.pods" "given" ($given.pods | default dict) "known" (include "common.podWords" . | fromJson)) -}}
{{- with dig "pods" "serviceAccount" "name" "" $given -}}
{{- fail (printf "global.pods.serviceAccount.name is %s, and each part has an account of its own: name it in <part>.pods, such as mlflow.pods." .) -}}
{{- end -}}
{{- $_ := set .Values "commonGlobal" (omit (mergeOverwrite $defaults (omit $given "pipelines")) "pipelines" | toJson) -}}
{{- end -}}
{{- .Values.commonGlobal -}}
{{- end }}

{{- /*
common.network $: the defaults of global.networkPolicy, which values.yaml of the chart quintet explains, as JSON.
*/ -}}
{{- define "common.network" -}}
{
  "enabled": true,
  "dns": {
    "peers": [
      {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}
      }
    ],
    "ports": [53]
  },
  "kubernetesApi": {"peers": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}], "ports": [443, 6443]},
  "ingress": {"peers": [{"namespaceSelector": {}}]},
  "cilium": false
}
{{- end }}

{{- /*
common.refuseUnknown (dict "path" "global" "given" map "known" map): fails at a key that `known` has not, at any depth; below an
empty map of `known` stand names of the user's own. A chart alone has the umbrella's schema not.
*/ -}}
{{- define "common.refuseUnknown" -}}
{{- $known := keys .known | sortAlpha | join ", " -}}
{{- if not (kindIs "map" .given) -}}
{{- fail (printf "%s must be a map of: %s." .path $known) -}}
{{- end -}}
{{- range $key, $value := .given -}}
{{- if not (hasKey $.known $key) -}}
{{- fail (printf "%s.%s is not a value of Quintet; there are: %s." $.path $key $known) -}}
{{- end -}}
{{- $inner := get $.known $key -}}
{{- if and (kindIs "map" $inner) $inner -}}
{{- include "common.refuseUnknown" (dict "path" (printf "%s.%s" $.path $key) "given" ($value | default dict) "known" $inner) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- /*
common.tasksNamespace $: where step pods run.
*/ -}}
{{- define "common.tasksNamespace" -}}
{{- $global := include "common.global" . | fromJson -}}
{{- $namespace := $global.tasks.namespace | default (printf "%s-tasks" .Release.Namespace) -}}
{{- if eq $namespace .Release.Namespace -}}
{{- fail (printf "global.tasks.namespace is %s, the namespace of the release: steps would stand beside the Secrets of the platform. Name another one, or none for %s-tasks." $namespace $namespace) -}}
{{- end -}}
{{- $namespace -}}
{{- end }}

{{- /*
common.networkPolicies $: "true" or nothing.
*/ -}}
{{- define "common.networkPolicies" -}}
{{- $global := include "common.global" . | fromJson -}}
{{- if $global.networkPolicy.enabled }}true{{ end -}}
{{- end }}

{{- /*
common.storageClass $: the storageClassName line of a claim, or nothing where the cluster's default holds.
*/ -}}
{{- define "common.storageClass" -}}
{{- $global := include "common.global" . | fromJson -}}
{{- with $global.storageClass -}}
storageClassName: {{ . | quote }}
{{- end -}}
{{- end }}
