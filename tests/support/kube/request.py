"""One request as the API understands it: a verb, a resource, an object, and what is asked of it.

Source: "Resource URIs" in the Kubernetes API concepts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from . import errors
from .resources import Object, Resource, Resources

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_TRUE = frozenset({"true", "1", "t", ""})


@dataclass(slots=True)
class ApiRequest:
    """What is asked. ``namespace`` and ``name`` are empty where the path has none; ``body`` is None without one."""

    http: web.Request
    verb: str
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    body: Any = field(default=None)

    @property
    def asked(self) -> str:
        """The resource with its subresource, as rules name it."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural

    @property
    def target(self) -> str:
        """The object's name, be it in the path or in what is to be made."""
        if self.name or not isinstance(self.body, dict):
            return self.name
        metadata = self.body.get("metadata")
        return str((metadata or {}).get("name") or "")

    @property
    def dry_run(self) -> bool:
        """Whether nothing shall be kept of it. Raises :class:`ApiError` 422 for a value that is not known."""
        said = self.text("dryRun") or (self.options().get("dryRun") or [""])[0]
        if said not in ("", "All"):
            message = f'Unsupported value: "{said}": supported values: "All"'
            raise errors.invalid("DeleteOptions", "", [("dryRun", "FieldValueNotSupported", message)])
        return bool(said)

    def text(self, name: str) -> str:
        """A parameter of the query, or an empty text."""
        return self.http.query.get(name, "")

    def number(self, name: str) -> int | None:
        """A parameter that is a whole number, or None. Raises :class:`ApiError` 400 for any other."""
        text = self.text(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError as error:
            raise errors.bad_request(f"{name}: Invalid value: {text!r}: must be a whole number") from error

    def options(self) -> Object:
        """What a deletion is told in its body."""
        return self.body if self.verb in ("delete", "deletecollection") and isinstance(self.body, dict) else {}


async def read_request(http: web.Request, resources: Resources) -> ApiRequest:
    """Understands a request. Raises :class:`ApiError` where nothing is served there or the body is no JSON."""
    request = parse_path(http, resources)
    text = await http.text() if http.can_read_body else ""
    if text:
        try:
            request.body = json.loads(text)
        except json.JSONDecodeError as error:
            raise errors.bad_request(f"the body of the request is no JSON: {error}") from error
    return request


def parse_path(http: web.Request, resources: Resources) -> ApiRequest:
    """As :func:`read_request`, without the body."""
    parts = [part for part in http.path.split("/") if part]
    match parts:
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            raise errors.no_such_path()
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    resource = resources.find(group, version, rest[0])
    name, subresource = [*rest[1:], "", ""][:2]
    if resource is None or len(rest) > 3 or (namespace and not resource.namespaced):
        raise errors.no_such_path()
    if subresource and subresource not in resource.subresources:
        raise errors.no_such_path()
    if resource.plural == "namespaces" and name:
        namespace = name  # so that a right in a namespace is one to see it, as with the real server
    return ApiRequest(http, _verb(http, name), resource, namespace, name, subresource)


def _verb(http: web.Request, name: str) -> str:
    if http.method in ("GET", "HEAD"):
        if name:
            return "get"
        watches = "watch" in http.query and http.query["watch"].lower() in _TRUE
        return "watch" if watches else "list"
    verb = _VERBS.get(http.method)
    if verb is None or (verb in ("update", "patch") and not name):
        raise errors.method_not_allowed()
    return "deletecollection" if verb == "delete" and not name else verb
