{{/* Labels of everything that the chart makes. */}}
{{- define "perijove-site.labels" -}}
app.kubernetes.io/name: perijove-site
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
perijove.io/site: {{ .Values.site | quote }}
{{- end }}

{{/* Whether the hub runs in this cluster. */}}
{{- define "perijove-site.hubIsHere" -}}
{{- with .Values.hub.serviceAccount }}{{ if or .name .namespace }}yes{{ end }}{{ end }}
{{- end }}

{{/* A number of cores with a share more, in thousandths, as Kubernetes counts them: binary fractions of cores it does not. */}}
{{- define "perijove-site.millicores" -}}
{{ mulf (index . 0) 10 (add 100 (index . 1)) | ceil | int64 }}m
{{- end }}

{{/* GiB with a share more, in whole MiB. */}}
{{- define "perijove-site.mebibytes" -}}
{{ divf (mulf (index . 0) 1024 (add 100 (index . 1))) 100 | ceil | int64 }}Mi
{{- end }}

{{/* Values that the schema cannot judge, since it sees one at a time. */}}
{{- define "perijove-site.check" -}}
{{- $account := .Values.hub.serviceAccount }}
{{- if eq .Values.namespace.name .Release.Namespace }}
{{- fail (printf "namespace.name: users' pods need a namespace of their own, and %s is that of this release; install it with another --namespace, such as perijove-site" .Release.Namespace) }}
{{- end }}
{{- if ne (empty $account.name) (empty $account.namespace) }}
{{- fail "hub.serviceAccount: expected both name and namespace, of a hub in this cluster, or none of them" }}
{{- end }}
{{- if and $account.namespace (eq $account.namespace .Values.namespace.name) }}
{{- fail "namespace.name: users' pods need a namespace of their own, and this is the hub's; who creates pods in a namespace can read its Secrets" }}
{{- end }}
{{- if and .Values.network.enabled (eq .Values.connect "pod") (not (include "perijove-site.hubIsHere" .)) (not .Values.network.ingressFrom) }}
{{- fail "network.ingressFrom: with `connect: pod` and a hub outside this cluster, say from which addresses hub and proxy come, as [{ipBlock: {cidr: 192.0.2.0/28}}]" }}
{{- end }}
{{- if and .Values.gatewayApi (ne .Values.connect "ingress") }}
{{- fail "gatewayApi: a Gateway is an edge, and goes with `connect: ingress`" }}
{{- end }}
{{- range $place, $exception := .Values.network.egressTo }}
{{- /* the schema keeps blocks to /8 and smaller: of those, only blocks of 169 can hold 169.254.169.254 */}}
{{- $bits := regexFind "[0-9]+$" $exception.cidr | int }}
{{- if or (hasPrefix "169.254." $exception.cidr) (and (hasPrefix "169." $exception.cidr) (lt $bits 16)) (regexMatch "(?i)^fd00:0?ec2" $exception.cidr) }}
{{- fail (printf "network.egressTo.%d.cidr: %s holds the metadata address, which gives away the node's credentials; name the addresses that are needed" $place $exception.cidr) }}
{{- end }}
{{- end }}
{{- end }}
