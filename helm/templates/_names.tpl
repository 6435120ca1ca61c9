{{/* Names and labels. */}}
{{- define "lensnet.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "lensnet.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "lensnet.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "lensnet.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of one component: (dict "root" $ "component" "scorer") */}}
{{- define "lensnet.componentName" -}}
{{- printf "%s-%s" (include "lensnet.fullname" .root) .component -}}
{{- end -}}

{{- define "lensnet.selectorLabels" -}}
app.kubernetes.io/name: {{ include "lensnet.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "lensnet.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{ include "lensnet.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: lensnet-stream
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Annotations of every object: (dict "root" $ "extra" (dict …)); empty when there are none. */}}
{{- define "lensnet.annotations" -}}
{{- $all := merge (dict) (default (dict) .extra) .root.Values.commonAnnotations -}}
{{- if $all }}
annotations:
  {{- toYaml $all | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "lensnet.serviceAccountName" -}}
{{- $configured := (index .root.Values.serviceAccounts .component) -}}
{{- if $configured.create -}}
{{- default (include "lensnet.componentName" .) $configured.name -}}
{{- else -}}
{{- default "default" $configured.name -}}
{{- end -}}
{{- end -}}

{{/* Image of the workers: (dict "root" $ "gpu" true) */}}
{{- define "lensnet.image" -}}
{{- $image := .root.Values.image -}}
{{- $name := $image.repository -}}
{{- if $image.registry -}}{{- $name = printf "%s/%s" $image.registry $name -}}{{- end -}}
{{- $digest := ternary $image.gpuDigest $image.digest (default false .gpu) -}}
{{- if $digest -}}
{{- printf "%s@%s" $name $digest -}}
{{- else -}}
{{- printf "%s:%s-%s" $name (default .root.Chart.AppVersion $image.tag) (ternary "gpu" "cpu" (default false .gpu)) -}}
{{- end -}}
{{- end -}}
