{{/*
Helpers of the airflow chart.

  airflow.config $              settings that are not secret, as YAML; the ConfigMap airflow-config
  airflow.configChecksum $      changes with the settings and scripts, so that pods take them up
  airflow.madeAgain $           an annotation of those pods, or nothing
  airflow.env $                 environment of every Airflow container
  airflow.waitContainer (dict "root" $ "goal" "migrated")   init container that waits for the database
  airflow.databaseContainer $   what it shares with the hook of a rollback
  airflow.releasesEnv (dict "root" $ "user" "dags-reader")  the key to the DAGs of pipelines that are releases of their own
  airflow.mounts $  airflow.volumes $                       writable folders and scripts of every pod
  airflow.dagMounts $  airflow.dagVolumes $                 DAGs and step ConfigMaps, where DAG code runs
*/}}

{{- define "airflow.config" -}}
{{- $ingress := .Values.ingress -}}
{{- $config := dict
  "AIRFLOW__CORE__EXECUTOR" "LocalExecutor"
  "AIRFLOW__CORE__LOAD_EXAMPLES" "False"
  "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION" (ternary "True" "False" .Values.dagsPaused)
  "AIRFLOW__CORE__EXECUTION_API_SERVER_URL" "http://airflow-api-server:8080/execution/"
  "AIRFLOW__CORE__HOSTNAME_CALLABLE" "airflow.utils.net.get_host_ip_address"
  "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE" "/opt/quintet/auth/passwords.json"
  "AIRFLOW__API__WORKERS" "1"
  "AIRFLOW__API__BASE_URL" (ternary (include "common.externalUrl" $ingress) "http://localhost:8080" $ingress.enabled)
  "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK" "True"
  "AIRFLOW__LOGGING__JSON_LOGS" "True"
  "STEP_IMAGES_FILE" "/opt/quintet/images/images.json"
  "STEP_PODS_FILE" "/opt/quintet/pods/pods.json"
-}}
{{- with .Values.logs.bucket }}
{{- $config = merge $config (dict
  "AIRFLOW__LOGGING__REMOTE_LOGGING" "True"
  "AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER" (printf "s3://%s/logs" .)
  "AIRFLOW__LOGGING__REMOTE_LOG_CONN_ID" "minio_logs"
  "AIRFLOW__LOGGING__DELETE_LOCAL_LOGS" "True") }}
{{- end }}
{{- with .Values.releases }}
{{- if .bucket }}
{{- $folder := dict "name" "dags-folder" "classpath" "airflow.dag_processing.bundles.local.LocalDagBundle" "kwargs" dict }}
{{- $releases := dict "name" "releases" "classpath" "pipeline_releases.bundle.PipelineReleases" "kwargs" (dict "refresh_interval" (int .refreshSeconds)) }}
{{- $config = merge $config (dict
  "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST" (list $folder $releases | toJson)
  "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH" "/opt/airflow/bundles"
  "DAGS_BUCKET" .bucket
  "DAGS_ENDPOINT_URL" .endpointUrl
  "DAGS_REGION" .region) }}
{{- end }}
{{- end }}
{{- range $name, $value := merge (deepCopy .Values.config) $config }}
{{ $name }}: {{ toString $value | quote }}
{{- end }}
{{- end }}

{{- define "airflow.configChecksum" -}}
{{ include "common.checksum" (list (include "airflow.config" .) ((.Files.Glob "files/scripts/*.py").AsConfig)) }}
{{- end }}

{{/* Restarts what has read a Secret that was made again. */}}
{{- define "airflow.madeAgain" -}}
{{- include "common.madeAgainAnnotation" (dict "root" . "names" (list "postgres-airflow" "minio-airflow" "minio-dags-reader" "airflow-admin")) -}}
{{- end }}

{{/* One variable from one key of a Secret: (dict "root" $ "env" "X" "secret" "postgres-airflow" "key" "url") */}}
{{- define "airflow.secretEnv" -}}
- name: {{ .env }}
  valueFrom: {secretKeyRef: {name: {{ include "common.secretName" (dict "root" .root "name" .secret) }}, key: {{ .key }}}}
{{- end }}

{{- define "airflow.databaseEnv" -}}
{{- with include "common.postgresCaEnv" . }}
{{- . }}
{{ end -}}
{{ include "airflow.secretEnv" (dict "root" . "env" "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" "secret" "postgres-airflow" "key" "url") }}
{{- end }}

