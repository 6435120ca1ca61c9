{{/* What the topics should be like, for their creation and for `helm test`: a JSON list of options. */}}
{{- define "lensnet.topicArguments" -}}
{{- with .Values.topics -}}
{{- list "--partitions" (toString .partitions) "--replication-factor" (toString .replicationFactor) "--min-insync-replicas" (toString .minInsyncReplicas) "--retention-days" (toString .retentionDays) | toJson -}}
{{- end -}}
{{- end -}}

{{/*
Pod of a command that runs to its end.
(dict "root" $ "component" "balance" "command" "tools" "values" .Values.balance "gpu" false "args" (list …)
      "podAnnotations" (dict …) "extraMounts" "…" "extraJobVolumes" "…")
*/}}
{{- define "lensnet.jobPod" -}}
metadata:
  labels:
    {{- include "lensnet.labels" . | nindent 4 }}
    {{- with .values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ include "lensnet.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- include "lensnet.podSecurityContext" . | nindent 4 }}
  {{- with (include "lensnet.placement" . | trim) }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with .initContainers }}
  initContainers:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    {{- include "lensnet.container" . | nindent 4 }}
      volumeMounts:
        {{- include "lensnet.volumeMounts" . | nindent 8 }}
        {{- with .extraMounts }}
        {{- . | nindent 8 }}
        {{- end }}
  volumes:
    {{- include "lensnet.volumes" . | nindent 4 }}
    {{- with .extraJobVolumes }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}
