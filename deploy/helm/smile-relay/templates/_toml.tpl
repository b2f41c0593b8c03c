{{/*
Maps as TOML. Helm's own toToml writes whole numbers as 10.0, as YAML knows but one kind of number to it, and the relay
would refuse those.
*/}}

{{- define "smile-relay.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end -}}

{{- define "smile-relay.toml.value" -}}
{{- if kindIs "string" . -}}
{{ toJson . }}
{{- else if kindIs "bool" . -}}
{{ . }}
{{- else if kindIs "slice" . -}}
[{{ range $i, $item := . }}{{ if $i }}, {{ end }}{{ include "smile-relay.toml.value" $item }}{{ end }}]
{{- else if kindIs "map" . -}}
{ {{- range $i, $key := keys . | sortAlpha }}{{ if $i }},{{ end }} {{ include "smile-relay.toml.key" $key }} = {{ include "smile-relay.toml.value" (index $ $key) }}{{ end }} }
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{ printf "%.0f" . }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end -}}

{{/* (dict "path" NAME "table" MAP): values first, then tables, then lists of tables, as TOML wants them. */}}
{{- define "smile-relay.toml.table" -}}
{{- $path := .path -}}
{{- $table := .table -}}
{{- $inner := list -}}
{{- range $key := keys $table | sortAlpha -}}
{{- $value := index $table $key -}}
{{- if kindIs "invalid" $value -}}
{{- else if or (kindIs "map" $value) (and (kindIs "slice" $value) (include "smile-relay.toml.isTables" $value)) -}}
{{- $inner = append $inner $key -}}
{{- else }}
{{ include "smile-relay.toml.key" $key }} = {{ include "smile-relay.toml.value" $value }}
{{- end -}}
{{- end -}}
{{- range $key := $inner -}}
{{- $value := index $table $key -}}
{{- $name := include "smile-relay.toml.key" $key -}}
{{- if $path }}{{ $name = printf "%s.%s" $path $name }}{{ end -}}
{{- if kindIs "map" $value }}

[{{ $name }}]
{{- include "smile-relay.toml.table" (dict "path" $name "table" $value) -}}
{{- else -}}
{{- range $value }}

[[{{ $name }}]]
{{- include "smile-relay.toml.table" (dict "path" $name "table" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "smile-relay.toml.isTables" -}}
{{- if . }}{{ if kindIs "map" (first .) }}true{{ end }}{{ end -}}
{{- end -}}

{{- define "smile-relay.toml" -}}
{{- include "smile-relay.toml.table" (dict "path" "" "table" .) | trim -}}
{{- end -}}
