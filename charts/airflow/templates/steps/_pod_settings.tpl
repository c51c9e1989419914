{{- /*
airflow.podLevelsOfSteps $: the levels of every step, as common.podLevels has those of a part.
*/ -}}
{{- define "airflow.podLevelsOfSteps" -}}
{{- list (dict "path" "global.pods" "pods" (include "common.global" . | fromJson).pods) (dict "path" "airflow.steps.pods" "pods" .Values.steps.pods) | toJson -}}
{{- end }}

{{- /*
airflow.podLevelsOfStep (dict "name" "weather" "pipeline" map "step" "train"): the nearer levels of one step.
*/ -}}
{{- define "airflow.podLevelsOfStep" -}}
{{- $path := printf "global.pipelines.%s" .name -}}
{{- $step := get .pipeline.steps .step -}}
{{- list (dict "path" (printf "%s.pods" $path) "pods" .pipeline.pods) (dict "path" (printf "%s.steps.%s.pods" $path .step) "pods" $step.pods) | toJson -}}
{{- end }}

{{- /*
airflow.refusedInSteps (dict "root" $ "described" <of airflow.stepPods>): fails at what a step's pod has of the platform. What only the code
of a guarded step may reach comes from no claim, which other steps write to.
*/ -}}
{{- define "airflow.refusedInSteps" -}}
{{- $root := .root -}}
{{- $described := .described -}}
{{- $far := include "airflow.podLevelsOfSteps" $root | fromJsonArray -}}
{{- $steps := include "airflow.steps" $root | fromJson -}}
{{- range $name, $pipeline := include "common.pipelines" $root | fromJson -}}
{{- range $step, $_ := $pipeline.steps -}}
{{- $image := printf "%s-%s" $name $step -}}
{{- $layer := get $described.steps $image -}}
{{- $levels := concat $far (include "airflow.podLevelsOfStep" (dict "name" $name "pipeline" $pipeline "step" $step) | fromJsonArray) -}}
{{- $given := include "common.mergedPods" $levels | fromJson -}}
{{- if $given -}}
{{- $paths := list -}}
{{- range $levels }}{{ $paths = append $paths .path }}{{ end -}}
{{- $where := printf "the pods of the step %s, and cannot be in %s" $image (join ", " $paths) -}}
{{- $env := list "IMAGE_REFERENCE" "RESULT_PATH" "DAG_ID" "RUN_ID" "TASK_ID" "TRY_NUMBER" -}}
{{- range list $described $layer -}}
{{- $env = concat $env (keys .env) (keys .secret_env) (keys .config_env) -}}
{{- end -}}
{{- $folders := keys ($described.secret_files | default dict) -}}
{{- $volumes := list "tmp" -}}
{{- range $folders }}{{ $volumes = append $volumes (trimPrefix "/" . | replace "/" "-") }}{{ end -}}
{{- $mounts := list -}}
{{- range $given.extraVolumeMounts }}{{ $mounts = append $mounts .mountPath }}{{ end -}}
{{- include "common.refuseTaken" (dict "key" "podLabels" "given" (keys ($given.podLabels | default dict)) "taken" list "where" $where) -}}
{{- include "common.refuseTaken" (dict "key" "extraEnv" "given" (keys ($given.extraEnv | default dict)) "taken" $env "where" $where) -}}
{{- include "common.refuseTaken" (dict "key" "extraVolumeMounts" "given" $mounts "taken" (append $folders "/tmp") "where" $where) -}}
{{- include "common.podVolumes" (dict "spec" (dict "volumes" (include "airflow.volumesNamed" $volumes | fromJsonArray)) "given" $given "where" $where) -}}
{{- range $given.extraVolumes -}}
{{- if and .persistentVolumeClaim (get $steps $image).guarded -}}
{{- fail (printf "extraVolumes: %s is a claim, and reaches the step %s, whose Secrets are for its program alone: other steps could put code there. Name it at the steps that need it, not in %s." .name $image (join ", " $paths)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "airflow.volumesNamed" -}}
{{- $volumes := list -}}
{{- range . }}{{ $volumes = append $volumes (dict "name" . "emptyDir" dict) }}{{ end -}}
{{- toJson $volumes -}}
{{- end }}

{{- /*
airflow.volumesGiven $: names of the ConfigMaps that the values give to steps as volumes, as JSON, for the admission policy.
*/ -}}
{{- define "airflow.volumesGiven" -}}
{{- $levels := include "airflow.podLevelsOfSteps" . | fromJsonArray -}}
{{- range $name, $pipeline := include "common.pipelines" . | fromJson -}}
{{- range $step, $_ := $pipeline.steps -}}
{{- $levels = concat $levels (include "airflow.podLevelsOfStep" (dict "name" $name "pipeline" $pipeline "step" $step) | fromJsonArray) -}}
{{- end -}}
{{- end -}}
{{- $found := list -}}
{{- range (include "common.mergedPods" $levels | fromJson).extraVolumes -}}
{{- with .configMap }}{{ $found = append $found .name }}{{ end -}}
{{- end -}}
{{- $found | uniq | sortAlpha | toJson -}}
{{- end }}

{{- /*
airflow.stepAccounts $: the accounts of pipelines and steps that ask for one of their own, in the tasks namespace; `step` is that of all others.
*/ -}}
{{- define "airflow.stepAccounts" -}}
{{- $far := include "airflow.podLevelsOfSteps" . | fromJsonArray -}}
{{- with dig "serviceAccount" "name" "" ($far | last).pods }}
{{- fail (printf "airflow.steps.pods.serviceAccount.name is %s, and the account of every step is `step`: name one at a pipeline or a step." .) }}
{{- end -}}
{{- $accounts := dict -}}
{{- range $name, $pipeline := include "common.pipelines" . | fromJson -}}
{{- range $step, $_ := $pipeline.steps -}}
{{- $near := include "airflow.podLevelsOfStep" (dict "name" $name "pipeline" $pipeline "step" $step) | fromJsonArray -}}
{{- $account := (include "common.mergedPods" $near | fromJson).serviceAccount | default dict -}}
{{- if $account.create -}}
{{- if not $account.name -}}
{{- fail (printf "global.pipelines.%s: serviceAccount.create is true for the step %s, and no level says which: set serviceAccount.name." $name $step) -}}
{{- end -}}
{{- $annotations := (include "common.mergedPods" (concat $far $near) | fromJson).serviceAccount.annotations | default dict -}}
{{- if and (hasKey $accounts $account.name) (ne (get $accounts $account.name | toJson) (toJson $annotations)) -}}
{{- fail (printf "global.pipelines.%s.steps.%s: the service account %s has other annotations at another step: give it another name." $name $step $account.name) -}}
{{- end -}}
{{- $_ := set $accounts $account.name $annotations -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $annotations := $accounts }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ include "common.tasksNamespace" $ }}
  labels: {{- include "common.labels" (dict "root" $ "component" "step") | nindent 4 }}
  {{- with $annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
{{- end }}
