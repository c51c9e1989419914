{{- /*
common.claimOfSet (dict "root" $ "set" "postgres" "path" "postgres.storage" "size" .Values.storage): the spec of the claim `data`
of a StatefulSet. Kubernetes lets nobody change it there: where the cluster's differs, it refuses with what to do instead.
*/ -}}
{{- define "common.claimOfSet" -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $name := printf "data-%s-0" .set -}}
{{- $class := (include "common.global" .root | fromJson).storageClass -}}
{{- $claim := lookup "v1" "PersistentVolumeClaim" $namespace $name -}}
{{- $set := lookup "apps/v1" "StatefulSet" $namespace .set -}}
{{- $let_go := printf "kubectl -n %s delete statefulset %s --cascade=orphan, which stops no pod; then upgrade again" $namespace .set -}}
{{- range ($set.spec | default dict).volumeClaimTemplates -}}
{{- $made := .spec.storageClassName | default "" -}}
{{- if ne $made $class -}}
{{- fail (printf "global.storageClass is %q, and the claim of the StatefulSet %s was made of class %q; its data stay there. Leave it as it was." $class $.set $made) -}}
{{- end -}}
{{- $size := .spec.resources.requests.storage -}}
{{- if ne (include "common.milli" $size) (include "common.milli" $.size) -}}
{{- if $claim -}}
{{- include "common.refuseOtherSize" (dict "namespace" $namespace "name" $name "path" $.path "size" $.size "claim" $claim "then" (printf ", then %s" $let_go)) -}}
{{- end -}}
{{- fail (printf "%s is %s, and the StatefulSet %s was made with %s, which Kubernetes lets nobody change in it: %s." $.path $.size $.set $size $let_go) -}}
{{- end -}}
{{- end -}}
{{- if and $claim (not $set) -}}
{{- include "common.refuseOtherSize" (dict "namespace" $namespace "name" $name "path" .path "size" .size "claim" $claim) -}}
{{- include "common.refuseOtherClass" (dict "name" $name "class" $class "claim" $claim) -}}
{{- end -}}
{{ include "common.claimSpec" . }}
{{- end }}

{{- /*
common.claim (dict "root" $ "name" "api-data" "path" "api-data.persistence.size" "size" size): the spec of a claim that is an object
of the release: Helm grows it, where its StorageClass allows that, and nothing shrinks it.
*/ -}}
{{- define "common.claim" -}}
{{- $claim := lookup "v1" "PersistentVolumeClaim" .root.Release.Namespace .name -}}
{{- if $claim -}}
{{- include "common.refuseOtherClass" (dict "name" .name "class" (include "common.global" .root | fromJson).storageClass "claim" $claim) -}}
{{- if lt (include "common.milli" .size | int64) (include "common.milli" $claim.spec.resources.requests.storage | int64) -}}
{{- include "common.refuseOtherSize" (dict "name" .name "path" .path "size" .size "claim" $claim) -}}
{{- end -}}
{{- end -}}
{{ include "common.claimSpec" . }}
{{- end }}

{{- define "common.claimSpec" -}}
accessModes: [ReadWriteOnce]
{{- with include "common.storageClass" .root }}
{{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .size }}
{{- end }}

{{- define "common.refuseOtherSize" -}}
{{- $size := .claim.spec.resources.requests.storage -}}
{{- $change := sub (include "common.milli" .size | int64) (include "common.milli" $size | int64) -}}
{{- if lt $change 0 -}}
{{- fail (printf "%s is %s, and the claim %s has %s: a claim never shrinks. Set it to %s." .path .size .name $size $size) -}}
{{- else if gt $change 0 -}}
{{- $patch := dict "spec" (dict "resources" (dict "requests" (dict "storage" .size))) | toJson -}}
{{- fail (printf "%s is %s, and the claim %s has %s. Where its StorageClass allows it to grow: kubectl -n %s patch persistentvolumeclaim %s --patch '%s'%s." .path .size .name $size .namespace .name $patch (.then | default ", then upgrade again")) -}}
{{- end -}}
{{- end }}

{{- define "common.refuseOtherClass" -}}
{{- if and .class (ne .class (.claim.spec.storageClassName | default "")) -}}
{{- fail (printf "global.storageClass is %s, and the claim %s is of class %s: its data stay there. Set it to that, or delete the claim with its data." .class .name .claim.spec.storageClassName) -}}
{{- end -}}
{{- end }}
