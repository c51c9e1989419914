{{- /*
airflow.proxyVariables $: the environment by which steps go through airflow.steps.proxy, as JSON. Names of the cluster stay inside.
*/ -}}
{{- define "airflow.proxyVariables" -}}
{{- $variables := dict -}}
{{- with .Values.steps.proxy -}}
{{- if .url -}}
{{- $inside := list "localhost" "127.0.0.1" ".svc" ".cluster.local" -}}
{{- $variables = dict "HTTP_PROXY" .url "HTTPS_PROXY" .url "NO_PROXY" (concat $inside .noProxy | join ",") -}}
{{- end -}}
{{- end -}}
{{- toJson $variables -}}
{{- end }}

{{- /*
airflow.proxyEgress $: the egress rule by which steps reach the proxy, or nothing.
*/ -}}
{{- define "airflow.proxyEgress" -}}
{{- with .Values.steps.proxy -}}
{{- if .url -}}
{{- if not .peers -}}
{{- fail (printf "airflow.steps.proxy.url is %s, and the NetworkPolicy of the steps keeps them from it: say in airflow.steps.proxy.peers where it is, such as [{ipBlock: {cidr: 198.51.100.7/32}}]." .url) -}}
{{- end -}}
{{- $url := urlParse .url -}}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (eq $url.scheme "https" | ternary "443" "80") -}}
- to: {{ toJson .peers }}
  ports: [{port: {{ $port }}}]
{{- end -}}
{{- end -}}
{{- end }}
