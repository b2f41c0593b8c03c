{{/*
For the chart of a service that takes the relay into its own pod. Each template takes a dict with `relay`: this chart's
context, which is `index .Subcharts "smile-relay"` in a chart that names it as a dependency; `smile-relay.sidecar` takes
`replicas` as well: how many pods there will be. deploy/helm/examples/service shows all of them at work.
*/}}

{{/* The container, for `initContainers`: a native sidecar, which starts before the services and ends after them. */}}
{{- define "smile-relay.sidecar" -}}
{{- include "smile-relay.sidecar.check" . -}}
{{- if not (hasKey . "replicas") -}}
{{- fail "\n\nsmile-relay.sidecar needs `replicas`, the number of pods that the relay is to be in: include it with (dict \"relay\" (index .Subcharts \"smile-relay\") \"replicas\" .Values.replicas).\n" -}}
{{- end -}}
{{- if and (eq .relay.Values.store "embedded") (gt (int .replicas) 1) -}}
{{- fail (printf "\n\nreplicas: %v, with the relay in each pod and `store: embedded`: every relay has a log of its own, and several behind one webhook URL would split the events between them, so that each service would see only some.\nWays out: replicas: 1; or one relay for all of them, as a release of its own with `shape: shared`; or a release with one replica for each webhook URL.\n" .replicas) -}}
{{- end -}}
- name: smile-relay
  restartPolicy: Always
  {{- include "smile-relay.container" .relay | nindent 2 }}
{{- end -}}

{{/* For `volumes`. */}}
{{- define "smile-relay.sidecar.volumes" -}}
{{- include "smile-relay.sidecar.check" . -}}
{{ include "smile-relay.configVolume" .relay }}
{{ include "smile-relay.logVolume" .relay }}
{{- if .relay.Values.grpc.unixSocket.enabled }}
- name: smile-relay-socket
  emptyDir:
    medium: Memory
    sizeLimit: 1Mi
{{- end }}
{{- end -}}

{{/* For the pod's `metadata.labels`: by these the relay's Services find it. And a new configuration makes a new pod. */}}
{{- define "smile-relay.sidecar.labels" -}}
{{- include "smile-relay.sidecar.check" . -}}
{{ include "smile-relay.podSelector" .relay }}
{{- end -}}

{{/* For the pod's `metadata.annotations`. */}}
{{- define "smile-relay.sidecar.annotations" -}}
{{- include "smile-relay.sidecar.check" . -}}
{{ include "smile-relay.annotations" .relay }}
{{- end -}}

{{/* For the pod's `securityContext`: files and the socket are shared by this group. */}}
{{- define "smile-relay.sidecar.podSecurityContext" -}}
{{- include "smile-relay.sidecar.check" . -}}
fsGroup: {{ int64 .relay.Values.runAsUser }}
fsGroupChangePolicy: OnRootMismatch
{{- end -}}

{{/* For a Deployment's `strategy`: the new pod can't have the log before the old one has let go of it. */}}
{{- define "smile-relay.sidecar.strategy" -}}
{{- include "smile-relay.sidecar.check" . -}}
type: Recreate
{{- end -}}

{{/* For `terminationGracePeriodSeconds`; `services` are the seconds that the services need, which end first. */}}
{{- define "smile-relay.sidecar.terminationGracePeriodSeconds" -}}
{{- include "smile-relay.sidecar.check" . -}}
{{ add (.services | default 30) .relay.Values.drain.delaySeconds .relay.Values.drain.timeoutSeconds 5 }}
{{- end -}}

{{/* For `env` of the services: where the relay is, as the relay's own commands and the clients' examples read it. */}}
{{- define "smile-relay.sidecar.env" -}}
{{- include "smile-relay.sidecar.check" . -}}
- name: SMILE_RELAY_ADDRESS
  value: {{ if .relay.Values.grpc.unixSocket.enabled }}{{ include "smile-relay.grpcListen" .relay }}{{ else }}{{ printf "127.0.0.1:%v" .relay.Values.grpc.port }}{{ end }}
{{- end -}}

{{/* For `volumeMounts` of the services, beside their own: the socket, or nothing without `grpc.unixSocket.enabled`. */}}
{{- define "smile-relay.sidecar.volumeMounts" -}}
{{- include "smile-relay.sidecar.check" . -}}
{{- if .relay.Values.grpc.unixSocket.enabled -}}
- name: smile-relay-socket
  mountPath: {{ .relay.Values.grpc.unixSocket.directory }}
  readOnly: true
{{- end -}}
{{- end -}}

{{- define "smile-relay.sidecar.check" -}}
{{- if not .relay -}}
{{- fail "\n\nthe templates smile-relay.sidecar... need `relay`, this chart's context: include them with (dict \"relay\" (index .Subcharts \"smile-relay\") ...).\n" -}}
{{- end -}}
{{- if ne .relay.Values.shape "sidecar" -}}
{{- fail (printf "\n\nsmile-relay.shape: %s, and the templates of its sidecar are used: set smile-relay.shape: sidecar.\n" .relay.Values.shape) -}}
{{- end -}}
{{- end -}}
