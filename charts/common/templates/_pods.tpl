{{- /*
What values say of pods: pods.schema.json has the words. They stand at levels, from far to near: global.pods, <part>.pods, and what an
API has of its own; for steps global.pods, airflow.steps.pods, global.pipelines.<name>.pods, global.pipelines.<name>.steps.<step>.pods.
common.mergedPods says how levels become one; dags/pod_template.py does the same.

common.pods (dict "root" $ "object" $yaml "levels" list): an object of one pod template, or the template alone, with what the values
say of its pods, and with the environment of global.proxy; without such values the very text. `levels` are nearer ones, each a
dict "path" "pods"; "far" takes the place of those of the part. What the platform sets itself is refused, not overridden.
*/ -}}
{{- define "common.pods" -}}
{{- $root := .root -}}
{{- $levels := concat (.far | default (include "common.podLevels" $root | fromJsonArray)) (.levels | default list) -}}
{{- $given := include "common.mergedPods" $levels | fromJson -}}
{{- $proxy := include "common.proxyVariables" $root | fromJson -}}
{{- if not (and (or $given $proxy) (trim .object)) -}}
{{- .object -}}
{{- else -}}
{{- $object := fromYaml .object -}}
{{- with $object.Error }}{{ fail . }}{{ end -}}
{{- $pod := $object -}}
{{- if eq (toString $object.kind) "CronJob" -}}
{{- $pod = $object.spec.jobTemplate.spec.template -}}
{{- else if has (toString $object.kind) (list "Deployment" "StatefulSet" "Job") -}}
{{- $pod = $object.spec.template -}}
{{- end -}}
{{- $paths := list -}}
{{- range $levels }}{{ $paths = append $paths .path }}{{ end -}}
{{- $name := dig "metadata" "name" "" $object | default (get $pod.metadata.labels "app.kubernetes.io/component") -}}
{{- $where := printf "the pods of %s, and cannot be in %s" $name (join ", " $paths) -}}
{{- $spec := $pod.spec -}}
{{- $own := dict -}}
{{- range $key := list "name" "instance" "component" -}}
{{- $label := printf "app.kubernetes.io/%s" $key -}}
{{- $_ := set $own $label (get $pod.metadata.labels $label) -}}
{{- end -}}
{{- range $key, $field := dict "podLabels" "labels" "podAnnotations" "annotations" -}}
{{- with get $given $key -}}
{{- $there := get $pod.metadata $field | default dict -}}
{{- include "common.refuseTaken" (dict "key" $key "given" (keys .) "taken" (keys $there) "where" $where) -}}
{{- $_ := set $pod.metadata $field (merge $there .) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "terminationGracePeriodSeconds" -}}
{{- if hasKey $given $key }}{{ $_ := set $spec $key (get $given $key) }}{{ end -}}
{{- end -}}
{{- with $given.topologySpreadConstraints -}}
{{- $spread := $spec.topologySpreadConstraints | default list -}}
{{- range . }}{{ $spread = append $spread (merge (dict) . (dict "labelSelector" (dict "matchLabels" $own))) }}{{ end -}}
{{- $_ := set $spec "topologySpreadConstraints" $spread -}}
{{- end -}}
{{- with $given.imagePullSecrets -}}
{{- $secrets := $spec.imagePullSecrets | default list -}}
{{- range . }}{{ $secrets = append $secrets (dict "name" .) }}{{ end -}}
{{- $_ := set $spec "imagePullSecrets" ($secrets | uniq) -}}
{{- end -}}
{{- with include "common.serviceAccountName" (dict "root" $root "given" $given) -}}
{{- if and $spec.serviceAccountName $given.serviceAccount.name -}}
{{- fail (printf "serviceAccount.name: %s is the platform's own in %s: annotations alone go to it." $spec.serviceAccountName $where) -}}
{{- end -}}
{{- if not $spec.serviceAccountName }}{{ $_ := set $spec "serviceAccountName" . }}{{ end -}}
{{- end -}}
{{- include "common.podVolumes" (dict "spec" $spec "given" $given "where" $where) -}}
{{- range concat ($spec.initContainers | default list) $spec.containers -}}
{{- include "common.containerEnv" (dict "container" . "given" $given "proxy" $proxy "where" $where) -}}
{{- end -}}
{{- toYaml $object -}}
{{- end -}}
{{- end }}

