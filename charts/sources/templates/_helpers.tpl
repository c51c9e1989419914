{{/* sources.all $: the sources by pipeline, as YAML: every value but the ones Helm and the umbrella add, with a simulator's
address and egress where it takes a source's place. */}}
{{- define "sources.all" -}}
{{- range $pipeline, $source := omit .Values "enabled" "global" "common" "simulatorResources" }}
{{ $pipeline }}:
  {{- $simulator := $source.simulator | default dict }}
  {{- if $simulator.enabled }}
  baseUrl: http://{{ $simulator.name }}.{{ $.Release.Namespace }}.svc
  egress:
    - to:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ $.Release.Namespace }}}}
          podSelector: {matchLabels: {app.kubernetes.io/name: {{ $.Chart.Name }}, app.kubernetes.io/component: {{ $simulator.name }}}}
      ports: [{port: 8080}]
  {{- else }}
  baseUrl: {{ tpl $source.baseUrl $ | quote }}
  egress: {{- tpl (toYaml $source.egress) $ | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* sources.simulators $: the simulators that are on, by pipeline, as YAML. */}}
{{- define "sources.simulators" -}}
{{- range $pipeline, $source := omit .Values "enabled" "global" "common" "simulatorResources" }}
{{- if ($source.simulator | default dict).enabled }}
{{ $pipeline }}: {{- toYaml $source.simulator | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
