{{/* The relay's configuration file: what the chart knows, and beside it `config`. */}}

{{/* Where files are in the container. All of them come from one projected volume. */}}
{{- define "smile-relay.etc" -}}/etc/smile-relay{{- end -}}
{{- define "smile-relay.dataDir" -}}/var/lib/smile-relay{{- end -}}

{{- define "smile-relay.grpcListen" -}}
{{- if and (eq .Values.shape "sidecar") .Values.grpc.unixSocket.enabled -}}
unix:{{ .Values.grpc.unixSocket.directory }}/grpc.sock
{{- else if include "smile-relay.grpcBeyondPod" . -}}
{{ .Values.bindAddress }}:{{ .Values.grpc.port }}
{{- else -}}
127.0.0.1:{{ .Values.grpc.port }}
{{- end -}}
{{- end -}}

{{- define "smile-relay.relayToml" -}}
{{- $v := .Values -}}
{{- $etc := include "smile-relay.etc" . -}}
{{- $config := dict
  "public-listen" (printf "%s:%v" $v.bindAddress $v.public.port)
  "admin-listen" (printf "%s:%v" (ternary $v.bindAddress "127.0.0.1" (eq (include "smile-relay.adminBeyondPod" .) "true")) $v.admin.port)
  "store" $v.store
  "data-dir" (printf "%s/log" (include "smile-relay.dataDir" .))
  "lock-timeout" (printf "%vs" $v.lockTimeoutSeconds)
  "drain-delay" (printf "%vs" $v.drain.delaySeconds)
  "drain-timeout" (printf "%vs" $v.drain.timeoutSeconds)
-}}
{{- $listen := list (include "smile-relay.grpcListen" .) -}}
{{- if and (eq $v.shape "sidecar") $v.grpc.unixSocket.enabled -}}
{{- $_ := set $config "grpc-unix-mode" $v.grpc.unixSocket.mode -}}
{{- if $v.grpc.beyondPod }}{{ $listen = append $listen (printf "%s:%v" $v.bindAddress $v.grpc.port) }}{{ end -}}
{{- end -}}
{{- $_ := set $config "grpc-listen" $listen -}}
{{- if $v.public.behindTlsProxy -}}
{{- $_ := set $config "insecure-public-http" true -}}
{{- else -}}
{{- $_ := set $config "tls-cert" (printf "%s/tls/tls.crt" $etc) -}}
{{- $_ := set $config "tls-key" (printf "%s/tls/tls.key" $etc) -}}
{{- end -}}
{{- if $v.grpc.tls.existingSecret -}}
{{- $_ := set $config "grpc-tls-cert" (printf "%s/grpc-tls/tls.crt" $etc) -}}
{{- $_ := set $config "grpc-tls-key" (printf "%s/grpc-tls/tls.key" $etc) -}}
{{- end -}}
{{- if $v.grpc.tls.clientCa.existingSecret }}{{ $_ := set $config "grpc-client-ca" (printf "%s/grpc-client-ca/ca.crt" $etc) }}{{ end -}}
{{- if $v.grpc.tokens.existingSecret }}{{ $_ := set $config "grpc-token-file" (printf "%s/grpc-tokens/tokens" $etc) }}{{ end -}}
{{- if $v.grpc.insecurePlaintext }}{{ $_ := set $config "insecure-grpc" true }}{{ end -}}
{{- if $v.grpc.insecureAnonymous }}{{ $_ := set $config "insecure-grpc-anonymous" true }}{{ end -}}
{{- with $v.grpc.webOrigins }}{{ $_ := set $config "grpc-web-origin" . }}{{ end -}}
{{- if include "smile-relay.hasIdentities" . }}{{ $_ := set $config "identities" (printf "%s/identities/identities.toml" $etc) }}{{ end -}}
{{- with $v.public.trustedProxies }}{{ $_ := set $config "trusted-proxy" . }}{{ end -}}
{{- if $v.encryption.existingSecret }}{{ $_ := set $config "encryption-key-file" (include "smile-relay.files" (dict "in" "encryption" "keys" $v.encryption.keys) | fromJsonArray) }}{{ end -}}
{{- with $v.otlp.endpoint }}{{ $_ := set $config "otlp-endpoint" . }}{{ end -}}
{{- if $v.callbacks.existingSecret -}}
{{- $_ := set $config "callback-key-file" (include "smile-relay.files" (dict "in" "callbacks" "keys" $v.callbacks.keys) | fromJsonArray) -}}
{{- with $v.callbacks.origins }}{{ $_ := set $config "callback-origin" . }}{{ end -}}
{{- end -}}
{{- $endpoints := dict -}}
{{- range $name, $endpoint := $v.endpoints -}}
{{- if $endpoint -}}
{{- $keys := $endpoint.keys | default (list "secret") -}}
{{- $settings := dict "secret-files" (include "smile-relay.files" (dict "in" (printf "endpoints/%s" $name) "keys" $keys) | fromJsonArray) -}}
{{- with $endpoint.allowPeers }}{{ $_ := set $settings "allow-peers" . }}{{ end -}}
{{- $_ := set $endpoints $name $settings -}}
{{- end -}}
{{- end -}}
{{- $_ := set $config "endpoints" $endpoints -}}
{{- include "smile-relay.toml" (mergeOverwrite (deepCopy $v.config) $config) -}}
{{- end -}}

