{{/*
One stage of the stream as a Deployment. Both stages keep their state in Kafka (offsets; the deduplicator's
groups in the changelog topic), so no pod has an identity or a disk of its own.
(dict "root" $ "component" "scorer" "command" "score" "values" .Values.scorer "autoscaled" true "gpu" false)
*/}}
{{- define "lensnet.stage" -}}
{{- $root := .root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "lensnet.componentName" . }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "lensnet.labels" . | nindent 4 }}
  {{- with (include "lensnet.annotations" (dict "root" $root) | trim) }}
  {{- . | nindent 2 }}
  {{- end }}
spec:
  {{- if not .autoscaled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  # long enough for the startup probe: a broker that is away for minutes fails no roll-out
  progressDeadlineSeconds: {{ add $root.Values.probes.startupSeconds 300 }}
  strategy:
    {{- toYaml .values.strategy | nindent 4 }}
  selector:
    matchLabels:
      {{- include "lensnet.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "lensnet.labels" . | nindent 8 }}
        {{- with .values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        checksum/settings: {{ include "lensnet.settingsDigest" (dict "root" $root "overlay" .values.settings) }}
        {{- with .values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "lensnet.serviceAccountName" . }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ include "lensnet.gracePeriod" (dict "root" $root "overlay" .values.settings) }}
      securityContext:
        {{- include "lensnet.podSecurityContext" . | nindent 8 }}
      {{- with (include "lensnet.placement" . | trim) }}
      {{- . | nindent 6 }}
      {{- end }}
      {{- if .values.topologySpread.enabled }}
      topologySpreadConstraints:
        {{- range .values.topologySpread.topologyKeys }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: {{ $.values.topologySpread.whenUnsatisfiable }}
          labelSelector:
            matchLabels:
              {{- include "lensnet.selectorLabels" $ | nindent 14 }}
        {{- end }}
      {{- end }}
      {{- if .initContainers }}
      initContainers:
        {{- .initContainers | nindent 8 }}
      {{- end }}
      containers:
        {{- include "lensnet.container" (merge (dict "args" (list .command)) .) | nindent 8 }}
          ports:
            - name: metrics
              containerPort: {{ $root.Values.settings.http.port }}
              protocol: TCP
          {{- include "lensnet.probes" . | nindent 10 }}
          volumeMounts:
            {{- include "lensnet.volumeMounts" . | nindent 12 }}
            {{- with .extraMounts }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes:
        {{- include "lensnet.volumes" (merge (dict "configMap" (include "lensnet.componentName" (dict "root" $root "component" "settings"))) .) | nindent 8 }}
        {{- with .extraStageVolumes }}
        {{- . | nindent 8 }}
        {{- end }}
{{- end -}}
