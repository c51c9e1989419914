{{- /*
common.proxyVariables $: the environment by which pods go through global.proxy, as JSON. What is the cluster's own is asked without it: its
domains, the Services by the short names that pods use, and the address of the API server, which each node's kubelet fills in.
*/ -}}
{{- define "common.proxyVariables" -}}
{{- $proxy := (include "common.global" . | fromJson).proxy -}}
{{- $variables := dict -}}
{{- if $proxy.url -}}
{{- $inside := list "$(KUBERNETES_SERVICE_HOST)" "airflow-api-server" "api-data" "minio" "mlflow" "postgres" -}}
{{- range include "common.pipelines" . | fromJson -}}
{{- with dig "name" "" .model }}{{ $inside = append $inside (printf "inference-%s" .) }}{{ end -}}
{{- end -}}
{{- $variables = include "common.proxyEnv" (merge (dict "noProxy" (concat $inside $proxy.noProxy)) $proxy) | fromJson -}}
{{- end -}}
{{- toJson $variables -}}
{{- end }}

{{- /*
common.proxyEnv (dict "url" "http://…" "noProxy" list): the variables of a proxy, as JSON.
*/ -}}
{{- define "common.proxyEnv" -}}
{{- $inside := list "localhost" "127.0.0.1" ".svc" ".cluster.local" -}}
{{- dict "HTTP_PROXY" .url "HTTPS_PROXY" .url "NO_PROXY" (concat $inside .noProxy | join ",") | toJson -}}
{{- end }}

{{- /*
common.proxyEgress (dict "path" "global.proxy" "proxy" map): the egress rule by which pods reach a proxy, or nothing.
*/ -}}
{{- define "common.proxyEgress" -}}
{{- if .proxy.url -}}
{{- if not .proxy.peers -}}
{{- fail (printf "%s.url is %s, and the NetworkPolicy of its pods keeps them from it: say in %s.peers where it is, such as [{ipBlock: {cidr: 198.51.100.7/32}}]." .path .proxy.url .path) -}}
{{- end -}}
{{- $url := urlParse .proxy.url -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (eq $url.scheme "https" | ternary "443" "80") -}}
- to: {{ toJson .proxy.peers }}
  ports: [{port: {{ $port }}}]
{{- end -}}
{{- end }}
