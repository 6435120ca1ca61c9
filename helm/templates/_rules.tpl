{{/* Labels of one rule's own section in RUNBOOKS.md: (dict "root" $ "name" "LensNetLagGrowing") */}}
{{- define "lensnet.runbook" -}}
{{- $anchor := lower .name -}}
{{- with .root.Values.monitoring.rules.runbookUrl -}}
runbook_url: {{ printf "%s#%s" . $anchor | quote }}
{{- else -}}
runbook: {{ printf "RUNBOOKS.md#%s (in the chart)" $anchor | quote }}
{{- end -}}
{{- end -}}
