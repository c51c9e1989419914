{{/* The pod of the migration Job; the Job's name is a hash of it, so that a change makes a new Job. */}}
{{- define "airflow.migratePod" -}}
{{- $variables := include "airflow.variables" . | fromJson }}
{{- $secrets := include "airflow.connectionSecrets" . | fromJson }}
{{- $setup := list $variables .Values.connections.values $secrets ((.Files.Glob "files/scripts/*.py").AsConfig) }}
{{- $names := list "postgres-airflow" }}
{{- range $secrets }}
{{- $names = append $names .secret }}
{{- end }}
{{- with include "common.madeAgain" (dict "root" . "names" ($names | uniq)) }}
{{- $setup = append $setup . }}
{{- end -}}
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
        value: {{ include "common.checksum" $setup }}
    resources: {{- include "common.resources" (dict "path" "airflow.migrate.resources" "given" .Values.migrate.resources) | nindent 6 }}
    securityContext: {{- include "common.containerSecurityContext" . | nindent 6 }}
    volumeMounts:
      {{- include "airflow.mounts" . | nindent 6 }}
      {{- range $name := list "variables" "connections" }}
      - {name: {{ $name }}, mountPath: /opt/quintet/setup/{{ $name }}, readOnly: true}
      {{- end }}
volumes:
  {{- include "airflow.volumes" . | nindent 2 }}
  {{- $found := list }}
  {{- if $variables }}
  {{- $found = append $found (dict "configMap" (dict "name" "airflow-variables")) }}
  {{- end }}
  {{- with .Values.variables.existingSecret }}
  {{- $found = append $found (dict "secret" (dict "name" .)) }}
  {{- end }}
  - name: variables
    projected: {sources: {{ toJson $found }}}
  {{- $connections := list }}
  {{- if .Values.connections.values }}
  {{- $connections = append $connections (dict "secret" (dict "name" "airflow-connections")) }}
  {{- end }}
  {{- range $id, $ref := $secrets }}
  {{- $secret := include "common.secretName" (dict "root" $ "name" $ref.secret) }}
  {{- $items := list (dict "key" $ref.key "path" $id) }}
  {{- $connections = append $connections (dict "secret" (dict "name" $secret "items" $items)) }}
  {{- end }}
  {{- with .Values.connections.existingSecret }}
  {{- $connections = append $connections (dict "secret" (dict "name" .)) }}
  {{- end }}
  - name: connections
    projected: {sources: {{ toJson $connections }}}
{{- end }}
