{{/*
sources.all $: the source of each pipeline that has one, as JSON: `url`, `egress`, and `simulator` where a server of our own takes the
place of the one outside.
*/}}
{{- define "sources.all" -}}
{{- $found := dict -}}
{{- range $pipeline, $given := include "common.pipelines" . | fromJson -}}
{{- with $given.source -}}
{{- $path := printf "global.pipelines.%s.source" $pipeline -}}
{{- if not (or .url .server) -}}
{{- fail (printf "%s has neither url nor server: its steps would ask nobody." $path) -}}
{{- end -}}
{{- if and .simulate (not .server) -}}
{{- fail (printf "%s.simulate is true, and no server of ours speaks its protocol: name one in %s.server, or set it to false." $path $path) -}}
{{- end -}}
{{- $source := dict -}}
{{- if and .url (not (and .server (dig "simulate" $.Values.simulators .))) -}}
{{- $url := tpl .url $ -}}
{{- $_ := set $source "url" $url -}}
{{- if hasKey . "egress" -}}
{{- $_ := set $source "egress" (tpl (toJson .egress) $ | fromJsonArray) -}}
{{- else -}}
{{- $parsed := urlParse $url -}}
{{- $port := regexFind ":[0-9]+$" $parsed.host | trimPrefix ":" | default (ternary "443" "80" (eq $parsed.scheme "https")) -}}
{{- if ne $port "443" -}}
{{- fail (printf "%s.url is %s, and without rules of its own a source is reached at port 443 alone: name %s.egress too." $path $url $path) -}}
{{- end -}}
{{- $_ := set $source "egress" (include "sources.internet" $ | fromYamlArray) -}}
{{- end -}}
{{- else -}}
{{- $labels := dict "app.kubernetes.io/name" .server.service -}}
{{- if .url -}}
{{- $_ := set $source "simulator" (dict "service" .server.service "env" (.server.env | default dict)) -}}
{{- $labels = dict "app.kubernetes.io/name" $.Chart.Name "app.kubernetes.io/component" .server.service -}}
{{- end -}}
{{- $_ := set $source "url" (printf "http://%s.%s.svc" .server.service $.Release.Namespace) -}}
{{- $_ := set $source "egress" (include "sources.ours" (dict "root" $ "labels" $labels) | fromYamlArray) -}}
{{- end -}}
{{- $_ := set $found $pipeline $source -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{/* sources.internet $: egress to any address outside the cluster's own ranges: a source has many, and they change. */}}
{{- define "sources.internet" -}}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, 100.64.0.0/10]
  ports: [{port: 443}]
{{- end }}

{{/* sources.ours (dict "root" $ "labels" <of the pods>): egress to a server of our own. */}}
{{- define "sources.ours" -}}
- to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ .root.Release.Namespace }}}}
      podSelector: {matchLabels: {{ toJson .labels }}}
  ports: [{port: 8080}]
{{- end }}

{{/* sources.simulators $: the simulators that are needed, by Service, as JSON: `env`, and the `pipelines` that ask it. */}}
{{- define "sources.simulators" -}}
{{- $found := dict -}}
{{- range $pipeline, $source := include "sources.all" . | fromJson -}}
{{- with $source.simulator -}}
{{- $known := get $found .service | default (dict "env" .env "pipelines" list) -}}
{{- if ne (toJson $known.env) (toJson .env) -}}
{{- fail (printf "global.pipelines.%s and global.pipelines.%s share the simulator %s, and source.server.env differs: give both the same." (first $known.pipelines) $pipeline .service) -}}
{{- end -}}
{{- $_ := set $found .service (dict "env" .env "pipelines" (append $known.pipelines $pipeline)) -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}
