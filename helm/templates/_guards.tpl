{{/*
What cannot work is refused while rendering, every fault at once. Only what values.schema.json cannot say is
here: relations between values.
*/}}
{{- define "lensnet.guards" -}}
{{- $v := .Values -}}
{{- $faults := list -}}
{{- if not $v.settings.kafka.bootstrap_servers -}}
{{- $faults = append $faults "settings.kafka.bootstrap_servers is empty: name your brokers, e.g. --set settings.kafka.bootstrap_servers=kafka-bootstrap.kafka:9092" -}}
{{- end -}}
{{- $partitions := int $v.topics.partitions -}}
{{- if and $v.scorer.autoscaling.enabled (gt (int $v.scorer.autoscaling.maxReplicas) $partitions) -}}
{{- $faults = append $faults (printf "scorer.autoscaling.maxReplicas is %d but topics.partitions is %d: more replicas than partitions would idle" (int $v.scorer.autoscaling.maxReplicas) $partitions) -}}
{{- end -}}
{{- if and $v.deduplicator.autoscaling.enabled (gt (int $v.deduplicator.autoscaling.maxReplicas) $partitions) -}}
{{- $faults = append $faults (printf "deduplicator.autoscaling.maxReplicas is %d but topics.partitions is %d: more replicas than partitions would idle" (int $v.deduplicator.autoscaling.maxReplicas) $partitions) -}}
{{- end -}}
{{- range $stage := list "scorer" "deduplicator" -}}
{{- $values := index $v $stage -}}
{{- if and (not $values.autoscaling.enabled) (gt (int $values.replicas) $partitions) -}}
{{- $faults = append $faults (printf "%s.replicas is %d but topics.partitions is %d: more replicas than partitions would idle" $stage (int $values.replicas) $partitions) -}}
{{- end -}}
{{- if and $values.autoscaling.enabled (gt (int $values.autoscaling.minReplicas) (int $values.autoscaling.maxReplicas)) -}}
{{- $faults = append $faults (printf "%s.autoscaling.minReplicas is %d, above maxReplicas %d" $stage (int $values.autoscaling.minReplicas) (int $values.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- with $v.scorer.autoscaling -}}
{{- if and .enabled (gt (int .fallback.replicas) (int .maxReplicas)) -}}
{{- $faults = append $faults (printf "scorer.autoscaling.fallback.replicas is %d, above maxReplicas %d" (int .fallback.replicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if and .enabled $v.kafka.sasl.existingSecret (not .authenticationRef) -}}
{{- $faults = append $faults "scorer.autoscaling.authenticationRef is empty: KEDA reads the lag with credentials of its own where Kafka asks for SASL; name a TriggerAuthentication" -}}
{{- end -}}
{{- end -}}
{{- if gt (int $v.topics.minInsyncReplicas) (int $v.topics.replicationFactor) -}}
{{- $faults = append $faults (printf "topics.minInsyncReplicas is %d, above topics.replicationFactor %d: nothing could be written" (int $v.topics.minInsyncReplicas) (int $v.topics.replicationFactor)) -}}
{{- end -}}
{{- if and (ne $v.model.source "image") (not $v.model.sha256) -}}
{{- $faults = append $faults (printf "model.sha256 is empty: a bundle from %s must be pinned; it is the SHA-256 of its manifest.json (sha256sum manifest.json)" $v.model.source) -}}
{{- end -}}
{{- if and (eq $v.model.source "imageVolume") (not $v.model.imageVolume.reference) -}}
{{- $faults = append $faults "model.imageVolume.reference is empty: name the OCI image that holds the bundle" -}}
{{- end -}}
{{- if and (eq $v.model.source "imageVolume") (semverCompare "<1.35.0-0" .Capabilities.KubeVersion.Version) -}}
{{- $faults = append $faults (printf "model.source imageVolume needs Kubernetes 1.35 or newer, this is %s; take pvc or initContainer" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and (eq $v.model.source "pvc") (not $v.model.pvc.claimName) -}}
{{- $faults = append $faults "model.pvc.claimName is empty: name the claim that holds the bundle" -}}
{{- end -}}
{{- if and (eq $v.model.source "initContainer") (not $v.model.initContainer.image) -}}
{{- $faults = append $faults "model.initContainer.image is empty: name the image that fetches the bundle into $MODEL_DIR" -}}
{{- end -}}
{{- if and $v.kafka.sasl.existingSecret (not $v.kafka.sasl.username) (not $v.kafka.sasl.usernameKey) -}}
{{- $faults = append $faults "kafka.sasl.username and kafka.sasl.usernameKey are both empty: one must name the user" -}}
{{- end -}}
{{- if and $v.kafka.tls.certificateKey (not $v.kafka.tls.privateKeyKey) -}}
{{- $faults = append $faults "kafka.tls.certificateKey is set but kafka.tls.privateKeyKey is not" -}}
{{- end -}}
{{- if and $v.registry.existingSecret (not $v.settings.registry.url) -}}
{{- $faults = append $faults "registry.existingSecret is set but settings.registry.url is not" -}}
{{- end -}}
{{- if and $v.registry.existingSecret (not $v.settings.registry.username) -}}
{{- $faults = append $faults "registry.existingSecret is set but settings.registry.username is not" -}}
{{- end -}}
{{- range $section := list "properties" "consumer_properties" "producer_properties" -}}
{{- $sections := list (index $v.settings.kafka $section) (dig "kafka" $section (dict) $v.scorer.settings) (dig "kafka" $section (dict) $v.deduplicator.settings) -}}
{{- range $properties := $sections -}}
{{- range $name, $_ := $properties -}}
{{- if regexMatch "(?i)passw|passphrase|secret|token|jaas|pem|oauthbearer\\.config|credential|assertion" $name -}}
{{- $faults = append $faults (printf "settings.kafka.%s holds %q, which would put a secret into a ConfigMap; use kafka.sasl or kafka.tls with an existing Secret" $section $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if contains "@" (default "" $v.settings.registry.url) -}}
{{- $faults = append $faults "settings.registry.url holds credentials, which would put a secret into a ConfigMap; use settings.registry.username and registry.existingSecret" -}}
{{- end -}}
{{- if contains "@" (default "" $v.settings.tracing.endpoint) -}}
{{- $faults = append $faults "settings.tracing.endpoint holds credentials, which would put a secret into a ConfigMap; take OTEL_EXPORTER_OTLP_HEADERS from a Secret with extraEnv" -}}
{{- end -}}
{{- if and $v.replay.enabled (not $v.replay.id) -}}
{{- $faults = append $faults "replay.id is empty: it names the replay's own topics and consumer groups" -}}
{{- end -}}
{{- if and $v.replay.enabled (not $v.replay.archive.existingClaim) -}}
{{- $faults = append $faults "replay.archive.existingClaim is empty: name the claim that holds the archive" -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n\nThe values cannot work:\n  - %s\n" (join "\n  - " $faults)) -}}
{{- end -}}
{{- end -}}
