"""What an object must be to be taken: names, labels, and as much of a pod as mistakes are made in.

Source: ``k8s.io/apimachinery/pkg/util/validation``, whose sentences these are.
"""

from __future__ import annotations

import copy
import re

from .errors import invalid
from .quantities import parse_quantity
from .resources import NAMESPACES, PODS, SERVICES, Object, Resource

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_KEY = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_TOO_LONG = "must be no more than {} characters"
_SAY_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SAY_LABEL_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_SAY_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_SAY_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_SAY_KEY = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_ANNOTATIONS_BYTES = 256 << 10
_SAY_POD_UPDATE = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`, "
    "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to existing "
    "tolerations), `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)

#: A field, the reason and the sentence.
Cause = tuple[str, str, str]


def check_new(resource: Resource, item: Object) -> None:
    """Raises :class:`ApiError` 422 with all that is wrong with an object that is to be made or to replace another."""
    metadata = item["metadata"]
    name = metadata.get("name") or ""
    causes = _name_causes(resource, name) + _label_causes(metadata.get("labels") or {})
    annotations = metadata.get("annotations") or {}
    if sum(len(key) + len(str(value)) for key, value in annotations.items()) > _ANNOTATIONS_BYTES:
        causes.append(
            ("metadata.annotations", "FieldValueTooLong", f"Too long: must have at most {_ANNOTATIONS_BYTES} bytes")
        )
    if resource is PODS:
        causes += _pod_causes(item.get("spec") or {})
    if causes:
        raise invalid(resource.kind, name, causes, group=resource.group)


def check_change(resource: Resource, old: Object, new: Object) -> None:
    """Raises :class:`ApiError` 422 where an update changes what is fixed once it is made."""
    check_new(resource, new)
    if resource is PODS and _fixed(old["spec"]) != _fixed(new["spec"]):
        name = old["metadata"]["name"]
        raise invalid(resource.kind, name, [("spec", "FieldValueForbidden", _SAY_POD_UPDATE)])


def _wrong(field: str, value: str, sentence: str) -> Cause:
    return field, "FieldValueInvalid", f'Invalid value: "{value}": {sentence}'


def _name_causes(resource: Resource, name: str) -> list[Cause]:
    if not name:
        return [("metadata.name", "FieldValueRequired", "Required value: name or generateName is required")]
    form, sentence, most = _SUBDOMAIN, _SAY_SUBDOMAIN, 253
    if resource is NAMESPACES:
        form, sentence, most = _LABEL, _SAY_LABEL, 63
    elif resource is SERVICES:
        form, sentence, most = _LABEL_1035, _SAY_LABEL_1035, 63
    if len(name) > most:
        return [_wrong("metadata.name", name, _TOO_LONG.format(most))]
    return [] if form.fullmatch(name) else [_wrong("metadata.name", name, sentence)]


def _label_causes(labels: dict[str, str]) -> list[Cause]:
    causes = []
    for key, value in labels.items():
        prefix, slash, name = key.rpartition("/")
        if not _KEY.fullmatch(name) or len(name) > 63 or (slash and not _SUBDOMAIN.fullmatch(prefix)):
            causes.append(_wrong("metadata.labels", key, _SAY_KEY))
        if not isinstance(value, str) or len(value) > 63:
            causes.append(_wrong("metadata.labels", str(value), _TOO_LONG.format(63)))
        elif not _VALUE.fullmatch(value):
            causes.append(_wrong("metadata.labels", value, _SAY_VALUE))
    return causes


def _pod_causes(spec: Object) -> list[Cause]:
    if not spec.get("containers"):
        return [("spec.containers", "FieldValueRequired", "Required value")]
    causes = []
    for index, container in enumerate(spec["containers"]):
        where = f"spec.containers[{index}]"
        if not container.get("name"):
            causes.append((f"{where}.name", "FieldValueRequired", "Required value"))
        elif not _LABEL.fullmatch(container["name"]):
            causes.append(_wrong(f"{where}.name", container["name"], _SAY_LABEL))
        if not container.get("image"):
            causes.append((f"{where}.image", "FieldValueRequired", "Required value"))
        causes += _amount_causes(f"{where}.resources", container.get("resources") or {})
    return causes


def _amount_causes(where: str, resources: Object) -> list[Cause]:
    limits, causes = resources.get("limits") or {}, []
    for name, asked in (resources.get("requests") or {}).items():
        if name in limits and parse_quantity(asked) > parse_quantity(limits[name]):
            sentence = f"must be less than or equal to {name} limit of {limits[name]}"
            causes.append(_wrong(f"{where}.requests", str(asked), sentence))
    return causes


def _fixed(spec: Object) -> Object:
    """What may not change in a pod that is there."""
    rest = copy.deepcopy(spec)
    for field in ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"):
        rest.pop(field, None)
    for container in [*(rest.get("containers") or []), *(rest.get("initContainers") or [])]:
        container.pop("image", None)
    return rest
