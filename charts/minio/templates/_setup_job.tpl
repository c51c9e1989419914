{{- /*
minio.setupPod (dict "root" $ "script" "setup.sh")
*/ -}}
{{- define "minio.setupPod" -}}
{{- $script := .script }}
{{- with .root }}
metadata:
  labels:
    {{- include "common.selectorLabels" (dict "root" . "component" "setup") | nindent 4 }}
    {{- if include "common.ownPipeline" . }}
    quintet/client: minio
    {{- end }}
  annotations:
    checksum/config: {{ include "common.checksum" (include "minio.setup" .) }}
    {{- $names := include "common.ownPipeline" . | empty | ternary (list "minio-root") list }}
    {{- $users := include "minio.users" . | fromJson }}
    {{- range keys $users | sortAlpha }}
    {{- $names = append $names (printf "minio-%s" .) }}
    {{- end }}
    {{- with include "common.madeAgainAnnotation" (dict "root" . "names" $names) }}
    {{- . | nindent 4 }}
    {{- end }}
spec:
  restartPolicy: OnFailure
  automountServiceAccountToken: false
  {{- with include "common.imagePullSecrets" . }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext:
    {{- include "common.podSecurityContext" . | nindent 4 }}
  containers:
    - name: setup
      image: {{ include "common.image" (dict "root" . "name" "minio") }}
      imagePullPolicy: {{ include "common.imagePullPolicy" . }}
      command: [sh, /etc/minio-setup/{{ $script }}]
      resources:
        requests: {cpu: 10m, memory: 64Mi}
        limits: {memory: 256Mi}
      env:
        {{- if ne $script "setup.sh" }}
        - name: REMOVE_DATA
          value: {{ (include "common.global" . | fromJson).removeData | quote }}
        {{- end }}
        # mc keeps the root key here: in memory, for as long as the Job runs.
        - name: MC_CONFIG_DIR
          value: /tmp/mc
      securityContext:
        {{- include "common.containerSecurityContext" . | nindent 8 }}
      volumeMounts:
        - name: setup
          mountPath: /etc/minio-setup
          readOnly: true
        - name: secrets
          mountPath: /run/minio
          readOnly: true
        - name: tmp
          mountPath: /tmp
  volumes:
    - name: setup
      configMap:
        name: {{ include "common.ownName" (dict "root" . "name" "minio-setup") }}
    - name: secrets
      projected:
        sources:
          - secret:
              name: {{ include "common.secretName" (dict "root" . "name" "minio-root") }}
              items:
                - {key: username, path: root/username}
                - {key: password, path: root/password}
          {{- range $user, $_ := $users }}
          - secret:
              name: {{ include "common.secretName" (dict "root" $.root "name" (printf "minio-%s" $user)) }}
              items:
                - {key: access-key, path: {{ $user }}/access-key}
                - {key: secret-key, path: {{ $user }}/secret-key}
          # There while `quintet rotate` is at work.
          - secret:
              name: {{ include "common.secretName" (dict "root" $.root "name" (printf "minio-%s" $user)) }}
              optional: true
              items:
                - {key: former-access-key, path: {{ $user }}/former-access-key}
          {{- end }}
    - name: tmp
      emptyDir:
        medium: Memory
        sizeLimit: 16Mi
{{- end }}
{{- end }}

{{- /*
minio.setupJob $: the Job that brings buckets, users and policies to what the values say.
*/ -}}
{{- define "minio.setupJob" -}}
{{- $pod := include "common.pods" (dict "root" . "object" (include "minio.setupPod" (dict "root" . "script" "setup.sh"))) }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "common.jobName" (dict "root" . "name" (include "common.ownName" (dict "root" . "name" "minio-setup")) "spec" $pod) }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "common.labels" (dict "root" . "component" "setup") | nindent 4 }}
spec:
  backoffLimit: 10
  template:
    {{- $pod | nindent 4 }}
{{- end }}

{{- /*
minio.removalJob $: the hook that takes the users and rules of a pipeline's own release away, and with global.removeData its objects.
*/ -}}
{{- define "minio.removalJob" -}}
{{- include "common.removalJob" (dict "root" . "name" "minio-removal" "pod" (include "minio.setupPod" (dict "root" . "script" "remove.sh"))) }}
{{- end }}

{{- /*
minio.setupConfig $: what the Job reads.
*/ -}}
{{- define "minio.setupConfig" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "common.ownName" (dict "root" . "name" "minio-setup") }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "common.labels" (dict "root" . "component" "setup") | nindent 4 }}
data:
  {{- include "minio.setup" . | nindent 2 }}
{{- end }}
