{{- /*
postgres.setupPod (dict "root" $ "script" "setup.sh")
*/ -}}
{{- define "postgres.setupPod" -}}
{{- $script := .script }}
{{- with .root }}
{{- $own := include "common.ownPipeline" . }}
metadata:
  labels:
    {{- include "common.selectorLabels" (dict "root" . "component" "setup") | nindent 4 }}
    {{- if $own }}
    quintet/client: postgres
    {{- end }}
  annotations:
    checksum/config: {{ include "common.checksum" (print (include "postgres.setup" .) (include "postgres.migrations" .)) }}
    {{- $names := list }}
    {{- range include "postgres.roles" . | fromYaml | values | sortAlpha }}
    {{- $names = append $names (printf "postgres-%s" .) }}
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
      image: {{ include "common.image" (dict "root" . "name" "postgres") }}
      imagePullPolicy: {{ include "common.imagePullPolicy" . }}
      command: [sh, /etc/postgres-setup/{{ $script }}]
      env:
        {{- if ne $script "setup.sh" }}
        - name: REMOVE_DATA
          value: {{ (include "common.global" . | fromJson).removeData | quote }}
        {{- end }}
        {{- include "postgres.serverEnv" . | nindent 8 }}
      resources:
        requests: {cpu: 10m, memory: 32Mi}
        limits: {memory: 128Mi}
      securityContext:
        {{- include "common.containerSecurityContext" . | nindent 8 }}
      volumeMounts:
        - name: setup
          mountPath: /etc/postgres-setup
          readOnly: true
        - name: migrations
          mountPath: /etc/postgres-migrations
          readOnly: true
        - name: secrets
          mountPath: /run/postgres
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
    - name: setup
      configMap:
        name: {{ include "common.ownName" (dict "root" . "name" "postgres-setup") }}
    - name: migrations
      configMap:
        name: {{ include "common.ownName" (dict "root" . "name" "postgres-migrations") }}
        items:
          {{- range $path, $_ := include "postgres.migrations" . | fromYaml }}
          - {key: {{ $path | replace "/" "." }}, path: {{ $path }}}
          {{- end }}
    - name: secrets
      projected:
        sources:
          {{- range concat (list "superuser") ($own | empty | ternary list (list "owner")) (include "postgres.roles" . | fromYaml | values | sortAlpha) }}
          - secret:
              name: {{ include "common.secretName" (dict "root" $.root "name" (printf "postgres-%s" .)) }}
              items:
                - {key: username, path: {{ . }}/username}
                - {key: password, path: {{ . }}/password}
          {{- end }}
          # There while `quintet rotate` is at work.
          - secret:
              name: {{ include "common.secretName" (dict "root" $.root "name" "postgres-superuser") }}
              optional: true
              items:
                - {key: former-password, path: superuser/former-password}
    - name: tmp
      emptyDir:
        sizeLimit: 16Mi
{{- end }}
{{- end }}

{{- /*
postgres.setupJob $: the Job that brings roles, schemas and tables to what the values say.
*/ -}}
{{- define "postgres.setupJob" -}}
{{- $pod := include "common.pods" (dict "root" . "object" (include "postgres.setupPod" (dict "root" . "script" "setup.sh"))) }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "common.jobName" (dict "root" . "name" (include "common.ownName" (dict "root" . "name" "postgres-setup")) "spec" $pod) }}
  namespace: {{ $.Release.Namespace }}
  labels:
    {{- include "common.labels" (dict "root" . "component" "setup") | nindent 4 }}
spec:
  backoffLimit: 10
  template:
    {{- $pod | nindent 4 }}
{{- end }}

{{- /*
postgres.removalJob $: the hook that takes the roles of a pipeline's own release away, and with global.removeData its tables.
*/ -}}
{{- define "postgres.removalJob" -}}
{{- include "common.removalJob" (dict "root" . "name" "postgres-removal" "pod" (include "postgres.setupPod" (dict "root" . "script" "remove.sh"))) }}
{{- end }}
