{{/* The pod of the migration Job; the Job's name is a hash of it, so that a change makes a new Job. */}}
{{- define "airflow.migratePod" -}}
serviceAccountName: airflow
automountServiceAccountToken: false
enableServiceLinks: false
restartPolicy: OnFailure
{{- with include "common.imagePullSecrets" . }}
{{ . }}
{{- end }}
securityContext: {{- include "common.podSecurityContext" . | nindent 2 }}
initContainers:
  {{- include "airflow.waitContainer" (dict "root" $ "goal" "reachable") | nindent 2 }}
containers:
  - name: migrate
    image: {{ include "common.image" (dict "root" $ "name" "airflow") }}
    imagePullPolicy: {{ include "common.imagePullPolicy" . }}
    command: [python, /opt/quintet/scripts/migrate.py]
    envFrom:
      - configMapRef: {name: airflow-config}
    env:
      {{- include "airflow.env" . | nindent 6 }}
      - name: SETUP_FOLDER
        value: /opt/quintet/setup
      - name: POOLS
        value: {{ toJson .Values.pools | quote }}
      # Makes a new Job when these change; the Secrets' own names would not.
      - name: SETUP_CHECKSUM
        value: {{ include "common.checksum" (list .Values.variables.values .Values.connections.values .Values.connections.secrets ((.Files.Glob "files/scripts/*.py").AsConfig)) }}
    resources: {{- toYaml .Values.migrate.resources | nindent 6 }}
    securityContext: {{- include "common.containerSecurityContext" . | nindent 6 }}
    volumeMounts:
      {{- include "airflow.mounts" . | nindent 6 }}
      {{- range $name := list "variables" "connections" }}
      - {name: {{ $name }}, mountPath: /opt/quintet/setup/{{ $name }}}
      {{- end }}
volumes:
  {{- include "airflow.volumes" . | nindent 2 }}
  {{- range $name := list "variables" "connections" }}
  {{- $given := get $.Values $name }}
  {{- $sources := list }}
  {{- if $given.values }}
  {{- $sources = append $sources (dict "secret" (dict "name" (printf "airflow-%s" $name))) }}
  {{- end }}
  {{- range $key, $ref := $given.secrets | default dict }}
  {{- $items := list (dict "key" $ref.key "path" $key) }}
  {{- $secret := include "common.secretName" (dict "root" $ "name" $ref.secret) }}
  {{- $sources = append $sources (dict "secret" (dict "name" $secret "items" $items)) }}
  {{- end }}
  {{- with $given.existingSecret }}
  {{- $sources = append $sources (dict "secret" (dict "name" .)) }}
  {{- end }}
  - name: {{ $name }}
    projected: {sources: {{ toJson $sources }}}
  {{- end }}
{{- end }}
