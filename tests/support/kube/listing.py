"""Lists: of which version, which part, and where the next one begins.

Sources: "Resource versions" and "Retrieving large results sets in chunks" in the Kubernetes API concepts.
"""

from __future__ import annotations

import base64
import binascii
import json

from . import errors
from .request import ApiRequest
from .resources import Object
from .selectors import passes
from .store import Store

_MATCHES = ("Exact", "NotOlderThan")


def selected(store: Store, request: ApiRequest) -> list[Object]:
    """The objects as they are now that a request's selectors let through."""
    test = passes(request.resource, request.text("labelSelector"), request.text("fieldSelector"))
    return [item for item in store.items(request.resource, request.namespace) if test(item)]


def list_items(store: Store, request: ApiRequest) -> Object:
    """The answer to a list. Raises :class:`ApiError`."""
    version, start = _asked_version(store, request), 0
    if token := request.text("continue"):
        version, start = _read_token(token)
    if version == store.version:
        items = selected(store, request)
    else:  # as of a version: what a continued list goes on with, and what Exact asks for
        test = passes(request.resource, request.text("labelSelector"), request.text("fieldSelector"))
        items = [item for item in _items_at(store, request, version) if test(item)]
    metadata: Object = {"resourceVersion": str(version)}
    limit = request.number("limit") or 0
    if limit and len(items) > start + limit:
        metadata["continue"] = _write_token(version, start + limit)
        if not request.text("labelSelector") and not request.text("fieldSelector"):
            metadata["remainingItemCount"] = len(items) - start - limit
    return {
        "kind": f"{request.resource.kind}List",
        "apiVersion": request.resource.api_version,
        "metadata": metadata,
        "items": items[start : start + limit] if limit else items[start:],
    }


def _items_at(store: Store, request: ApiRequest, version: int) -> list[Object]:
    try:
        items = store.items_at(request.resource, version)
    except errors.ApiError as error:
        if error.code != 410 or not request.text("continue"):
            raise
        message = (
            "The provided continue parameter is too old to display a consistent list result. You must start a new list "
            "without the continue parameter."
        )
        raise errors.ApiError(410, "Expired", message) from error
    return [item for item in items if request.namespace in ("", item["metadata"].get("namespace"))]


def _asked_version(store: Store, request: ApiRequest) -> int:
    """The version that the list is to be of: this one, unless exactly another is asked for."""
    said, match = request.text("resourceVersion"), request.text("resourceVersionMatch")
    if match and not said:
        raise _bad_match("Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")
    if match and match not in _MATCHES:
        raise _bad_match(f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"')
    if match == "Exact" and said == "0":
        raise _bad_match('Forbidden: resourceVersionMatch "Exact" is forbidden for resourceVersion "0"')
    if not said or said == "0":
        return store.version
    version = parse_version(said)
    if version > store.version:
        raise errors.too_new(version, store.version)
    return version if match == "Exact" else store.version


def _bad_match(sentence: str) -> errors.ApiError:
    cause = ("resourceVersionMatch", "FieldValueForbidden", sentence)
    return errors.invalid("ListOptions", "", [cause], group="meta.k8s.io")


def parse_version(text: str) -> int:
    """A resource version as a number. Raises :class:`ApiError` 400."""
    if not text.isdigit():
        raise errors.bad_request(f'resourceVersion: Invalid value: "{text}": it must be one that this server has given')
    return int(text)


def _write_token(version: int, start: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([version, start]).encode()).decode()


def _read_token(token: str) -> tuple[int, int]:
    try:
        version, start = json.loads(base64.urlsafe_b64decode(token))
        return int(version), int(start)
    except (ValueError, TypeError, binascii.Error) as error:
        raise errors.bad_request("continue key is not valid: expected one that a list has given") from error
