{{/*
The worker's settings as TOML. JSON's scalars and arrays of scalars are TOML too; null means "not set".
(dict "value" MAP "path" "kafka.properties")
*/}}
{{- define "lensnet.toml" -}}
{{- $path := .path -}}
{{- range $key, $value := .value }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ $key | quote }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- range $key, $value := .value }}
{{- if and (kindIs "map" $value) $value }}
{{- $here := ternary ($key | quote) (printf "%s.%s" $path ($key | quote)) (eq $path "") }}
{{- $body := include "lensnet.toml" (dict "value" $value "path" $here) }}
{{- if trim $body }}

[{{ $here }}]
{{- $body }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Settings of one command: the common ones, what the chart itself decides, and the stage's overlay. */}}
{{- define "lensnet.settings" -}}
{{- $root := .root -}}
{{- $settings := deepCopy $root.Values.settings -}}
{{- $kafka := $root.Values.kafka -}}
{{- $properties := dict -}}
{{- $secretFiles := dict -}}
{{- if and $kafka.tls.enabled $kafka.sasl.existingSecret -}}
{{- $_ := set $properties "security.protocol" "SASL_SSL" -}}
{{- else if $kafka.tls.enabled -}}
{{- $_ := set $properties "security.protocol" "SSL" -}}
{{- else if $kafka.sasl.existingSecret -}}
{{- $_ := set $properties "security.protocol" "SASL_PLAINTEXT" -}}
{{- end -}}
{{- with $kafka.sasl -}}
{{- if .existingSecret -}}
{{- $_ := set $properties "sasl.mechanism" .mechanism -}}
{{- $_ := set $secretFiles "sasl.password" (printf "/run/secrets/kafka-sasl/%s" .passwordKey) -}}
{{- if .usernameKey -}}
{{- $_ := set $secretFiles "sasl.username" (printf "/run/secrets/kafka-sasl/%s" .usernameKey) -}}
{{- else -}}
{{- $_ := set $properties "sasl.username" .username -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $kafka.tls -}}
{{- if and .enabled .existingSecret -}}
{{- if .caKey -}}{{- $_ := set $properties "ssl.ca.location" (printf "/run/secrets/kafka-tls/%s" .caKey) -}}{{- end -}}
{{- if .certificateKey -}}
{{- $_ := set $properties "ssl.certificate.location" (printf "/run/secrets/kafka-tls/%s" .certificateKey) -}}
{{- $_ := set $properties "ssl.key.location" (printf "/run/secrets/kafka-tls/%s" .privateKeyKey) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $chartOwned := dict "kafka" (dict "properties" $properties "secret_files" $secretFiles) -}}
{{- if $root.Values.registry.existingSecret -}}
{{- $_ := set $chartOwned "registry" (dict "password_file" (printf "/run/secrets/registry/%s" $root.Values.registry.passwordKey)) -}}
{{- end -}}
{{- if eq .command "score" -}}
{{- if ne $root.Values.model.source "image" -}}
{{- $_ := set $chartOwned "bundle" (include "lensnet.bundlePath" $root) -}}
{{- end -}}
{{- if $root.Values.model.sha256 -}}
{{- $_ := set $chartOwned "bundle_sha256" $root.Values.model.sha256 -}}
{{- end -}}
{{- if $root.Values.scorer.gpu.enabled -}}
{{- $_ := set $chartOwned "inference" (dict "provider" "cuda") -}}
{{- end -}}
{{- end -}}
{{- $merged := mustMergeOverwrite $settings (default (dict) .overlay) $chartOwned -}}
{{- include "lensnet.toml" (dict "value" $merged "path" "") | trim -}}
{{- end -}}

{{/* Where the bundle is inside the scorer: source "image" keeps the one that ships in the package. */}}
{{- define "lensnet.bundlePath" -}}
{{- $path := .Values.model.path | trimAll "/" -}}
{{- ternary "/models" (printf "/models/%s" $path) (eq $path "") -}}
{{- end -}}

{{/*
Digest of what needs a restart. The rules are left out: workers watch their settings file and take new
rules without one.
*/}}
{{- define "lensnet.settingsDigest" -}}
{{- $plain := deepCopy .root.Values.settings -}}
{{- $_ := unset $plain "rules" -}}
{{- list $plain .overlay .root.Values.kafka .root.Values.registry .root.Values.model | toJson | sha256sum -}}
{{- end -}}

{{/* Time in which a stop is finished by itself, and some seconds for the kubelet. */}}
{{- define "lensnet.gracePeriod" -}}
{{- $loop := mergeOverwrite (deepCopy .root.Values.settings.loop) (dig "loop" (dict) (default (dict) .overlay)) -}}
{{- add (ceil $loop.drain_timeout_s) 10 -}}
{{- end -}}
