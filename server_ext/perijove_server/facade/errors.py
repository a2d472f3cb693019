"""Errors in the manner of S3: a code, a sentence, a status, as XML.

Source: "Error responses", Amazon S3 API reference.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from perijove.errors import (
    BadRequest,
    InvalidPath,
    NotFound,
    NotSupported,
    ObjectChanged,
    PerijoveError,
    Refused,
)

STATUS_OF = {
    "AccessDenied": 403,
    "InternalError": 500,
    "InvalidArgument": 400,
    "InvalidRange": 416,
    "MethodNotAllowed": 405,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NotImplemented": 501,
    "OperationAborted": 409,
    "PreconditionFailed": 412,
    "RequestTimeTooSkewed": 403,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
}


class S3Error(Exception):
    """An answer that is an error; ``size_bytes`` is the object's, where a range is outside of it."""

    def __init__(self, code: str, sentence: str, size_bytes: int | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.size_bytes = size_bytes

    @property
    def status(self) -> int:
        """The HTTP status of the code."""
        return STATUS_OF[self.code]

    def xml(self, resource: str) -> str:
        """The body."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{escape(self.sentence)}</Message>"
            f"<Resource>{escape(resource)}</Resource><RequestId>0</RequestId></Error>"
        )


def as_s3(error: PerijoveError, missing: str) -> S3Error:
    """The error of S3 that says the same; what is not found, or cannot be a name, is ``missing``."""
    match error:
        case NotFound() | InvalidPath():
            code = missing
        case Refused():
            code = "AccessDenied"
        case ObjectChanged():
            code = "OperationAborted"
        case NotSupported():
            code = "NotImplemented"
        case BadRequest():
            code = "InvalidArgument"
        case _:
            code = "ServiceUnavailable"
    return S3Error(code, error.detail)
