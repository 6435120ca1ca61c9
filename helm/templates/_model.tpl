{{/* The model bundle's way into the scorer. Whatever the way, the worker verifies every file's SHA-256. */}}
{{- define "lensnet.modelVolume" -}}
{{- $model := .Values.model -}}
{{- if eq $model.source "imageVolume" -}}
- name: model
  image:
    reference: {{ $model.imageVolume.reference | quote }}
    pullPolicy: {{ $model.imageVolume.pullPolicy }}
{{- else if eq $model.source "pvc" -}}
- name: model
  persistentVolumeClaim:
    claimName: {{ $model.pvc.claimName }}
    readOnly: true
{{- else if eq $model.source "initContainer" -}}
- name: model
  emptyDir:
    sizeLimit: {{ $model.initContainer.sizeLimit }}
{{- end -}}
{{- end -}}

{{- define "lensnet.modelMount" -}}
{{- if ne .Values.model.source "image" -}}
- name: model
  mountPath: /models
  readOnly: true
{{- if and (eq .Values.model.source "pvc") .Values.model.pvc.subPath }}
  subPath: {{ .Values.model.pvc.subPath }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "lensnet.modelInit" -}}
{{- if eq .Values.model.source "initContainer" -}}
{{- with .Values.model.initContainer -}}
- name: fetch-model
  image: {{ .image | quote }}
  imagePullPolicy: {{ $.Values.image.pullPolicy }}
  {{- with .command }}
  command: {{ toJson . }}
  {{- end }}
  {{- with .args }}
  args: {{ toJson . }}
  {{- end }}
  env:
    - name: MODEL_DIR
      value: /models
    {{- with .extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .extraEnvFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- include "lensnet.containerSecurityContext" $ | nindent 4 }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  volumeMounts:
    - name: model
      mountPath: /models
    - name: tmp
      mountPath: /tmp
{{- end -}}
{{- end -}}
{{- end -}}
