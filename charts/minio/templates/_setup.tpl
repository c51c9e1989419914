{{- /*
minio.setup $: what the setup Job runs: setup.sh, one lifecycle a bucket and one policy a user; of a pipeline's own release remove.sh too.
*/ -}}
{{- define "minio.setup" -}}
{{- $own := include "common.ownPipeline" . -}}
{{- $users := include "minio.users" . | fromJson -}}
{{- $buckets := include "minio.buckets" . | fromJson -}}
log_in.sh: |
  set -eu
  secret() { cat "/run/minio/$1/$2"; }
  user() { # user <name>: its key as the Secret has it, its policy attached
      printf '%s\n%s\n' "$(secret "$1" access-key)" "$(secret "$1" secret-key)" | mc admin user add minio
      mc admin policy create minio "$1" "/etc/minio-setup/policy-$1.json"
      # Attaching again what is attached is an error to mc.
      mc admin user info minio "$(secret "$1" access-key)" --json | grep --quiet "\"policyName\":\"$1\"" \
          || mc admin policy attach minio "$1" --user "$(secret "$1" access-key)"
      # `quintet rotate` adds a key, lets all who use the Secret take it up, and then strikes the former one off the Secret.
      mc admin user list minio --json | grep "\"policyName\":\"$1\"" | sed 's/.*"accessKey":"\([^"]*\)".*/\1/' | while read -r key; do
          case "$key" in
              "$(secret "$1" access-key)" | "$(secret "$1" former-access-key 2> /dev/null)") ;;
              "$1" | "$1"-????????) mc admin user remove minio "$key" < /dev/null ;;
          esac
      done
  }
  until printf '%s\n%s\n' "$(secret root username)" "$(secret root password)" | mc alias set minio http://minio:9000; do sleep 2; done
lifecycle.py: {{ .Files.Get "files/lifecycle.py" | toJson }}
setup.sh: |
  . /etc/minio-setup/log_in.sh
  {{- range $bucket, $settings := $buckets }}
  {{- if not $own }}
  mc mb --ignore-existing minio/{{ $bucket }}
  {{- end }}
  {{- if or $settings.expireDays $own }}
  python3 /etc/minio-setup/lifecycle.py {{ $bucket }} /etc/minio-setup/lifecycle-{{ $bucket }}.json {{ $own }}
  {{- end }}
  {{- end }}
  {{- range $user, $_ := $users }}
  user {{ $user }}
  {{- end }}
  {{- if not (or $own (hasKey $users "steps")) }}
  # All pipelines once shared this user, which could write to the whole bucket.
  if mc admin user info minio steps > /dev/null 2>&1; then mc admin user remove minio steps; fi
  {{- end }}
{{- if $own }}
remove.sh: |
  . /etc/minio-setup/log_in.sh
  echo '{"Rules": []}' > /tmp/none.json
  python3 /etc/minio-setup/lifecycle.py data /tmp/none.json {{ $own }}
  {{- range $user, $_ := $users }}
  mc admin user list minio --json | grep "\"policyName\":\"{{ $user }}\"" | sed 's/.*"accessKey":"\([^"]*\)".*/\1/' | while read -r key; do
      mc admin user remove minio "$key" < /dev/null
  done
  if mc admin policy info minio {{ $user }} > /dev/null 2>&1; then mc admin policy remove minio {{ $user }}; fi
  {{- end }}
  if [ "$REMOVE_DATA" = true ]; then
      {{- range (get $users $own).prefixes }}
      mc rm --recursive --force --versions "minio/data/{{ . }}"
      {{- end }}
  fi
{{- end }}
{{- range $bucket, $settings := $buckets }}
{{- if or $settings.expireDays $own }}
lifecycle-{{ $bucket }}.json: {{ include "minio.lifecycle" (dict "own" $own "days" $settings.expireDays) | fromYaml | toJson | toJson }}
{{- end }}
{{- end }}
{{- range $user, $settings := $users }}
policy-{{ $user }}.json: {{ include "minio.policy" $settings | fromYaml | toJson | toJson }}
{{- end }}
{{- end }}

{{- /*
minio.lifecycle (dict "own" <pipeline of a release of its own> "days" <days by prefix>): the rules of a bucket. Their IDs say whose they
are: lifecycle.py goes by them.
*/ -}}
{{- define "minio.lifecycle" -}}
Rules:
{{- range $prefix, $days := .days }}
{{- if $days }}
  - ID: {{ printf "%s-%s" ($.own | empty | ternary "expire" (printf "own-%s" $.own)) $prefix | trimSuffix "-" | trimSuffix "/" | replace "/" "-" }}
    Status: Enabled
    Filter: {Prefix: {{ $prefix | quote }}}
    Expiration: {Days: {{ $days | int }}}
{{- end }}
{{- else }} []
{{- end }}
{{- end }}

{{- define "minio.policy" -}}
{{- $onBuckets := list "s3:GetBucketLocation" }}
{{- if .lifecycle }}
{{- $onBuckets = append $onBuckets "s3:GetLifecycleConfiguration" }}
{{- end }}
{{- $onObjects := list "s3:GetObject" }}
{{- if not .readOnly }}
{{- $onObjects = concat $onObjects (list "s3:PutObject" "s3:DeleteObject" "s3:AbortMultipartUpload" "s3:ListMultipartUploadParts") }}
{{- end }}
{{- $keys := list }}
{{- range hasKey . "prefixes" | ternary .prefixes (list "") }}
{{- $keys = append $keys (printf "%s*" .) }}
{{- end }}
Version: "2012-10-17"
Statement:
  - Effect: Allow
    Action: {{ toJson $onBuckets }}
    Resource:
      {{- range .buckets }}
      - arn:aws:s3:::{{ . }}
      {{- end }}
  {{- if $keys }}
  - Effect: Allow
    Action: ["s3:ListBucket"]
    Resource:
      {{- range .buckets }}
      - arn:aws:s3:::{{ . }}
      {{- end }}
    {{- if .prefixes }}
    Condition:
      StringLike:
        "s3:prefix": {{ toJson $keys }}
    {{- end }}
  - Effect: Allow
    Action: {{ toJson $onObjects }}
    Resource:
      {{- range $bucket := .buckets }}
      {{- range $keys }}
      - arn:aws:s3:::{{ $bucket }}/{{ . }}
      {{- end }}
      {{- end }}
  {{- end }}
{{- end }}
