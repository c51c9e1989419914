{{- /*
common.milli "250m": an amount of CPU or memory in thousandths of a core or of a byte, so that two of them can be compared.
*/ -}}
{{- define "common.milli" -}}
{{- $factors := dict "" 1000 "m" 1 "k" 1e6 "M" 1e9 "G" 1e12 "T" 1e15 "Ki" 1024e3 "Mi" 1048576e3 "Gi" 1073741824e3 "Ti" 1099511627776e3 -}}
{{- $amount := toString . -}}
{{- $unit := regexFind "[A-Za-z]*$" $amount -}}
{{- if not (and (regexMatch "^[0-9]+(\\.[0-9]+)?[A-Za-z]*$" $amount) (hasKey $factors $unit)) -}}
{{- fail (printf "%s is not an amount of Kubernetes: write a number, and m, k, M, G, T, Ki, Mi, Gi or Ti after it where needed." $amount) -}}
{{- end -}}
{{- mulf (trimSuffix $unit $amount | float64) (get $factors $unit | float64) | int64 -}}
{{- end }}

{{- /*
common.mebibytes "512Mi": the same amount in whole Mi.
*/ -}}
{{- define "common.mebibytes" -}}
{{- div (include "common.milli" . | int64) 1048576000 -}}
{{- end }}

{{- /*
common.resources (dict "path" "minio.resources" "given" map): requests and limits of a container as YAML; Kubernetes would make no
pod of a request above its limit.
*/ -}}
{{- define "common.resources" -}}
{{- $limits := .given.limits | default dict -}}
{{- range $name, $request := .given.requests -}}
{{- $limit := get $limits $name -}}
{{- if and (ne (toString $limit) "") (gt (include "common.milli" $request | int64) (include "common.milli" $limit | int64)) -}}
{{- fail (printf "%s.requests.%s is %v, more than its limit of %v: Kubernetes makes no such pod. Raise %s.limits.%s too." $.path $name $request $limit $.path $name) -}}
{{- end -}}
{{- end -}}
{{- toYaml .given -}}
{{- end }}
