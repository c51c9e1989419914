{{- /*
quintet.test (dict "root" $ "name" "mlflow" "image" "mlflow" "client" "mlflow" "command" (list …)): one pod of `helm test`.
The label quintet/client opens the network to the pods of that chart; a dict "env" of NAME -> {secret, key} is optional, and so are
another "namespace", and a "component" whose policies hold for it.
*/ -}}
{{- define "quintet.test" -}}
{{- $far := include "common.podLevels" .root | fromJsonArray -}}
{{- if eq (.component | default "") "step" }}{{ $far = include "airflow.podLevelsOfSteps" .root.Subcharts.airflow | fromJsonArray }}{{ end -}}
{{- include "common.pods" (dict "root" .root "far" $far "object" (include "quintet.testPod" .)) -}}
{{- end }}

{{- define "quintet.testPod" -}}
apiVersion: v1
kind: Pod
metadata:
  name: test-{{ .name }}
  namespace: {{ .namespace | default .root.Release.Namespace }}
  labels:
    {{- include "common.labels" (dict "root" .root "component" (.component | default "test")) | nindent 4 }}
    {{- with .client }}
    quintet/client: {{ . }}
    {{- end }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  {{- with include "common.imagePullSecrets" .root }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext:
    {{- include "common.podSecurityContext" .root | nindent 4 }}
  containers:
    - name: test
      image: {{ include "common.image" (dict "root" .root "name" .image) }}
      imagePullPolicy: {{ include "common.imagePullPolicy" .root }}
      command:
        {{- toYaml .command | nindent 8 }}
      {{- with .env }}
      env:
        {{- range $name, $source := . }}
        - name: {{ $name }}
          valueFrom:
            secretKeyRef:
              name: {{ include "common.secretName" (dict "root" $.root "name" $source.secret) }}
              key: {{ $source.key }}
        {{- end }}
        {{- with include "common.postgresCaEnv" $.root }}
        {{- . | nindent 8 }}
        {{- end }}
      {{- end }}
      resources:
        requests: {cpu: 10m, memory: 32Mi}
        limits: {memory: 128Mi}
      securityContext:
        {{- include "common.containerSecurityContext" .root | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- if eq (.client | default "") "postgres" }}
        {{- with include "common.postgresCaMount" .root }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- end }}
  volumes:
    {{- if eq (.client | default "") "postgres" }}
    {{- with include "common.postgresCaVolume" .root }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: 16Mi
{{- end }}
