{{/* inference.env (dict "root" $ "name" "weather" "model" $model): environment of a model's API. */}}
{{- define "inference.env" -}}
- {name: MLFLOW_MODEL_NAME, value: {{ .model.modelName | default .name | quote }}}
- {name: MODEL_ALIAS, value: {{ .model.alias }}}
- {name: MLFLOW_TRACKING_URI, value: {{ .root.Values.mlflowTrackingUri | quote }}}
{{ include "inference.secretEnv" (dict "root" .root "env" "MLFLOW_TRACKING_USERNAME" "secret" (include "inference.user" (dict "root" .root "server" "mlflow")) "key" "username") }}
{{ include "inference.secretEnv" (dict "root" .root "env" "MLFLOW_TRACKING_PASSWORD" "secret" (include "inference.user" (dict "root" .root "server" "mlflow")) "key" "password") }}
{{ include "inference.secretEnv" (dict "root" .root "env" "ADMIN_TOKEN" "secret" (include "common.ownName" (dict "root" .root "name" "inference-admin")) "key" "token") }}
{{- if eq .model.record "both" }}
{{- if ne .model.alias "champion" }}
{{- fail (printf "inference.models.%s.alias is %s, and the record of promotions knows champions alone: set inference.models.%s.record to registry." .name .model.alias .name) }}
{{- end }}
{{ include "inference.secretEnv" (dict "root" .root "env" "PROMOTION_RECORD_URL" "secret" (include "inference.recordSecret" .) "key" "url") }}
{{- with include "common.postgresCaEnv" .root }}
{{ . }}
{{- end }}
{{- end }}
{{- with .model.runUri }}
- {name: MODEL_RUN_URI, value: {{ . | quote }}}
{{- end }}
{{- with .model.inputUri }}
- {name: MODEL_INPUT_URI, value: {{ . | quote }}}
{{- end }}
{{- if or .model.runUri .model.inputUri }}
{{- with $.root.Values.s3 }}
{{- with .endpointUrl }}
- {name: AWS_ENDPOINT_URL_S3, value: {{ . | quote }}}
{{- end }}
- {name: AWS_DEFAULT_REGION, value: {{ .region }}}
{{- end }}
{{ include "inference.secretEnv" (dict "root" $.root "env" "AWS_ACCESS_KEY_ID" "secret" (include "inference.user" (dict "root" $.root "server" "minio")) "key" "access-key") }}
{{ include "inference.secretEnv" (dict "root" $.root "env" "AWS_SECRET_ACCESS_KEY" "secret" (include "inference.user" (dict "root" $.root "server" "minio")) "key" "secret-key") }}
{{- end }}
{{- with include "common.clientEnv" .root }}
{{- . }}
{{- end }}
- {name: BUNDLE_CACHE_DIR, value: /var/cache/bundle}
- {name: POLL_SECONDS, value: {{ .model.pollSeconds | quote }}}
- {name: MAX_SAMPLES, value: {{ .model.maxSamples | int64 | quote }}}
- {name: MAX_BODY_BYTES, value: {{ .model.maxBodyBytes | int64 | quote }}}
- {name: MAX_HELD_BYTES, value: {{ .model.maxHeldBytes | int64 | quote }}}
- {name: BODY_SECONDS, value: {{ .model.bodySeconds | quote }}}
- {name: HEAD_SECONDS, value: {{ .model.headSeconds | quote }}}
- {name: MAX_CONNECTIONS, value: {{ .model.maxConnections | int64 | quote }}}
- {name: MAX_WAITING_REQUESTS, value: {{ .model.maxWaitingRequests | int64 | quote }}}
- {name: MAX_WAITING_BATCHES, value: {{ .model.maxWaitingBatches | int64 | quote }}}
- {name: MAX_BUNDLE_BYTES, value: {{ .model.maxBundleBytes | int64 | quote }}}
- {name: PROOF_SECONDS, value: {{ .model.proofSeconds | int64 | quote }}}
- {name: PROOF_MEMORY_BYTES, value: {{ .model.proofMemoryBytes | int64 | quote }}}
{{- if .model.clientKeysSecret }}
- {name: CLIENT_KEYS_FILE, value: /etc/quintet/clients/keys.json}
{{- end }}
- {name: PORT, value: "8000"}
- {name: ADMIN_PORT, value: "9090"}
{{- end }}
