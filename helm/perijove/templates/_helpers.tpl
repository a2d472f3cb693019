{{/* Labels of everything that the chart makes; of (list $ COMPONENT). */}}
{{- define "perijove.labels" -}}
{{- $ := index . 0 }}
{{- include "perijove.selector" . }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* By which our own objects find the pods of one component; of (list $ COMPONENT). */}}
{{- define "perijove.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: perijove
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* The image of control and controller. */}}
{{- define "perijove.image" -}}
{{ .Values.image.name }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* Whether the ledger is in SQLite: then control and controller share a volume, and so one pod. */}}
{{- define "perijove.isSqlite" -}}
{{ if not .Values.database.existingSecret }}yes{{ end }}
{{- end }}

{{/* Where users' servers find control. */}}
{{- define "perijove.publicControlUrl" -}}
{{- $public := .Values.platform.public_url | default (printf "http://proxy-public.%s" .Release.Namespace) -}}
{{ .Values.publicControlUrl | default (printf "%s/services/perijove" (trimSuffix "/" $public)) }}
{{- end }}

{{/* The Dask Gateway of the hub's own cluster, as the platform file says it. */}}
{{- define "perijove.dask" -}}
{{- dig .Values.daskGateway.site "dask" dict .Values.platform.sites | toYaml }}
{{- end }}

{{/* What every pod of ours is, so that it passes the `restricted` standard. */}}
{{- define "perijove.podSecurity" -}}
# nothing of ours asks the API of Kubernetes: the hub does
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  # may read secrets and write the volume of SQLite
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "perijove.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* The address of the ledger, kept out of the manifests; arguments take it from here. */}}
{{- define "perijove.databaseEnv" -}}
- name: PERIJOVE_DATABASE
  {{- if include "perijove.isSqlite" . }}
  value: sqlite+aiosqlite:////var/lib/perijove/ledger.sqlite
  {{- else }}
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.existingSecret }}
      key: {{ .Values.database.key }}
  {{- end }}
{{- end }}

{{/* How a service of the hub is told where the hub is; of (list $ SERVICE). Its token is zero-to-jupyterhub's to make. */}}
{{- define "perijove.hubEnv" -}}
- {name: JUPYTERHUB_API_URL, value: "http://hub:8081/hub/api"}
- {name: JUPYTERHUB_BASE_URL, value: /}
- name: JUPYTERHUB_API_TOKEN
  valueFrom:
    secretKeyRef:
      name: hub
      key: hub.services.{{ index . 1 }}.apiToken
{{- end }}

{{/* Values that the schema cannot judge: it sees one at a time, and none of other charts. */}}
{{- define "perijove.check" -}}
{{- if not .Values.image.name }}
{{- fail "image.name: name the image of control and controller that you have built and pushed, such as registry.example.org/perijove/services" }}
{{- end }}
{{- if and (gt (int .Values.control.replicas) 1) (include "perijove.isSqlite" .) }}
{{- fail "control.replicas: more than one control needs PostgreSQL; name the Secret with its address in database.existingSecret, or set control.replicas to 1" }}
{{- end }}
{{- if .Values.daskGateway.enabled }}
{{- if not (include "perijove.dask" . | fromYaml).secret }}
{{- fail (printf "daskGateway.site: expected the name of a site below platform.sites that has `dask`, and not %q" .Values.daskGateway.site) }}
{{- end }}
{{- $dask := index .Values "dask-gateway" }}
{{- $images := dict "gateway.image" (dig "gateway" "image" "name" "" $dask) "controller.image" (dig "controller" "image" "name" "" $dask) "gateway.backend.image" (dig "gateway" "backend" "image" "name" "" $dask) }}
{{- range $key, $name := $images }}
{{- /* without one of ours the chart takes Dask Gateway's own */}}
{{- if or (not $name) (hasPrefix "ghcr.io/dask/" $name) }}
{{- fail (printf "dask-gateway.%s: name the image that images/Dockerfile makes as `%s` and you have pushed" $key (ternary "user" "gateway" (eq $key "gateway.backend.image"))) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $site := .Values.platform.sites }}
{{- if and (eq $site.kind "local") (not $.Values.allowLocalSites) }}
{{- fail (printf "platform.sites.%s.kind: sessions of a local site would run in the hub's own pod, beside its Secrets; expected kubernetes, or allowLocalSites for a test" $name) }}
{{- end }}
{{- end }}
{{- if .Values.jupyterhub.enabled }}{{ include "perijove.checkHub" . }}{{ end }}
{{- end }}

{{- define "perijove.checkHub" -}}
{{- $hub := .Values.jupyterhub.hub }}
{{- if not (and $hub.image.name $hub.image.tag) }}
{{- fail "jupyterhub.hub.image: name and tag the image of the hub with perijove[hub,kubernetes] that you have built and pushed" }}
{{- end }}
{{- $authenticator := dig "JupyterHub" "authenticator_class" "" $hub.config }}
{{- if not $authenticator }}
{{- fail "jupyterhub.hub.config.JupyterHub.authenticator_class: say who may log in; zero-to-jupyterhub would let everybody in" }}
{{- end }}
{{- if and (eq $authenticator "dummy") (not (dig "DummyAuthenticator" "password" "" $hub.config)) }}
{{- fail "jupyterhub.hub.config.JupyterHub.authenticator_class: `dummy` lets everybody in under any name; choose another, or set hub.config.DummyAuthenticator.password for a test" }}
{{- end }}
{{- if ne ($hub.baseUrl | default "/") "/" }}
{{- fail "jupyterhub.hub.baseUrl: expected /; control is served at /services/perijove" }}
{{- end }}
{{- if .Values.jupyterhub.fullnameOverride }}
{{- fail "jupyterhub.fullnameOverride: leave it empty; our services find the hub by the plain names of its objects" }}
{{- end }}
{{- if not (contains .Values.hubSecret.name (toJson $hub.extraVolumes)) }}
{{- fail (printf "hubSecret.name: the hub does not mount %s; name it in jupyterhub.hub.extraVolumes, too" .Values.hubSecret.name) }}
{{- end }}
{{- range $name := list "perijove" "perijove-controller" }}
{{- if not (kindIs "map" (get $hub.services $name)) }}
{{- fail (printf "jupyterhub.hub.services: %s is missing; zero-to-jupyterhub makes the token of our service by it" $name) }}
{{- end }}
{{- $given := index $hub.services $name }}
{{- $token := $given.apiToken | default $given.api_token }}
{{- if and $token (or (lt (len $token) 32) (lt (len (uniq (splitList "" $token))) 8) (regexMatch "(?i)change.?me|replace|placeholder|example|<.*>" $token)) }}
{{- fail (printf "jupyterhub.hub.services.%s.apiToken: a placeholder, or short enough to guess; leave it out, and one is made and kept" $name) }}
{{- end }}
{{- end }}
{{- end }}
