"""Label and field selectors, in both of their syntaxes, as a test that an object passes or not.

Source: "Labels and Selectors" and "Field Selectors" in the Kubernetes documentation.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .errors import ApiError, bad_request
from .resources import Object, Resource

Test = Callable[[Object], bool]
_TERMS = re.compile(r"(?:[^,(]|\([^)]*\))+")
_SET = re.compile(r"(\S+)\s+(in|notin)\s*\(([^)]*)\)")
_EQUAL = re.compile(r"([^\s=!]+)\s*(==|=|!=)\s*(\S*)")
_EXISTS = re.compile(r"(!?)\s*([A-Za-z0-9][-A-Za-z0-9_./]*)")

#: What may be asked of each resource beside its name and namespace.
_FIELDS: dict[str, frozenset[str]] = {
    "pods": frozenset(
        {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase"}
        | {"status.podIP", "status.nominatedNodeName"}
    ),
    "events": frozenset(
        {f"involvedObject.{field}" for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion")}
        | {"involvedObject.fieldPath", "reason", "reportingComponent", "source", "type"}
    ),
    "secrets": frozenset({"type"}),
    "namespaces": frozenset({"status.phase"}),
    "nodes": frozenset({"spec.unschedulable"}),
}


def passes(resource: Resource, labels: str, fields: str) -> Test:
    """A test of both selectors. Raises :class:`ApiError` 400 where one cannot be understood."""
    label_terms = [_label_term(term.strip()) for term in _TERMS.findall(labels) if term.strip()]
    field_terms = [_field_term(resource, term, labels, fields) for term in fields.split(",") if term]

    def test(item: Object) -> bool:
        own = item["metadata"].get("labels") or {}
        return all(term(own) for term in label_terms) and all(term(item) for term in field_terms)

    return test


def _label_term(term: str) -> Callable[[dict[str, str]], bool]:
    if found := _SET.fullmatch(term):
        key, operator, listed = found.groups()
        values = {value.strip() for value in listed.split(",")}
        if operator == "in":
            return lambda own: key in own and own[key] in values
        return lambda own: own.get(key) not in values if key in own else True
    if found := _EQUAL.fullmatch(term):
        key, operator, value = found.groups()
        if operator == "!=":
            return lambda own: own.get(key) != value
        return lambda own: own.get(key) == value
    if found := _EXISTS.fullmatch(term):
        absent, key = found.groups()
        return lambda own: (key not in own) if absent else (key in own)
    raise bad_request(f"unable to parse requirement: found '{term}', expected: a key, '=', '!=', 'in' or 'notin'")


def _field_term(resource: Resource, term: str, labels: str, fields: str) -> Test:
    found = _EQUAL.fullmatch(term.strip())
    if not found:
        raise bad_request(f"invalid selector: '{fields}'; can't understand '{term}'")
    path, operator, value = found.groups()
    if path not in {"metadata.name", "metadata.namespace"} | _FIELDS.get(resource.plural, frozenset()):
        raise _unsupported(resource, path, labels, fields)
    keys = ["source", "component"] if (resource.plural, path) == ("events", "source") else path.split(".")

    def test(item: Object) -> bool:
        said: object = item
        for key in keys:
            said = said.get(key) if isinstance(said, dict) else None
        return (_text(said) == value) is (operator != "!=")

    return test


def _text(said: object) -> str:
    if isinstance(said, bool):
        return str(said).lower()
    return "" if said is None else str(said)


def _unsupported(resource: Resource, path: str, labels: str, fields: str) -> ApiError:
    where = f"{resource.group}/{resource.version}, Resource={resource.plural}"
    return bad_request(
        f'Unable to find "{where}" that match label selector "{labels}", field selector "{fields}": '
        f"field label not supported: {path}"
    )
