{{- /*
Secrets that somebody deleted while what knows their values stayed: a password is made again, its server is told by the Job that set
it up, and what read it at its start is restarted. Where nobody could tell the server, it is refused before anything changes.

common.heldSecret (dict "root" $ "namespace" ns "name" "postgres-mlflow"): what a Secret of the cluster holds, else its copy in the
tasks namespace, as JSON.
*/ -}}
{{- define "common.heldSecret" -}}
{{- $found := (lookup "v1" "Secret" .namespace .name).data -}}
{{- if not $found -}}
{{- $found = (lookup "v1" "Secret" (include "common.tasksNamespace" .root) .name).data -}}
{{- end -}}
{{- $found | default dict | toJson -}}
{{- end }}

{{- /*
common.madeAgain (dict "root" $ "names" (list "postgres-mlflow" …)): at which revisions Secrets of a release were made that was there
before them; nothing for those of its installation. It stands on the Secret itself, so that later upgrades find it.
*/ -}}
{{- define "common.madeAgain" -}}
{{- $secrets := (include "common.global" .root | fromJson).secrets -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $revisions := list -}}
{{- range .names -}}
{{- if not (get $secrets.existing .) -}}
{{- $found := lookup "v1" "Secret" $namespace . -}}
{{- if $found -}}
{{- with get ($found.metadata.annotations | default dict) "quintet/made-again" -}}
{{- $revisions = append $revisions . -}}
{{- end -}}
{{- else if and $.root.Release.IsUpgrade (not (include "common.heldSecret" (dict "root" $.root "namespace" $namespace "name" .) | fromJson)) -}}
{{- $revisions = append $revisions (toString $.root.Release.Revision) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $revisions | uniq | sortAlpha | join "-" -}}
{{- end }}

{{- /*
common.madeAgainAnnotation: the same as an annotation of a pod that has read these Secrets, or nothing.
*/ -}}
{{- define "common.madeAgainAnnotation" -}}
{{- with include "common.madeAgain" . -}}
quintet/secrets-made-again: {{ . | quote }}
{{- end -}}
{{- end }}

{{- /*
common.refuseLost (dict "root" $ "name" "mlflow-admin" "key" "password" "witnesses" (list (list "apps/v1" "Deployment" "mlflow") …)
"sentence" what to do): fails where the key is gone and a witness says that it was there.
*/ -}}
{{- define "common.refuseLost" -}}
{{- $secrets := (include "common.global" .root | fromJson).secrets -}}
{{- $namespace := .root.Release.Namespace -}}
{{- $held := include "common.heldSecret" (dict "root" .root "namespace" $namespace "name" .name) | fromJson -}}
{{- if and $secrets.generate (not (get $secrets.existing .name)) (not (hasKey $held .key)) -}}
{{- range .witnesses -}}
{{- if lookup (index . 0) (index . 1) $namespace (index . 2) -}}
{{- fail (printf "The Secret %s of namespace %s, or its key %s, is gone. %s" $.name $namespace $.key $.sentence) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}