{{- /*
common.containerEnv (dict "container" map "given" map "proxy" map "where" $text): puts environment and mounts into a container. Of two
sources in envFrom the last wins, so that those of the values stand before the platform's.
*/ -}}
{{- define "common.containerEnv" -}}
{{- $container := .container -}}
{{- $env := $container.env | default list -}}
{{- $names := list -}}
{{- range $env }}{{ $names = append $names .name }}{{ end -}}
{{- range $name, $value := .proxy -}}
{{- if not (has $name $names) -}}
{{- $env = append $env (dict "name" $name "value" $value) -}}
{{- $names = append $names $name -}}
{{- end -}}
{{- end -}}
{{- with .given.extraEnv -}}
{{- include "common.refuseTaken" (dict "key" "extraEnv" "given" (keys .) "taken" $names "where" $.where) -}}
{{- range $name, $value := . -}}
{{- $env = append $env (kindIs "map" $value | ternary (merge (dict "name" $name) (kindIs "map" $value | ternary $value dict)) (dict "name" $name "value" (toString $value))) -}}
{{- end -}}
{{- end -}}
{{- if $env }}{{ $_ := set $container "env" $env }}{{ end -}}
{{- with .given.envFrom }}{{ $_ := set $container "envFrom" (concat . ($container.envFrom | default list)) }}{{ end -}}
{{- with .given.extraVolumeMounts -}}
{{- $mounts := $container.volumeMounts | default list -}}
{{- $taken := list -}}
{{- range $mounts }}{{ $taken = append $taken .mountPath }}{{ end -}}
{{- $paths := list -}}
{{- range . }}{{ $paths = append $paths .mountPath }}{{ end -}}
{{- include "common.refuseTaken" (dict "key" "extraVolumeMounts" "given" $paths "taken" $taken "where" $.where) -}}
{{- $_ := set $container "volumeMounts" (concat $mounts .) -}}
{{- end -}}
{{- end }}

{{- /*
common.podVolumes (dict "spec" map "given" map "where" $text): adds the volumes, and sizes /tmp where it is on the node's disk.
*/ -}}
{{- define "common.podVolumes" -}}
{{- $volumes := .spec.volumes | default list -}}
{{- $taken := list -}}
{{- range $volumes -}}
{{- $taken = append $taken .name -}}
{{- if and $.given.tmpSize (eq .name "tmp") (not .emptyDir.medium) }}{{ $_ := set .emptyDir "sizeLimit" $.given.tmpSize }}{{ end -}}
{{- end -}}
{{- $names := list -}}
{{- range .given.extraVolumes }}{{ $names = append $names .name }}{{ end -}}
{{- include "common.refuseTaken" (dict "key" "extraVolumes" "given" $names "taken" $taken "where" .where) -}}
{{- range .given.extraVolumeMounts -}}
{{- if not (has .name $names) -}}
{{- fail (printf "extraVolumeMounts names the volume %s, which extraVolumes of the same levels has not, for %s: add it there." .name $.where) -}}
{{- end -}}
{{- end -}}
{{- with .given.extraVolumes }}{{ $_ := set $.spec "volumes" (concat $volumes .) }}{{ end -}}
{{- end }}

{{- /*
common.refuseTaken (dict "key" "extraEnv" "given" list "taken" list "where" $text): fails at what the platform sets itself. By labels of
its own it selects pods and opens ways to them.
*/ -}}
{{- define "common.refuseTaken" -}}
{{- range .given | sortAlpha -}}
{{- $label := and (eq $.key "podLabels") (or (has . (list "pipeline" "step")) (regexMatch "^(app\\.kubernetes\\.io|quintet)/" .)) -}}
{{- if or $label (has . $.taken) -}}
{{- fail (printf "%s: %s is the platform's own in %s: take it out, or name another." $.key . $.where) -}}
{{- end -}}
{{- end -}}
{{- end }}
