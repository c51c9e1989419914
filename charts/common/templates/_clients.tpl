{{- /*
What clients of S3, MLflow and the sources need beside addresses and keys; nothing where the values ask for nothing.

common.clientEnv $: items of env, by global.caSecret and global.s3.checksums, in the words of OpenSSL, requests and the AWS SDKs.
common.caMount $   common.caVolume $: an item each of volumeMounts and volumes.
*/ -}}
{{- define "common.clientEnv" -}}
{{- range $name, $value := include "common.clientVariables" . | fromJson }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "common.clientVariables" -}}
{{- $global := include "common.global" . | fromJson -}}
{{- $variables := dict -}}
{{- if $global.caSecret -}}
{{- range list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" "AWS_CA_BUNDLE" -}}
{{- $_ := set $variables . (printf "%s/ca.crt" (include "common.caFolder" $)) -}}
{{- end -}}
{{- end -}}
{{- if ne $global.s3.checksums "when_supported" -}}
{{- range list "AWS_REQUEST_CHECKSUM_CALCULATION" "AWS_RESPONSE_CHECKSUM_VALIDATION" -}}
{{- $_ := set $variables . $global.s3.checksums -}}
{{- end -}}
{{- end -}}
{{- toJson $variables -}}
{{- end }}

{{- define "common.caMount" -}}
{{- if (include "common.global" . | fromJson).caSecret -}}
- {name: authorities, mountPath: {{ include "common.caFolder" . }}, readOnly: true}
{{- end -}}
{{- end }}

{{- define "common.caVolume" -}}
{{- with (include "common.global" . | fromJson).caSecret -}}
- name: authorities
  secret: {secretName: {{ . }}, items: [{key: ca.crt, path: ca.crt}]}
{{- end -}}
{{- end }}

{{- define "common.caFolder" -}}
/etc/authorities
{{- end }}
