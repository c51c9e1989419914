{{- /*
pipeline.dagsJob (dict "root" $ "name" "airflow-dags" "component" "release" "client" "minio" "containers" $yaml "volumes" $yaml "hook" "post-install" "weight" "10"): a Job of
Airflow's image. Where it fails, Helm prints its log, which ends with a sentence.
*/ -}}
{{- define "pipeline.dagsJob" -}}
{{- include "common.pods" (dict "root" .root.Subcharts.airflow "object" (include "pipeline.plainDagsJob" .)) -}}
{{- end }}

{{- define "pipeline.plainDagsJob" -}}
{{- $airflow := .root.Subcharts.airflow -}}
{{- $component := dict "root" $airflow "component" .component -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "common.ownName" (dict "root" .root "name" .name) }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "common.labels" $component | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .hook }}
    helm.sh/hook-weight: {{ .weight | quote }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
    helm.sh/hook-output-log-policy: hook-failed
spec:
  backoffLimit: 6
  # Exit code 2 is a refusal, which another try would repeat.
  podFailurePolicy:
    rules:
      - action: FailJob
        onExitCodes: {operator: In, values: [2]}
  template:
    metadata:
      labels:
        {{- include "common.selectorLabels" $component | nindent 8 }}
        quintet/client: {{ .client }}
    spec:
      serviceAccountName: airflow
      automountServiceAccountToken: false
      enableServiceLinks: false
      restartPolicy: Never
      {{- with include "common.imagePullSecrets" $airflow }}
      {{- . | nindent 6 }}
      {{- end }}
      securityContext: {{- include "common.podSecurityContext" $airflow | nindent 8 }}
      containers: {{- .containers | nindent 8 }}
      volumes:
        {{- include "airflow.volumes" $airflow | nindent 8 }}
        {{- .volumes | nindent 8 }}
{{- end }}

{{- /*
pipeline.dagsContainer (dict "root" $ "name" "publish" "command" (list …) "env" $yaml "mounts" $yaml)
*/ -}}
{{- define "pipeline.dagsContainer" -}}
{{- $airflow := .root.Subcharts.airflow -}}
- name: {{ .name }}
  image: {{ include "common.image" (dict "root" $airflow "name" "airflow") }}
  imagePullPolicy: {{ include "common.imagePullPolicy" $airflow }}
  command: {{ toJson .command }}
  envFrom:
    - configMapRef: {name: airflow-config}
  env: {{- .env | nindent 4 }}
    {{- with include "common.clientEnv" $airflow }}
    {{- . | nindent 4 }}
    {{- end }}
  terminationMessagePolicy: FallbackToLogsOnError
  resources: {{- include "common.resources" (dict "path" "airflow.migrate.resources" "given" $airflow.Values.migrate.resources) | nindent 4 }}
  securityContext: {{- include "common.containerSecurityContext" $airflow | nindent 4 }}
  volumeMounts:
    {{- include "airflow.mounts" $airflow | nindent 4 }}
    {{- .mounts | nindent 4 }}
{{- end }}

{{/* A container that runs one command of pipeline_releases: (dict "root" $ "command" "publish" "user" "dags-publisher") */}}
{{- define "pipeline.releaseContainer" -}}
{{- $env := "- {name: RELEASE_FOLDER, value: /opt/quintet/release}\n- {name: PLATFORM_CLAIMS, value: /opt/quintet/platform/claims.json}" -}}
{{- with .user -}}
{{- $env = printf "%s\n%s" $env (include "airflow.releasesEnv" (dict "root" $.root.Subcharts.airflow "user" .)) -}}
{{- end -}}
{{- $mounts := "- {name: release, mountPath: /opt/quintet/release, readOnly: true}\n- {name: platform, mountPath: /opt/quintet/platform, readOnly: true}" -}}
{{- with .mounts }}{{ $mounts = printf "%s\n%s" $mounts . }}{{ end -}}
{{- include "pipeline.dagsContainer" (dict "root" .root "name" .command "command" (list "python" "-P" "-m" "pipeline_releases" .command) "env" $env "mounts" $mounts) -}}
{{- end }}

{{/* Volumes of these: (dict "files" "airflow-dags-weather") */}}
{{- define "pipeline.releaseVolumes" -}}
- name: release
  configMap: {name: {{ .files }}}
- name: platform
  configMap: {name: pipelines}
{{- end }}
