{{- /*
mlflow.retention $: the CronJob that deletes what nothing names: of the platform, and with the secret of a pipeline's own release, which
the platform does not know, of that pipeline.
*/ -}}
{{- define "mlflow.retention" -}}
{{- include "common.pods" (dict "root" . "object" (include "mlflow.plainRetention" .)) -}}
{{- end }}

{{- define "mlflow.plainRetention" -}}
{{- $own := include "common.ownPipeline" . | empty | not }}
{{- with .Values.retention }}
{{- if .days }}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "common.ownName" (dict "root" $ "name" "mlflow-retention") }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "common.labels" (dict "root" $ "component" "retention") | nindent 4 }}
spec:
  schedule: {{ .schedule | quote }}
  timeZone: Etc/UTC
  concurrencyPolicy: Forbid
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 1
  jobTemplate:
    spec:
      backoffLimit: 2
      activeDeadlineSeconds: 3600
      template:
        metadata:
          labels:
            {{- include "common.selectorLabels" (dict "root" $ "component" "retention") | nindent 12 }}
        spec:
          restartPolicy: Never
          automountServiceAccountToken: false
          {{- with include "common.imagePullSecrets" $ }}
          {{- . | nindent 10 }}
          {{- end }}
          securityContext:
            {{- include "common.podSecurityContext" $ | nindent 12 }}
          containers:
            - {{ include "mlflow.container" (dict "root" $ "name" "retention") | nindent 14 | trim }}
              # `quintet retention --dry-run` sets DRY_RUN.
              command: [sh, -euc]
              args:
                - >-
                  python /etc/mlflow/retention.py --days="$DAYS" --decisions=/run/decisions --release="$RELEASE"
                  {{- $own | ternary " " " --untagged " }}${DRY_RUN:+--dry-run};
                  {{- if not $own }}
                  test -n "${DRY_RUN:-}" || exec python /etc/mlflow/on_backend.py gc --backend-store-uri MLFLOW_BACKEND_STORE_URI --older-than "${GRACE_DAYS}d"
                  {{- end }}
              env:
                {{- if not $own }}
                {{- include "mlflow.backend" $ | nindent 16 }}
                {{- else }}
                {{- with include "common.postgresCaEnv" $ }}
                {{- . | nindent 16 }}
                {{- end }}
                {{- end }}
                # Artifacts are deleted through the server, which alone has the key to them.
                - name: MLFLOW_TRACKING_URI
                  value: http://mlflow:5000
                {{- include "mlflow.secretEnv" (dict "root" $ "env" "MLFLOW_TRACKING_USERNAME" "secret" "mlflow-admin" "key" "username") | nindent 16 }}
                {{- include "mlflow.secretEnv" (dict "root" $ "env" "MLFLOW_TRACKING_PASSWORD" "secret" "mlflow-admin" "key" "password") | nindent 16 }}
                - name: RELEASE
                  value: {{ $.Release.Name | quote }}
                - name: DAYS
                  value: {{ .days | quote }}
                {{- if not $own }}
                - name: GRACE_DAYS
                  value: {{ .graceDays | quote }}
                {{- end }}
              resources:
                requests: {cpu: 10m, memory: 256Mi}
                limits: {memory: 512Mi}
              volumeMounts:
                - name: scripts
                  mountPath: /etc/mlflow
                  readOnly: true
                - name: decisions
                  mountPath: /run/decisions
                  readOnly: true
                - name: tmp
                  mountPath: /tmp
                {{- with include "common.postgresCaMount" $ }}
                {{- . | nindent 16 }}
                {{- end }}
          volumes:
            {{- with include "common.postgresCaVolume" $ }}
            {{- . | nindent 12 }}
            {{- end }}
            - name: scripts
              configMap:
                name: {{ $own | ternary (include "common.ownName" (dict "root" $ "name" "mlflow-users")) "mlflow-scripts" }}
            - name: decisions
              projected:
                {{- $sources := list }}
                {{- range $name, $pipeline := include "common.pipelines" $ | fromJson }}
                {{- if $pipeline.promotion }}
                {{- $secret := include "common.secretName" (dict "root" $ "name" (printf "postgres-%s" $name)) }}
                {{- $url := dict "key" "url" "path" (first $pipeline.schemas) }}
                {{- $sources = append $sources (dict "secret" (dict "name" $secret "items" (list $url))) }}
                {{- end }}
                {{- end }}
                sources: {{ toJson $sources }}
            - name: tmp
              emptyDir:
                sizeLimit: 64Mi
{{- end }}
{{- end }}
{{- end }}
