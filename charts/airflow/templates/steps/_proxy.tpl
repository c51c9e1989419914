{{- /*
airflow.proxyVariables $: the environment by which steps go through airflow.steps.proxy, else through global.proxy, as JSON. Names of the
cluster stay inside.
*/ -}}
{{- define "airflow.proxyVariables" -}}
{{- $proxy := .Values.steps.proxy.url | empty | ternary (include "common.global" . | fromJson).proxy .Values.steps.proxy -}}
{{- $proxy.url | empty | ternary "{}" (include "common.proxyEnv" $proxy) -}}
{{- end }}
