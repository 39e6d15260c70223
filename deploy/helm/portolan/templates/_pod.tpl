{{- /* The Pod of the controller, in either mode. */ -}}
{{- define "portolan.pod" -}}
{{- $provisioned := eq .Values.mode "provisioned" -}}
{{- $envoy := and (not $provisioned) (eq .Values.allInOne.engine "envoy") -}}
{{- $image := ternary .Values.envoyImage .Values.image $envoy -}}
{{- if and $provisioned (eq (int .Values.stream.port) (int .Values.admin.port)) -}}
{{- fail (printf "stream.port and admin.port are both %d: the Pod needs two" (int .Values.admin.port)) -}}
{{- end -}}
{{- $root := and (not $provisioned) .Values.allInOne.lowPorts -}}
{{- $admin := ternary "" .Values.allInOne.adminAddress $provisioned -}}
{{- /* Kubelets ask at the address of the Pod, and know no other by themselves. */ -}}
{{- $asked := ternary $admin "" (has $admin (list "127.0.0.1" "::1")) -}}
metadata:
  labels:
    {{- include "portolan.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ .Values.serviceAccount.name }}
  terminationGracePeriodSeconds: {{ ternary 30 (add .Values.allInOne.drain 10) $provisioned }}
  enableServiceLinks: false
  {{- if not $provisioned }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  securityContext:
    {{- if $root }}
    # Kubernetes gives capabilities to user 0 only; this one has the one that is added below.
    runAsUser: 0
    runAsGroup: 0
    {{- else }}
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    {{- end }}
    seccompProfile: { type: RuntimeDefault }
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: controller
      image: {{ include "portolan.imageName" (dict "root" . "image" $image) | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        {{- include "portolan.arguments" . | nindent 8 }}
        - --admin
        - {{ printf "%s:%v" (ternary (printf "[%s]" $admin) $admin (contains ":" $admin)) .Values.admin.port | quote }}
      env:
        - { name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
        - { name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
        {{- if not $provisioned }}
        - { name: HOST_IP, valueFrom: { fieldRef: { fieldPath: status.hostIP } } }
        {{- end }}
        {{- if $envoy }}
        # The sockets between the controller and its Envoy, and nothing else that would lie in memory.
        - { name: TMPDIR, value: /var/lib/portolan }
        - { name: NODE_DISABLE_COMPILE_CACHE, value: "1" }
        {{- end }}
      ports:
        {{- if $provisioned }}
        - { name: stream, containerPort: {{ .Values.stream.port }}, protocol: TCP }
        {{- end }}
        - { name: admin, containerPort: {{ .Values.admin.port }}, protocol: TCP }
      # Ready: everything was listed once, and what was computed of it is served.
      readinessProbe:
        httpGet: { path: /readyz, port: admin{{ with $asked }}, host: {{ . | quote }}{{ end }} }
        periodSeconds: 3
        timeoutSeconds: 2
        failureThreshold: 2
      # Alive: the loop answers. A cluster that cannot be reached is no reason to begin anew.
      livenessProbe:
        httpGet: { path: /healthz, port: admin{{ with $asked }}, host: {{ . | quote }}{{ end }} }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL]{{ if $root }}, add: [NET_BIND_SERVICE]{{ end }} }
      {{- if $envoy }}
      volumeMounts:
        - { name: sockets, mountPath: /var/lib/portolan }
  volumes:
    - { name: sockets, emptyDir: { medium: Memory } }
      {{- end }}
  {{- if or $provisioned (eq .Values.allInOne.kind "Deployment") }}
  topologySpreadConstraints:
    {{- with .Values.topologySpreadConstraints }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "portolan.selector" $ | nindent 10 }}
    {{- end }}
    {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
{{- end -}}

{{- define "portolan.arguments" -}}
- controller
- --controller-name
- {{ .Values.controllerName | quote }}
{{- if eq .Values.mode "provisioned" }}
- --proxy-image
- {{ include "portolan.image" . | quote }}
{{- if .Values.envoyImage.repository }}
- --envoy-image
- {{ include "portolan.imageName" (dict "root" . "image" .Values.envoyImage) | quote }}
{{- end }}
- --stream-address
- {{ printf ":%v" .Values.stream.port | quote }}
- --advertise
- {{ printf "%s.%s.svc:%v" (include "portolan.name" .) .Release.Namespace .Values.stream.port | quote }}
{{- else }}
{{- with .Values.allInOne }}
- --address-pool
- {{ .addressPool | default "$(HOST_IP)" | quote }}
{{- if eq .engine "envoy" }}
- --engine
- envoy
{{- end }}
- --workers
- {{ .workers | quote }}
- --trusted-hops
- {{ .trustedHops | quote }}
- --drain
- {{ .drain | quote }}
{{- if .accessLog }}
- --access-log
{{- end }}
{{- range $limit, $value := .limits }}
- --limit
- {{ printf "%s=%d" $limit (int64 $value) | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.watch }}
{{- range .namespaces }}
- --namespace
- {{ . | quote }}
{{- end }}
{{- with .namespaceSelector }}
- --namespace-selector
- {{ . | quote }}
{{- end }}
{{- with .selector }}
- --selector
- {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}
