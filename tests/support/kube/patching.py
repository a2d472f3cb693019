"""The three ways to patch an object that clients use.

Merge patches are RFC 7396 and JSON patches RFC 6902. A strategic merge patch knows of each list whether it is replaced
or merged, and by which key; the bed knows that of the lists of :data:`MERGED_BY` and replaces all others, which is
right for what a hub's clients send. Source: "Strategic merge patch" in the Kubernetes documentation.
"""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import jsonpointer

from .errors import ApiError, bad_request
from .resources import Object

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json-patch+json"

#: By which key the items of a list are told apart.
MERGED_BY = {
    "conditions": "type", "containers": "name", "env": "name", "imagePullSecrets": "name", "initContainers": "name",
    "ownerReferences": "uid", "podIPs": "ip", "secrets": "name", "volumeMounts": "mountPath", "volumes": "name",
}  # fmt: skip
#: Lists of plain values that are united.
UNITED = frozenset({"finalizers"})


def patched(item: Object, patch: Any, content_type: str) -> Object:
    """A copy of the object with the patch. Raises :class:`ApiError` where the patch does not fit."""
    match content_type:
        case t if t == JSON:
            return _json_patched(item, patch)
        case t if t in (MERGE, STRATEGIC):
            if not isinstance(patch, dict):
                raise bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}")
            merged = merge(copy.deepcopy(item), patch) if t == MERGE else strategic(copy.deepcopy(item), patch)
            return dict(merged)
    supported = ", ".join((JSON, MERGE, STRATEGIC))
    message = f"the body of the request was in an unknown format - accepted media types include: {supported}"
    raise ApiError(415, "UnsupportedMediaType", message)


def _json_patched(item: Object, patch: Any) -> Object:
    if not isinstance(patch, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        return dict(jsonpatch.apply_patch(item, patch))
    except (jsonpatch.JsonPatchTestFailed, jsonpatch.JsonPatchConflict, jsonpointer.JsonPointerException) as error:
        raise ApiError(
            422, "Invalid", f"the server rejected our request due to an error in our request: {error}"
        ) from error
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(f"the patch is malformed: {error}") from error


def merge(into: Any, patch: Any) -> Any:
    """RFC 7396: objects merge, null deletes, all else is replaced. ``into`` is changed in place."""
    if not isinstance(patch, dict):
        return patch
    result = into if isinstance(into, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def strategic(into: Any, patch: Any) -> Any:
    """As :func:`merge`, but the lists of :data:`MERGED_BY` merge item by item. ``into`` is changed in place."""
    if not isinstance(patch, dict):
        return patch
    result = into if isinstance(into, dict) else {}
    for key, value in patch.items():
        if key.startswith("$"):
            continue  # directives such as $setElementOrder only say how
        if value is None:
            result.pop(key, None)
        elif isinstance(value, list) and isinstance(result.get(key), list) and key in MERGED_BY:
            result[key] = _merged_list(result[key], value, MERGED_BY[key])
        elif isinstance(value, list) and isinstance(result.get(key), list) and key in UNITED:
            result[key] = list(dict.fromkeys([*result[key], *value]))
        else:
            result[key] = strategic(result.get(key), value)
    return result


def _merged_list(items: list[Any], patch: list[Any], key: str) -> list[Any]:
    by_key = {item.get(key): item for item in items}
    for item in patch:
        if item.get("$patch") == "delete":
            by_key.pop(item.get(key), None)
        else:
            by_key[item.get(key)] = strategic(by_key.get(item.get(key)), item)
    return list(by_key.values())