{{/* Paths of a Secret's entries, as JSON. */}}
{{- define "smile-relay.files" -}}
{{- $files := list -}}
{{- $in := .in -}}
{{- range .keys }}{{ $files = append $files (printf "%s/%s/%s" (include "smile-relay.etc" nil) $in .) }}{{ end -}}
{{- toJson $files -}}
{{- end -}}

{{- define "smile-relay.identitiesToml" -}}
{{- $config := deepCopy .Values.identities.config -}}
{{- with .Values.identities.kubernetes -}}
{{- if .enabled -}}
{{- $etc := include "smile-relay.etc" nil -}}
{{- $issuer := dict "issuer" .issuer "audiences" (list .audience) "jwks-url" .jwksUrl -}}
{{- if .fromApiServer -}}
{{- $_ := set $issuer "ca-file" (printf "%s/cluster/ca.crt" $etc) -}}
{{- $_ := set $issuer "token-file" (printf "%s/cluster/token" $etc) -}}
{{- end -}}
{{- $_ := set $config "issuers" (merge (dict "kubernetes" $issuer) (get $config "issuers" | default dict)) -}}
{{- end -}}
{{- end -}}
{{- include "smile-relay.toml" $config -}}
{{- end -}}

{{/* The name of the value that sets a key of the relay's file in the chart's stead; nothing if `config` may hold it. */}}
{{- define "smile-relay.ownValue" -}}
{{- get (dict
  "public-listen" "public.port" "tls-cert" "public.tls.existingSecret" "tls-key" "public.tls.existingSecret"
  "insecure-public-http" "public.behindTlsProxy" "tls-self-signed" "public.tls.existingSecret"
  "webhook-secret" "endpoints.smile.existingSecret" "webhook-secret-file" "endpoints.smile.existingSecret"
  "endpoints" "endpoints" "allow-peers" "endpoints.smile.allowPeers" "trusted-proxy" "public.trustedProxies"
  "grpc-listen" "grpc.port, grpc.beyondPod and grpc.unixSocket" "grpc-unix-mode" "grpc.unixSocket.mode"
  "grpc-tls-cert" "grpc.tls.existingSecret" "grpc-tls-key" "grpc.tls.existingSecret"
  "grpc-client-ca" "grpc.tls.clientCa.existingSecret" "grpc-token-file" "grpc.tokens.existingSecret"
  "insecure-grpc" "grpc.insecurePlaintext" "insecure-grpc-anonymous" "grpc.insecureAnonymous"
  "grpc-web-origin" "grpc.webOrigins" "identities" "identities"
  "callback-key-file" "callbacks.existingSecret" "callback-origin" "callbacks.origins"
  "encryption-key-file" "encryption.existingSecret" "otlp-endpoint" "otlp.endpoint"
  "admin-listen" "admin.port" "store" "store" "data-dir" "persistence" "lock-timeout" "lockTimeoutSeconds"
  "drain-delay" "drain.delaySeconds" "drain-timeout" "drain.timeoutSeconds"
) . -}}
{{- end -}}
