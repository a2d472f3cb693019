"""Errors in the manner of a Kubernetes API: a code, a reason and a sentence, as an object of kind Status.

Sources: "Response status kind" in the Kubernetes API conventions; the sentences are those that
``k8s.io/apimachinery/pkg/api/errors`` makes, because people and programs read them.
"""

from __future__ import annotations

from typing import Any

from .resources import Resource


class ApiError(Exception):
    """An answer that is an error. ``retry_after_seconds`` becomes the header ``Retry-After``."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(f"{code} {reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.retry_after_seconds = retry_after_seconds

    def to_status(self) -> dict[str, Any]:
        """The body as an API server writes it."""
        details = dict(self.details)
        if self.retry_after_seconds is not None:
            details["retryAfterSeconds"] = self.retry_after_seconds
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            **({"details": details} if details else {}),
            "code": self.code,
        }


def _details(resource: Resource, name: str, **more: Any) -> dict[str, Any]:
    group = {"group": resource.group} if resource.group else {}
    return {"name": name, **group, "kind": resource.plural, **more}


def not_found(resource: Resource, name: str) -> ApiError:
    """No object by this name."""
    message = f'{resource.qualified} "{name}" not found'
    return ApiError(404, "NotFound", message, details=_details(resource, name))


def no_such_path() -> ApiError:
    """Nothing is served there."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: Resource, name: str) -> ApiError:
    """An object by this name is there."""
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, details=_details(resource, name))


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    """What the caller took for granted does not hold."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(resource, name))


def stale(resource: Resource, name: str) -> ApiError:
    """Somebody else has written the object since the caller read it."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def unlike(resource: Resource, name: str, field: str, expected: str, found: str) -> ApiError:
    """What is to be deleted is not the object, or not the version, that the caller means."""
    happened = "deleted and then recreated" if field == "UID" else "modified"
    why = (
        f"the {field} in the precondition ({expected}) does not match the {field} in record ({found}). "
        f"The object might have been {happened}"
    )
    message = f'Operation cannot be fulfilled on {resource.kind} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(resource, name))


def other_uid(resource: Resource, name: str, expected: str, found: str) -> ApiError:
    """An object by this name is there, but it is another one."""
    why = f"Precondition failed: UID in precondition: {expected}, UID in object meta: {found}"
    return conflict(resource, name, why)


def forbidden(resource: Resource, name: str, why: str, **details: Any) -> ApiError:
    """Rights, quotas and namespaces that come to an end all speak so."""
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {why}", details=_details(resource, name, **details))


def invalid(kind: str, name: str, causes: list[tuple[str, str, str]], *, group: str = "") -> ApiError:
    """A malformed object. Each cause is the field, the reason (``FieldValueInvalid``) and the sentence."""
    told = [f"{field}: {sentence}" for field, _, sentence in causes]
    shown = told[0] if len(told) == 1 else "[" + ", ".join(told) + "]"
    details = {
        "name": name,
        **({"group": group} if group else {}),
        "kind": kind,
        "causes": [{"reason": reason, "message": sentence, "field": field} for field, reason, sentence in causes],
    }
    qualified = f"{kind}.{group}" if group else kind
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {shown}', details=details)


def bad_request(message: str) -> ApiError:
    """What cannot be understood."""
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    """No token, or one that nobody knows."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def method_not_allowed() -> ApiError:
    """The resource is there but not for this."""
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def expired(version: int, oldest: int) -> ApiError:
    """The log of changes does not reach back so far."""
    return ApiError(410, "Expired", f"too old resource version: {version} ({oldest})")


def too_new(version: int, current: int) -> ApiError:
    """The caller has seen a later version than this server."""
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    return ApiError(504, "Timeout", f"Too large resource version: {version}, current: {current}", details=details)