{{- define "airflow.env" -}}
{{ include "airflow.databaseEnv" . }}
{{ include "airflow.secretEnv" (dict "root" . "env" "AIRFLOW__CORE__FERNET_KEY" "secret" "airflow-keys" "key" "fernet-key") }}
{{ include "airflow.secretEnv" (dict "root" . "env" "AIRFLOW__API_AUTH__JWT_SECRET" "secret" "airflow-keys" "key" "jwt-secret") }}
{{ include "airflow.secretEnv" (dict "root" . "env" "AIRFLOW__API__SECRET_KEY" "secret" "airflow-keys" "key" "api-secret-key") }}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
{{- with include "common.clientEnv" . }}
{{- . }}
{{- end }}
{{- if .Values.logs.bucket }}
{{ include "airflow.secretEnv" (dict "root" . "env" "LOGS_ACCESS_KEY" "secret" "minio-airflow" "key" "access-key") }}
{{ include "airflow.secretEnv" (dict "root" . "env" "LOGS_SECRET_KEY" "secret" "minio-airflow" "key" "secret-key") }}
- name: AIRFLOW_CONN_MINIO_LOGS
  value: {{ include "airflow.logsConnection" . | quote }}
{{- end }}
{{- end }}

{{- define "airflow.releasesEnv" -}}
{{- $secret := printf "minio-%s" .user -}}
{{- if .root.Values.releases.bucket -}}
{{ include "airflow.secretEnv" (dict "root" .root "env" "DAGS_ACCESS_KEY" "secret" $secret "key" "access-key") }}
{{ include "airflow.secretEnv" (dict "root" .root "env" "DAGS_SECRET_KEY" "secret" $secret "key" "secret-key") }}
{{- end -}}
{{- end }}

{{/* The kubelet puts the keys in place of $(…), so that no secret stands in the pod's spec. */}}
{{- define "airflow.logsConnection" -}}
{{- $extra := dict "region_name" .Values.logs.region }}
{{- with .Values.logs.endpointUrl }}
{{- $extra = merge $extra (dict "endpoint_url" . "config_kwargs" (dict "s3" (dict "addressing_style" "path"))) }}
{{- end }}
{{- dict "conn_type" "aws" "login" "$(LOGS_ACCESS_KEY)" "password" "$(LOGS_SECRET_KEY)" "extra" $extra | toJson }}
{{- end }}

{{- define "airflow.waitContainer" -}}
- name: wait-for-database
  command: [python, /opt/quintet/scripts/wait.py, {{ .goal }}]
  {{- include "airflow.databaseContainer" .root | nindent 2 }}
  volumeMounts:
    - {name: scripts, mountPath: /opt/quintet/scripts, readOnly: true}
    {{- with include "common.postgresCaMount" .root }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "airflow.databaseContainer" -}}
image: {{ include "common.image" (dict "root" . "name" "airflow") }}
imagePullPolicy: {{ include "common.imagePullPolicy" . }}
env: {{- include "airflow.databaseEnv" . | nindent 2 }}
# Its sentence, where the schema is from ahead, is then part of the pod's status.
terminationMessagePolicy: FallbackToLogsOnError
resources:
  requests: {cpu: 10m, memory: 32Mi}
  limits: {cpu: 500m, memory: 128Mi}
securityContext: {{- include "common.containerSecurityContext" . | nindent 2 }}
{{- end }}

{{- define "airflow.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: home, mountPath: /opt/airflow}
- {name: scripts, mountPath: /opt/quintet/scripts, readOnly: true}
{{- with include "common.postgresCaMount" . }}
{{ . }}
{{- end }}
{{- with include "common.caMount" . }}
{{ . }}
{{- end }}
{{- end }}

{{- define "airflow.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
- name: home
  emptyDir: {sizeLimit: 1Gi}
- name: scripts
  configMap: {name: airflow-scripts}
{{- with include "common.postgresCaVolume" . }}
{{ . }}
{{- end }}
{{- with include "common.caVolume" . }}
{{ . }}
{{- end }}
{{- end }}

{{- define "airflow.dagMounts" -}}
- {name: dags, mountPath: /opt/airflow/dags, readOnly: true}
- {name: step-images, mountPath: /opt/quintet/images, readOnly: true}
- {name: step-pods, mountPath: /opt/quintet/pods, readOnly: true}
{{- end }}

{{- define "airflow.dagVolumes" -}}
- name: dags
  configMap: {name: airflow-dags}
- name: step-images
  configMap: {name: airflow-step-images}
- name: step-pods
  configMap: {name: airflow-step-pods}
{{- end }}
