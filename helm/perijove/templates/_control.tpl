{{- define "perijove.controlContainer" -}}
- name: control
  image: {{ include "perijove.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [perijove]
  args:
    - control
    - --platform=/etc/perijove/platform/perijove.yaml
    - --database=$(PERIJOVE_DATABASE)
    - --secrets-dir=/etc/perijove/secrets
    - --address=0.0.0.0
    - --port=8010
    - --metrics-address=0.0.0.0
    - --metrics-port={{ .Values.metrics.port }}
  env:
    {{- include "perijove.hubEnv" (list . "perijove") | nindent 4 }}
    - {name: JUPYTERHUB_CLIENT_ID, value: service-perijove}
    - {name: JUPYTERHUB_SERVICE_PREFIX, value: /services/perijove/}
    {{- include "perijove.databaseEnv" . | nindent 4 }}
  ports:
    - {name: http, containerPort: 8010, protocol: TCP}
    - {name: metrics, containerPort: {{ .Values.metrics.port }}, protocol: TCP}
  # it migrates the tables before it serves, where no Job has done so
  startupProbe:
    httpGet: {path: /services/perijove/api/v1/health, port: http}
    periodSeconds: 3
    timeoutSeconds: 5
    failureThreshold: {{ div (add .Values.migrations.timeoutSeconds 2) 3 }}
  # the health of the whole, the ledger included: without it nobody is sent here
  readinessProbe:
    httpGet: {path: /services/perijove/api/v1/health, port: http}
    periodSeconds: 5
    timeoutSeconds: 6
    failureThreshold: 2
  # of the process alone: a database that is away is no reason to start anew, and it would not come back by it
  livenessProbe:
    tcpSocket: {port: http}
    periodSeconds: 20
    timeoutSeconds: 5
    failureThreshold: 3
  lifecycle:
    # until proxy and hub have heard that it goes; what comes meanwhile is answered
    preStop: {exec: {command: [sleep, "5"]}}
  {{- include "perijove.containerSecurity" . | nindent 2 }}
  resources:
    {{- toYaml .Values.control.resources | nindent 4 }}
  volumeMounts:
    - {name: platform, mountPath: /etc/perijove/platform, readOnly: true}
    - {name: secrets, mountPath: /etc/perijove/secrets, readOnly: true}
    - {name: temporary, mountPath: /tmp}
    {{- if include "perijove.isSqlite" . }}
    - {name: ledger, mountPath: /var/lib/perijove}
    {{- end }}
{{- end }}

{{- define "perijove.controllerContainer" -}}
- name: controller
  image: {{ include "perijove.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [perijove]
  args:
    - controller
    - --platform=/etc/perijove/platform/perijove.yaml
    - --database=$(PERIJOVE_DATABASE)
    - --metrics-address=0.0.0.0
    {{- /* in one pod with control there is one port for each */}}
    - --metrics-port={{ include "perijove.controllerMetricsPort" . }}
  env:
    {{- include "perijove.hubEnv" (list . "perijove-controller") | nindent 4 }}
    {{- include "perijove.databaseEnv" . | nindent 4 }}
  ports:
    - {name: of-controller, containerPort: {{ include "perijove.controllerMetricsPort" . }}, protocol: TCP}
  startupProbe:
    httpGet: {path: /metrics, port: of-controller}
    periodSeconds: 3
    timeoutSeconds: 5
    failureThreshold: {{ div (add .Values.migrations.timeoutSeconds 2) 3 }}
  livenessProbe:
    httpGet: {path: /metrics, port: of-controller}
    periodSeconds: 20
    timeoutSeconds: 10
    failureThreshold: 3
  readinessProbe:
    httpGet: {path: /metrics, port: of-controller}
    periodSeconds: 20
    timeoutSeconds: 10
  {{- include "perijove.containerSecurity" . | nindent 2 }}
  resources:
    {{- toYaml .Values.controller.resources | nindent 4 }}
  volumeMounts:
    - {name: platform, mountPath: /etc/perijove/platform, readOnly: true}
    - {name: temporary, mountPath: /tmp}
    {{- if include "perijove.isSqlite" . }}
    - {name: ledger, mountPath: /var/lib/perijove}
    {{- end }}
{{- end }}

{{- define "perijove.controllerMetricsPort" -}}
{{ if include "perijove.isSqlite" . }}{{ add .Values.metrics.port 1 }}{{ else }}{{ .Values.metrics.port }}{{ end }}
{{- end }}

{{/* Volumes that both have. */}}
{{- define "perijove.volumes" -}}
- name: platform
  configMap: {name: perijove-platform}
- name: temporary
  emptyDir: {sizeLimit: 256Mi}
{{- end }}
