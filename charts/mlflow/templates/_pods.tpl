{{- /*
mlflow.upgradePod $: brings the database's schema to that of the image.
*/ -}}
{{- define "mlflow.upgradePod" -}}
metadata:
  labels:
    {{- include "common.selectorLabels" (dict "root" . "component" "upgrade") | nindent 4 }}
  annotations:
    checksum/config: {{ include "common.checksum" (include "mlflow.scripts" .) }}
{{ include "mlflow.jobPodSpec" . }}
  initContainers:
    - {{ include "mlflow.wait" (dict "root" . "goal" "reachable") | nindent 6 | trim }}
  containers:
    - {{ include "mlflow.container" (dict "root" . "name" "upgrade") | nindent 6 | trim }}
      command: [python, /etc/mlflow/on_backend.py, db, upgrade, MLFLOW_BACKEND_STORE_URI]
      env:
        {{- include "mlflow.backend" . | nindent 8 }}
      resources:
        requests: {cpu: 10m, memory: 256Mi}
        limits: {memory: 512Mi}
      volumeMounts:
        - name: scripts
          mountPath: /etc/mlflow
          readOnly: true
        - name: tmp
          mountPath: /tmp
        {{- with include "common.postgresCaMount" . }}
        {{- . | nindent 8 }}
        {{- end }}
  volumes:
    {{- with include "common.postgresCaVolume" . }}
    {{- . | nindent 4 }}
    {{- end }}
    - name: scripts
      configMap:
        name: mlflow-scripts
    - name: tmp
      emptyDir:
        sizeLimit: 16Mi
{{- end }}

{{- /*
mlflow.usersPod (dict "root" $ "arguments" list): brings users and permissions to those of the values, once the server is up.
*/ -}}
{{- define "mlflow.usersPod" -}}
{{- $arguments := .arguments }}
{{- with .root }}
metadata:
  labels:
    {{- include "common.selectorLabels" (dict "root" . "component" "users") | nindent 4 }}
    {{- if include "common.ownPipeline" . }}
    quintet/client: mlflow
    {{- end }}
  annotations:
    checksum/config: {{ include "common.checksum" (include "mlflow.grants" .) }}
    {{- $names := list }}
    {{- $users := keys (include "mlflow.users" . | fromJson) | sortAlpha }}
    {{- range $users }}
    {{- $names = append $names (printf "mlflow-%s" .) }}
    {{- end }}
    {{- with include "common.madeAgainAnnotation" (dict "root" . "names" $names) }}
    {{- . | nindent 4 }}
    {{- end }}
{{ include "mlflow.jobPodSpec" . }}
  containers:
    - {{ include "mlflow.container" (dict "root" . "name" "users") | nindent 6 | trim }}
      command: [python, /etc/mlflow/users.py]
      args: {{ concat (list "--url=http://mlflow:5000" "--secrets=/run/mlflow" "--grants=/etc/mlflow/grants.json") $arguments | toJson }}
      resources:
        requests: {cpu: 10m, memory: 32Mi}
        limits: {memory: 128Mi}
      volumeMounts:
        - name: users
          mountPath: /etc/mlflow
          readOnly: true
        - name: secrets
          mountPath: /run/mlflow
          readOnly: true
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: users
      configMap:
        name: {{ include "common.ownName" (dict "root" . "name" "mlflow-users") }}
    - name: secrets
      projected:
        sources:
          {{- range concat (list "admin") $users }}
          - secret:
              name: {{ include "common.secretName" (dict "root" $.root "name" (printf "mlflow-%s" .)) }}
              items:
                - {key: username, path: {{ . }}/username}
                - {key: password, path: {{ . }}/password}
          {{- end }}
          # There while `quintet rotate` is at work.
          - secret:
              name: {{ include "common.secretName" (dict "root" $.root "name" "mlflow-admin") }}
              optional: true
              items:
                - {key: former-password, path: admin/former-password}
    - name: tmp
      emptyDir:
        sizeLimit: 16Mi
{{- end }}
{{- end }}

{{- /*
mlflow.jobPodSpec $: the beginning of the spec of every Job's pod.
*/ -}}
{{- define "mlflow.jobPodSpec" -}}
spec:
  restartPolicy: OnFailure
  automountServiceAccountToken: false
  {{- with include "common.imagePullSecrets" . }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext:
    {{- include "common.podSecurityContext" . | nindent 4 }}
{{- end }}
