{{/*
What is refused, each with the value and the ways out. Nothing is refused here that the relay itself finds as well as the
chart; these would start and do harm, or never start without saying why.
*/}}

{{- define "smile-relay.refuse" -}}
{{- fail (printf "\n\nsmile-relay: %s\n" .) -}}
{{- end -}}

{{- define "smile-relay.check" -}}
{{- include "smile-relay.check.log" . -}}
{{- include "smile-relay.check.public" . -}}
{{- include "smile-relay.check.grpc" . -}}
{{- include "smile-relay.check.routes" . -}}
{{- include "smile-relay.check.operation" . -}}
{{- range $key, $_ := .Values.config -}}
{{- with include "smile-relay.ownValue" $key -}}
{{- include "smile-relay.refuse" (printf "config.%s: the chart writes this setting itself, from %s. Set that in its place." $key .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "smile-relay.check.log" -}}
{{- $v := .Values -}}
{{- if and (eq $v.store "embedded") (gt (int $v.replicas) 1) -}}
{{- include "smile-relay.refuse" (printf "replicas: %v with store: embedded. Every relay has a log of its own, and several behind one webhook URL would split the events between them, so that each service would see only some. Ways out: replicas: 1 (it holds thousands of streams); or one release for each webhook URL; or, once there is one, a replicated store." $v.replicas) -}}
{{- end -}}
{{- if not (or $v.persistence.enabled $v.persistence.ephemeral $v.persistence.existingClaim) -}}
{{- include "smile-relay.refuse" "persistence.enabled: false would put the log on a volume that dies with the pod, and every event that was not read yet with it. Set persistence.enabled: true, or persistence.existingClaim to a claim of yours, or allow it with persistence.ephemeral: true." -}}
{{- end -}}
{{- if and $v.persistence.ephemeral $v.persistence.existingClaim -}}
{{- include "smile-relay.refuse" "persistence.ephemeral: true and persistence.existingClaim exclude each other: unset one." -}}
{{- end -}}
{{- end -}}

{{- define "smile-relay.check.public" -}}
{{- $v := .Values -}}
{{- $any := false -}}
{{- range $name, $endpoint := $v.endpoints -}}
{{- if $endpoint -}}
{{- $any = true -}}
{{- if not $endpoint.existingSecret -}}
{{- include "smile-relay.refuse" (printf "endpoints.%s.existingSecret is not set, so no webhook could be verified. Make a Secret with what the webhook was registered with at Smile (kubectl create secret generic smile-webhook --from-file=secret=FILE) and set endpoints.%s.existingSecret: smile-webhook; or leave the endpoint out with endpoints.%s: null." $name $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not $any -}}
{{- include "smile-relay.refuse" "endpoints is empty, so no webhook could be verified. Set endpoints.smile.existingSecret to a Secret with what the webhook was registered with at Smile." -}}
{{- end -}}
{{- if and (not $v.public.tls.existingSecret) (not $v.public.behindTlsProxy) -}}
{{- include "smile-relay.refuse" "public.tls.existingSecret is not set: Smile calls by HTTPS only. Set it to a Secret of type kubernetes.io/tls with a certificate that the world trusts; or, if an Ingress or Gateway in front of the relay ends TLS, say so with public.behindTlsProxy: true." -}}
{{- end -}}
{{- if and $v.public.tls.existingSecret $v.public.behindTlsProxy -}}
{{- include "smile-relay.refuse" "public.tls.existingSecret and public.behindTlsProxy: true exclude each other: unset the first if something in front of the relay ends TLS, else the second." -}}
{{- end -}}
{{- end -}}

{{- define "smile-relay.check.grpc" -}}
{{- $v := .Values -}}
{{- if include "smile-relay.grpcBeyondPod" . -}}
{{- if not (or $v.grpc.tls.existingSecret $v.grpc.insecurePlaintext) -}}
{{- include "smile-relay.refuse" "grpc.tls.existingSecret is not set, and gRPC is reachable from other pods: plaintext would show every event to whoever is on the way. Set it to a Secret of type kubernetes.io/tls; or allow plaintext with grpc.insecurePlaintext: true; or use shape: sidecar, where gRPC stays in the pod." -}}
{{- end -}}
{{- if not (or (include "smile-relay.hasIdentities" .) $v.grpc.insecureAnonymous $v.grpc.insecurePlaintext) -}}
{{- include "smile-relay.refuse" "identities.config is empty, and gRPC is reachable from other pods: whoever reaches it would read every event. Say there who may read what (or in a ConfigMap, with identities.existingConfigMap); or allow everybody with grpc.insecureAnonymous: true." -}}
{{- end -}}
{{- end -}}
{{- if and $v.grpc.tls.existingSecret $v.grpc.insecurePlaintext -}}
{{- include "smile-relay.refuse" "grpc.tls.existingSecret and grpc.insecurePlaintext: true exclude each other: unset the second." -}}
{{- end -}}
{{- if and $v.identities.config $v.identities.existingConfigMap -}}
{{- include "smile-relay.refuse" "identities.config and identities.existingConfigMap exclude each other: unset one." -}}
{{- end -}}
{{- if and (eq $v.shape "sidecar") $v.grpc.tls.existingSecret (not $v.grpc.unixSocket.enabled) -}}
{{- include "smile-relay.refuse" (printf "grpc.tls.existingSecret with grpc.unixSocket.enabled: false and shape: sidecar: 127.0.0.1:%v, where the pod's own services call in plaintext, would speak TLS as well. Set grpc.unixSocket.enabled: true, which has a socket without TLS for them; or unset grpc.tls.existingSecret, and grpc.beyondPod with it." $v.grpc.port) -}}
{{- end -}}
{{- if and (eq $v.shape "shared") $v.grpc.unixSocket.enabled -}}
{{- include "smile-relay.refuse" "grpc.unixSocket.enabled: true with shape: shared: no other pod could reach the socket. Unset it, or use shape: sidecar." -}}
{{- end -}}
{{- end -}}

{{- define "smile-relay.check.routes" -}}
{{- $v := .Values -}}
{{- if $v.ingress.enabled -}}
{{- if not $v.ingress.host }}{{ include "smile-relay.refuse" "ingress.host is empty: set it to the name that Smile calls, such as relay.example.com." }}{{ end -}}
{{- end -}}
{{- if and $v.ingress.grpc.enabled (not $v.ingress.grpc.host) -}}
{{- include "smile-relay.refuse" "ingress.grpc.host is empty: set it to the name that services call, such as events.example.com." -}}
{{- end -}}
{{- if and $v.ingress.enabled $v.ingress.grpc.enabled (eq $v.ingress.host $v.ingress.grpc.host) -}}
{{- include "smile-relay.refuse" "ingress.host and ingress.grpc.host are the same: webhooks and gRPC need names of their own, as the proxy speaks to each in another way." -}}
{{- end -}}
{{- if and (or $v.ingress.enabled $v.gateway.enabled) (not $v.service.public.enabled) -}}
{{- include "smile-relay.refuse" "service.public.enabled: false, and ingress or gateway would lead to that Service: set it to true." -}}
{{- end -}}
{{- if and (or $v.ingress.grpc.enabled $v.gateway.grpc.enabled) (not (include "smile-relay.grpcBeyondPod" .)) -}}
{{- include "smile-relay.refuse" "ingress.grpc or gateway.grpc is enabled, and gRPC stays in the pod: set grpc.beyondPod: true." -}}
{{- end -}}
{{- if $v.gateway.enabled -}}
{{- include "smile-relay.check.route" (dict "at" "gateway" "kind" $v.gateway.kind "parents" $v.gateway.parentRefs "hostnames" $v.gateway.hostnames "tls" (not $v.public.behindTlsProxy) "plain" "public.behindTlsProxy: true" "backendTls" $v.gateway.backendTls) -}}
{{- end -}}
{{- if $v.gateway.grpc.enabled -}}
{{- include "smile-relay.check.route" (dict "at" "gateway.grpc" "kind" $v.gateway.grpc.kind "parents" (default $v.gateway.parentRefs $v.gateway.grpc.parentRefs) "hostnames" $v.gateway.grpc.hostnames "tls" (ne $v.grpc.tls.existingSecret "") "plain" "grpc.insecurePlaintext: true" "backendTls" $v.gateway.backendTls) -}}
{{- end -}}
{{- end -}}

{{- define "smile-relay.check.route" -}}
{{- if not .parents }}{{ include "smile-relay.refuse" (printf "%s.parentRefs is empty: name the Gateway, such as [{name: public, namespace: gateways}]." .at) }}{{ end -}}
{{- if and (eq .kind "TLSRoute") (not .hostnames) -}}
{{- include "smile-relay.refuse" (printf "%s.hostnames is empty, and %s.kind: TLSRoute goes by names alone: set it to those that are called, such as [relay.example.com]." .at .at) -}}
{{- end -}}
{{- if and (eq .kind "TLSRoute") (not .tls) -}}
{{- include "smile-relay.refuse" (printf "%s.kind: TLSRoute leaves TLS to the relay, which has no certificate there: use HTTPRoute, or give it one in place of %s." .at .plain) -}}
{{- end -}}
{{- if and (ne .kind "TLSRoute") .tls (not .backendTls.enabled) -}}
{{- include "smile-relay.refuse" (printf "%s.kind: %s ends TLS at the Gateway, which would then speak plaintext to the relay's TLS port: set gateway.backendTls.enabled: true, or kind: TLSRoute, or %s." .at .kind .plain) -}}
{{- end -}}
{{- if and .backendTls.enabled (not .backendTls.hostname) }}{{ include "smile-relay.refuse" "gateway.backendTls.hostname is empty: set it to the name in the relay's certificate." }}{{ end -}}
{{- end -}}

{{- define "smile-relay.check.operation" -}}
{{- $v := .Values -}}
{{- $needed := add $v.drain.delaySeconds $v.drain.timeoutSeconds 5 -}}
{{- if and (eq $v.shape "shared") (lt (int $v.terminationGracePeriodSeconds) (int $needed)) -}}
{{- include "smile-relay.refuse" (printf "terminationGracePeriodSeconds: %v is less than drain.delaySeconds + drain.timeoutSeconds + 5: the relay would be killed while it still finishes. Set it to %v or more." $v.terminationGracePeriodSeconds $needed) -}}
{{- end -}}
{{- if and (eq $v.shape "shared") (not (get $v.endpoints $v.test.endpoint)) -}}
{{- include "smile-relay.refuse" (printf "test.endpoint: %s is not among endpoints: name one of %s." $v.test.endpoint (keys $v.endpoints | sortAlpha | join ", ")) -}}
{{- end -}}
{{- if and (or $v.metrics.serviceMonitor.enabled $v.metrics.podAnnotations) (eq $v.shape "shared") $v.networkPolicy.enabled (not $v.networkPolicy.adminFrom) -}}
{{- include "smile-relay.refuse" "metrics are to be scraped, and networkPolicy.adminFrom lets nobody in: name Prometheus there, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}], or set networkPolicy.enabled: false." -}}
{{- end -}}
{{- if and (or $v.metrics.serviceMonitor.enabled $v.metrics.podAnnotations) (not (include "smile-relay.adminBeyondPod" .)) -}}
{{- include "smile-relay.refuse" "metrics are to be scraped, and the admin port listens on loopback: set admin.beyondPod: true." -}}
{{- end -}}
{{- end -}}
