{{/* Names, labels, image: what every object has. Each takes the chart's own context. */}}

{{- define "smile-relay.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "smile-relay.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "smile-relay.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "smile-relay.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: {{ include "smile-relay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Which pods have the relay in them: its own, or those of the service whose sidecar it is. */}}
{{- define "smile-relay.podSelector" -}}
{{- if eq .Values.shape "sidecar" -}}
smile-relay: {{ include "smile-relay.fullname" . }}
{{- else -}}
app.kubernetes.io/name: {{ include "smile-relay.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: relay
{{- end -}}
{{- end -}}

{{- define "smile-relay.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "smile-relay.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "smile-relay.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end -}}

{{/* What the following answer: "true", or nothing. */}}
{{- define "smile-relay.grpcBeyondPod" -}}
{{- if or (eq .Values.shape "shared") .Values.grpc.beyondPod }}true{{ end -}}
{{- end -}}

{{- define "smile-relay.adminBeyondPod" -}}
{{- if or (eq .Values.shape "shared") .Values.admin.beyondPod (ne (include "smile-relay.probeType" .) "exec") }}true{{ end -}}
{{- end -}}

{{- define "smile-relay.hasIdentities" -}}
{{- if or .Values.identities.config .Values.identities.existingConfigMap }}true{{ end -}}
{{- end -}}

{{- define "smile-relay.probeType" -}}
{{- .Values.probes.type | default (ternary "exec" "http" (eq .Values.shape "sidecar")) -}}
{{- end -}}
