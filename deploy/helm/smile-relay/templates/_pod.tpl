{{/* The relay's container and volumes, the same in every shape. Each takes the chart's own context. */}}

{{/* `asks`: whether it has `started`, is `live`, or is `ready`. gRPC's health service knows the last alone. */}}
{{- define "smile-relay.probe" -}}
{{- $type := include "smile-relay.probeType" .root -}}
{{- $port := .root.Values.admin.port -}}
{{- if eq $type "exec" }}
exec:
  command: [smile-relay, healthcheck, --admin, "http://127.0.0.1:{{ $port }}"{{ if ne .asks "ready" }}, --{{ .asks }}{{ end }}]
{{- else if and (eq $type "grpc") (eq .asks "ready") }}
grpc:
  port: {{ $port }}
{{- else }}
httpGet:
  path: {{ get (dict "started" "/startupz" "live" "/livez" "ready" "/readyz") .asks }}
  port: {{ $port }}
{{- end }}
timeoutSeconds: {{ .root.Values.probes.timeoutSeconds }}
{{- end -}}

{{- define "smile-relay.container" -}}
image: {{ include "smile-relay.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [serve, --config, {{ include "smile-relay.etc" . }}/relay.toml]
env:
  {{- /* As in relay.toml, over which the image's own variable would win. */}}
  - name: SMILE_RELAY_DATA_DIR
    value: {{ include "smile-relay.dataDir" . }}/log
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - name: public
    containerPort: {{ .Values.public.port }}
  {{- if include "smile-relay.grpcBeyondPod" . }}
  - name: grpc
    containerPort: {{ .Values.grpc.port }}
  {{- end }}
  {{- if include "smile-relay.adminBeyondPod" . }}
  - name: relay-admin
    containerPort: {{ .Values.admin.port }}
  {{- end }}
{{- /* Services beside it start when this has succeeded once: it listens, and its log can be read. Not ready: on a full volume it
  is not, and a restart, which is what a failed start brings, makes no room. */}}
startupProbe:
  {{- include "smile-relay.probe" (dict "root" . "asks" "started") | trim | nindent 2 }}
  periodSeconds: 1
  failureThreshold: {{ add .Values.probes.startupSeconds .Values.lockTimeoutSeconds }}
livenessProbe:
  {{- include "smile-relay.probe" (dict "root" . "asks" "live") | trim | nindent 2 }}
  periodSeconds: {{ .Values.probes.periodSeconds }}
  failureThreshold: {{ .Values.probes.failureThreshold }}
readinessProbe:
  {{- include "smile-relay.probe" (dict "root" . "asks" "ready") | trim | nindent 2 }}
  periodSeconds: {{ .Values.probes.periodSeconds }}
  failureThreshold: {{ .Values.probes.failureThreshold }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- include "smile-relay.securityContext" . | nindent 2 }}
volumeMounts:
  - name: smile-relay-config
    mountPath: {{ include "smile-relay.etc" . }}
    readOnly: true
  - name: smile-relay-log
    mountPath: {{ include "smile-relay.dataDir" . }}
  {{- if and (eq .Values.shape "sidecar") .Values.grpc.unixSocket.enabled }}
  - name: smile-relay-socket
    mountPath: {{ .Values.grpc.unixSocket.directory }}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* What the pod security profile `restricted` asks of a container, and a root file system that can't be written. */}}
{{- define "smile-relay.securityContext" -}}
runAsNonRoot: true
runAsUser: {{ int64 .Values.runAsUser }}
runAsGroup: {{ int64 .Values.runAsUser }}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The configuration and all secrets, as one volume: what is changed in them appears in it by itself. */}}
{{- define "smile-relay.configVolume" -}}
- name: smile-relay-config
  projected:
    defaultMode: 0440
    sources:
      - configMap:
          name: {{ include "smile-relay.fullname" . }}
          items:
            - {key: relay.toml, path: relay.toml}
      {{- if include "smile-relay.hasIdentities" . }}
      - configMap:
          name: {{ .Values.identities.existingConfigMap | default (printf "%s-identities" (include "smile-relay.fullname" .)) }}
          items:
            - {key: {{ ternary .Values.identities.key "identities.toml" (ne .Values.identities.existingConfigMap "") }}, path: identities/identities.toml}
      {{- end }}
      {{- range $name, $endpoint := .Values.endpoints }}
      {{- if $endpoint }}
      - secret:
          name: {{ $endpoint.existingSecret }}
          items:
            {{- range $endpoint.keys | default (list "secret") }}
            - {key: {{ . }}, path: endpoints/{{ $name }}/{{ . }}}
            {{- end }}
      {{- end }}
      {{- end }}
      {{- if not .Values.public.behindTlsProxy }}
      - secret:
          name: {{ .Values.public.tls.existingSecret }}
          items:
            - {key: tls.crt, path: tls/tls.crt}
            - {key: tls.key, path: tls/tls.key}
      {{- end }}
      {{- with .Values.grpc.tls.existingSecret }}
      - secret:
          name: {{ . }}
          items:
            - {key: tls.crt, path: grpc-tls/tls.crt}
            - {key: tls.key, path: grpc-tls/tls.key}
      {{- end }}
      {{- with .Values.grpc.tls.clientCa }}
      {{- if .existingSecret }}
      - secret:
          name: {{ .existingSecret }}
          items:
            - {key: {{ .key }}, path: grpc-client-ca/ca.crt}
      {{- end }}
      {{- end }}
      {{- with .Values.grpc.tokens }}
      {{- if .existingSecret }}
      - secret:
          name: {{ .existingSecret }}
          items:
            - {key: {{ .key }}, path: grpc-tokens/tokens}
      {{- end }}
      {{- end }}
      {{- with .Values.callbacks }}
      {{- if .existingSecret }}
      - secret:
          name: {{ .existingSecret }}
          items:
            {{- range .keys }}
            - {key: {{ . }}, path: callbacks/{{ . }}}
            {{- end }}
      {{- end }}
      {{- end }}
      {{- with .Values.encryption }}
      {{- if .existingSecret }}
      - secret:
          name: {{ .existingSecret }}
          items:
            {{- range .keys }}
            - {key: {{ . }}, path: encryption/{{ . }}}
            {{- end }}
      {{- end }}
      {{- end }}
      {{- if and .Values.identities.kubernetes.enabled .Values.identities.kubernetes.fromApiServer }}
      - serviceAccountToken:
          path: cluster/token
          expirationSeconds: 3600
      - configMap:
          name: kube-root-ca.crt
          items:
            - {key: ca.crt, path: cluster/ca.crt}
      {{- end }}
{{- end -}}

{{/* Where the log lives. */}}
{{- define "smile-relay.logVolume" -}}
- name: smile-relay-log
  {{- if .Values.persistence.ephemeral }}
  emptyDir:
    sizeLimit: {{ .Values.persistence.size }}
  {{- else }}
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | default (printf "%s-log" (include "smile-relay.fullname" .)) }}
  {{- end }}
{{- end -}}

{{/* A changed relay.toml makes a new pod. Secrets, certificates and identities do not: the relay rereads them. */}}
{{- define "smile-relay.annotations" -}}
checksum/config: {{ include "smile-relay.relayToml" . | sha256sum }}
{{- if .Values.metrics.podAnnotations }}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .Values.admin.port | quote }}
prometheus.io/path: /metrics
{{- end }}
{{- end -}}
