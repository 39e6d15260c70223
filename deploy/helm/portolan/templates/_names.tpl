{{- /* One installation per namespace: the Lease and the authority of data planes have fixed names there, and so has the rest. */ -}}
{{- define "portolan.name" -}}portolan-controller{{- end -}}

{{- /* Of what belongs to no namespace: portolan:NAMESPACE:PART. */ -}}
{{- define "portolan.clusterName" -}}
portolan:{{ .root.Release.Namespace }}:{{ .part }}
{{- end -}}

{{- define "portolan.selector" -}}
app.kubernetes.io/name: portolan
app.kubernetes.io/component: controller
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "portolan.labels" -}}
{{ include "portolan.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "portolan.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}
