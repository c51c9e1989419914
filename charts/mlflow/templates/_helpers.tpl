{{- /*
mlflow.allowedHosts $: every name of the Service, localhost for a port-forward, the ingress and those of the values.
*/ -}}
{{- define "mlflow.allowedHosts" -}}
{{- $service := list "mlflow" (printf "mlflow.%s" .Release.Namespace) (printf "mlflow.%s.svc" .Release.Namespace) (printf "mlflow.%s.svc.cluster.local" .Release.Namespace) -}}
{{- $hosts := list -}}
{{- range concat $service (list "localhost" "127.0.0.1") -}}
{{- $hosts = append $hosts . -}}
{{- $hosts = append $hosts (printf "%s:*" .) -}}
{{- end -}}
{{- with .Values.ingress -}}
{{- if .enabled -}}
{{- $hosts = append $hosts .host -}}
{{- with .externalUrl -}}
{{- $hosts = append $hosts (urlParse .).host -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- concat $hosts .Values.allowedHosts | join "," -}}
{{- end }}

{{- /*
mlflow.secretEnv (dict "root" $ "env" NAME "secret" "minio-mlflow" "key" "access-key")
*/ -}}
{{- define "mlflow.secretEnv" -}}
- name: {{ .env }}
  valueFrom:
    secretKeyRef:
      name: {{ include "common.secretName" (dict "root" .root "name" .secret) }}
      key: {{ .key }}
{{- end }}

{{- /*
mlflow.backend $: the environment variable with the URL of the tracking database.
*/ -}}
{{- define "mlflow.backend" -}}
{{- with include "common.postgresCaEnv" . }}
{{- . }}
{{ end -}}
{{- include "mlflow.secretEnv" (dict "root" . "env" "MLFLOW_BACKEND_STORE_URI" "secret" "postgres-mlflow" "key" "url") -}}
{{- end }}

{{- /*
mlflow.container (dict "root" $ "name" "upgrade"): image and security of every container here.
*/ -}}
{{- define "mlflow.container" -}}
name: {{ .name }}
image: {{ include "common.image" (dict "root" .root "name" "mlflow") }}
imagePullPolicy: {{ include "common.imagePullPolicy" .root }}
securityContext:
  {{- include "common.containerSecurityContext" .root | nindent 2 }}
{{- end }}

{{- /*
mlflow.wait (dict "root" $ "goal" "migrated"): the init container that waits for the databases.
*/ -}}
{{- define "mlflow.wait" -}}
{{ include "mlflow.databaseContainer" (dict "root" .root "name" "wait") }}
command: [python, /etc/mlflow/wait.py, {{ .goal }}]
volumeMounts:
  - name: scripts
    mountPath: /etc/mlflow
    readOnly: true
  {{- with include "common.postgresCaMount" .root }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /*
mlflow.databaseContainer (dict "root" $ "name" "wait"): what it shares with the hook of a rollback.
*/ -}}
{{- define "mlflow.databaseContainer" -}}
{{ include "mlflow.container" . }}
env:
  {{- include "mlflow.backend" .root | nindent 2 }}
  {{- include "mlflow.secretEnv" (dict "root" .root "env" "AUTH_DATABASE_URI" "secret" "postgres-mlflow-auth" "key" "url") | nindent 2 }}
# Its sentence, where a schema is from ahead, is then part of the pod's status.
terminationMessagePolicy: FallbackToLogsOnError
resources:
  requests: {cpu: 10m, memory: 64Mi}
  limits: {memory: 256Mi}
{{- end }}

{{- /*
mlflow.scripts $: contents of the ConfigMap mlflow-scripts.
*/ -}}
{{- define "mlflow.scripts" -}}
start.sh: {{ .Files.Get "files/scripts/start.sh" | toJson }}
access.py: {{ .Files.Get "files/scripts/access.py" | toJson }}
wait.py: {{ .Files.Get "files/scripts/wait.py" | toJson }}
retention.py: {{ .Files.Get "files/scripts/retention.py" | toJson }}
on_backend.py: {{ .Files.Get "files/scripts/on_backend.py" | toJson }}
{{- end }}
