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

{{- /* Of .image, whose tag is by default the version of the chart. */ -}}
{{- define "portolan.imageName" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "portolan.image" -}}
{{ include "portolan.imageName" (dict "root" . "image" .Values.image) }}
{{- end -}}
