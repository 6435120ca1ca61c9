{{/*
The pod that every command runs in, hardened to the restricted Pod Security Standard.
(dict "root" $ "component" "scorer" "values" .Values.scorer)
*/}}
{{- define "lensnet.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "lensnet.containerSecurityContext" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Where pods may run. */}}
{{- define "lensnet.placement" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- $gpu := default (dict) .values.gpu }}
{{- if and $gpu.enabled $gpu.runtimeClassName }}
runtimeClassName: {{ $gpu.runtimeClassName }}
{{- end }}
{{- $nodeSelector := mergeOverwrite (deepCopy (default (dict) .values.nodeSelector)) (ternary (default (dict) $gpu.nodeSelector) (dict) (default false $gpu.enabled)) }}
{{- with $nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $tolerations := concat (default list .values.tolerations) (ternary (default list $gpu.tolerations) list (default false $gpu.enabled)) }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Environment of every command; nothing in it is secret. */}}
{{- define "lensnet.env" -}}
- name: LENSNET_SETTINGS_FILE
  value: /etc/lensnet/settings.toml
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "lensnet.volumeMounts" -}}
- name: settings
  mountPath: /etc/lensnet
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- if .root.Values.kafka.sasl.existingSecret }}
- name: kafka-sasl
  mountPath: /run/secrets/kafka-sasl
  readOnly: true
{{- end }}
{{- if and .root.Values.kafka.tls.enabled .root.Values.kafka.tls.existingSecret }}
- name: kafka-tls
  mountPath: /run/secrets/kafka-tls
  readOnly: true
{{- end }}
{{- if .root.Values.registry.existingSecret }}
- name: registry
  mountPath: /run/secrets/registry
  readOnly: true
{{- end }}
{{- with .values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "lensnet.volumes" -}}
- name: settings
  configMap:
    name: {{ .configMap }}
    items:
      - key: {{ .command }}.toml
        path: settings.toml
- name: tmp
  emptyDir:
    sizeLimit: {{ .root.Values.tmpSizeLimit }}
{{- with .root.Values.kafka.sasl.existingSecret }}
- name: kafka-sasl
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- if and .root.Values.kafka.tls.enabled .root.Values.kafka.tls.existingSecret }}
- name: kafka-tls
  secret:
    secretName: {{ .root.Values.kafka.tls.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- with .root.Values.registry.existingSecret }}
- name: registry
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- with .values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Probes of a stage on the worker's own end points. */}}
{{- define "lensnet.probes" -}}
{{- $probes := .root.Values.probes -}}
startupProbe:
  httpGet: {path: /startupz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: {{ $probes.timeoutSeconds }}
  # the bundle is verified and the broker reached within this time, or the pod is started anew
  failureThreshold: {{ max 1 (ceil (divf $probes.startupSeconds 5)) }}
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 10
  timeoutSeconds: {{ $probes.timeoutSeconds }}
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 5
  timeoutSeconds: {{ $probes.timeoutSeconds }}
  failureThreshold: 2
{{- end -}}

{{/* Requests and limits, with the GPU where one is asked for. */}}
{{- define "lensnet.resources" -}}
{{- $resources := deepCopy .values.resources -}}
{{- $gpu := default (dict) .values.gpu -}}
{{- if $gpu.enabled -}}
{{- $limits := default (dict) $resources.limits -}}
{{- $_ := set $limits $gpu.resource (int $gpu.count) -}}
{{- $_ := set $resources "limits" $limits -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* A container that runs one stream-worker command. */}}
{{- define "lensnet.container" -}}
- name: {{ .component }}
  image: {{ default (include "lensnet.image" (dict "root" .root "gpu" .gpu)) .values.image | quote }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  command: [stream-worker]
  args: {{ toJson .args }}
  env:
    {{- include "lensnet.env" . | nindent 4 }}
  {{- with .values.extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "lensnet.containerSecurityContext" . | nindent 4 }}
  resources:
    {{- include "lensnet.resources" . | nindent 4 }}
{{- end -}}
