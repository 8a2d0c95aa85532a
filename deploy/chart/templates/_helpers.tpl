{{- define "cds.name" -}}
{{- if contains .Chart.Name .Release.Name -}}{{ .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 53 | trimSuffix "-" }}{{- end -}}
{{- end }}

{{- define "cds.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "cds.labels" -}}
{{ include "cds.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "cds.image" -}}
{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "cds.secret" -}}
{{ .Values.secret.existing | default (include "cds.name" .) }}
{{- end }}

{{- /* The pause, the longest request, the 5 seconds that a server process has beyond it, and 5 to spare. */ -}}
{{- define "cds.grace" -}}
{{ add .Values.preStopSeconds (.Values.settings.CDS_REQUEST_DEADLINE | default 10 | float64 | ceil | int) 10 }}
{{- end }}

{{- /* A whole number of YAML would become 8.388608e+06. */ -}}
{{- define "cds.written" -}}
{{- if kindIs "float64" . }}{{ if eq . (floor .) }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end }}{{ else }}{{ . }}{{ end -}}
{{- end }}
