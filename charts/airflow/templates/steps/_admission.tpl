{{- /*
airflow.admission $: a pod of the tasks namespace gets a Secret of the steps only into a container of an image that the values give it
to; one that is not for every step of its pipeline only where the image's own program runs, and nothing else that could read its memory
or change its code. Images are without tag and digest: a run keeps those that its first step found. A release guards its own Secrets,
and says nothing of those of others; those of airflow.steps.secretEnv, which every step gets, any image may ask for, as variables alone.
*/ -}}
{{- define "airflow.admission" -}}
{{- if .Values.steps.admission }}
{{- $repository := "^(.*/)?[^/:@]+" }}
{{- $allowed := dict }}
{{- $known := list }}
{{- $guarded := list }}
{{- $byKey := list }}
{{- range .Values.steps.secretEnv }}
{{- $byKey = append $byKey (include "common.secretName" (dict "root" $ "name" .secret)) }}
{{- end }}
{{- range $name, $step := include "airflow.steps" . | fromJson }}
{{- $image := include "common.image" (dict "root" $ "name" $name) | regexFind $repository }}
{{- $secrets := get $allowed $image | default list }}
{{- range $step.secretEnv }}
{{- $secrets = append $secrets (include "common.secretName" (dict "root" $ "name" .secret)) }}
{{- end }}
{{- $_ := set $allowed $image ($secrets | uniq | sortAlpha) }}
{{- $known = concat $known $secrets | uniq | sortAlpha }}
{{- range $step.guarded }}
{{- $guarded = append $guarded (include "common.secretName" (dict "root" $ "name" .)) }}
{{- end }}
{{- end }}
{{- $namespace := include "common.tasksNamespace" . }}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {{ include "common.ownName" (dict "root" . "name" (printf "%s-secrets" $namespace)) }}
  labels: {{- include "common.labels" (dict "root" $ "component" "step") | nindent 4 }}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector:
      matchLabels: {kubernetes.io/metadata.name: {{ $namespace }}}
    resourceRules:
      - apiGroups: [""]
        apiVersions: [v1]
        operations: [CREATE, UPDATE]
        resources: [pods, pods/ephemeralcontainers]
  matchConditions:
    # A pod that began before an upgrade may still be labelled.
    - name: spec-is-new
      expression: request.operation == "CREATE" || object.spec != oldObject.spec
  variables:
    - name: allowed
      expression: {{ $allowed | toJson | quote }}
    - name: known
      expression: {{ $known | toJson | quote }}
    # Those of every step too, of releases of their own as well, whose images are not known here.
    - name: byKey
      expression: {{ concat $known $byKey | uniq | sortAlpha | toJson | quote }}
    - name: guarded
      expression: {{ $guarded | uniq | sortAlpha | toJson | quote }}
    - name: containers
      expression: >-
        object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : [])
    - name: strangers
      expression: >-
        variables.containers.filter(c, has(c.env) && c.env.exists(e,
        has(e.valueFrom) && has(e.valueFrom.secretKeyRef) && e.valueFrom.secretKeyRef.name in variables.known &&
        !(c.image.find("{{ $repository }}") in variables.allowed &&
        e.valueFrom.secretKeyRef.name in variables.allowed[c.image.find("{{ $repository }}")] &&
        (!has(c.command) || c.command.size() == 0 || !(e.valueFrom.secretKeyRef.name in variables.guarded)))))
    # Containers with a Secret that is for the program of their image alone.
    - name: holders
      expression: >-
        variables.containers.filter(c, has(c.env) && c.env.exists(e,
        has(e.valueFrom) && has(e.valueFrom.secretKeyRef) && e.valueFrom.secretKeyRef.name in variables.guarded))
    # Volumes that nobody fills with code: not one of annotations, which whoever makes the pod writes; ConfigMaps of the values alone.
    - name: places
      expression: >-
        has(object.spec.volumes) ? object.spec.volumes.filter(v, has(v.emptyDir) || has(v.secret)
        {{- with include "airflow.volumesGiven" . | fromJsonArray }} || (has(v.configMap) && v.configMap.name in {{ toJson . | replace "\"" "'" }})
        {{- end }}).map(v, v.name) : []
  validations:
    - expression: variables.strangers.size() == 0
      messageExpression: >-
        "Container " + variables.strangers[0].name + " asks for a Secret that the values of airflow.steps do not give to its image " +
        variables.strangers[0].image + ", or that is only for the program of the image, which it has a command in place of."
    - expression: >-
        variables.containers.all(c, !has(c.envFrom) || c.envFrom.all(f,
        !has(f.secretRef) || !(f.secretRef.name in variables.byKey)))
      message: A step gets its Secrets key by key, as airflow.steps says; envFrom is not for them.
    - expression: >-
        !has(object.spec.volumes) || object.spec.volumes.all(v,
        (!has(v.secret) || !(v.secret.secretName in variables.byKey)) &&
        (!has(v.projected) || !has(v.projected.sources) || v.projected.sources.all(s,
        !has(s.secret) || !(s.secret.name in variables.byKey))))
      message: A step gets its Secrets as variables, as airflow.steps says; a volume is not for them.
    - expression: >-
        variables.holders.all(c, !has(c.lifecycle) && !has(c.livenessProbe) && !has(c.readinessProbe) &&
        !has(c.startupProbe) && !has(c.workingDir))
      message: A container with a Secret that is only for the program of its image has no lifecycle, probe or workingDir.
    - expression: >-
        variables.holders.all(c, !has(c.volumeMounts) || c.volumeMounts.all(m, m.name in variables.places
        {{- if ne .Values.steps.operator "stock" }} &&
        variables.containers.all(o, o.name == c.name || !has(o.volumeMounts) || !o.volumeMounts.exists(n, n.name == m.name))
        {{- end }}))
      message: A container with a Secret that is only for the program of its image mounts volumes of its own, emptyDir or secret.
    - expression: >-
        variables.holders.size() == 0 || (!(has(object.spec.shareProcessNamespace) && object.spec.shareProcessNamespace) &&
        (!has(object.spec.ephemeralContainers) || object.spec.ephemeralContainers.size() == 0))
      message: No container shares the processes of one that has a Secret which is only for the program of its image.
    - expression: >-
        !has(object.spec.ephemeralContainers) || object.spec.ephemeralContainers.all(c,
        !has(c.envFrom) && (!has(c.env) || c.env.all(e, !has(e.valueFrom))))
      message: A container that is added to a step for a look at it gets no Secret.
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ include "common.ownName" (dict "root" . "name" (printf "%s-secrets" $namespace)) }}
  labels: {{- include "common.labels" (dict "root" $ "component" "step") | nindent 4 }}
spec:
  policyName: {{ include "common.ownName" (dict "root" . "name" (printf "%s-secrets" $namespace)) }}
  validationActions: [Deny]
{{- end }}
{{- end }}
