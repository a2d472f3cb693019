"""Errors in the manner of S3 and STS: a code, a sentence, an HTTP status, as XML.

Source: "Error responses" in the Amazon S3 API Reference.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

STATUS_OF = {
    "AccessDenied": 403,
    "BadDigest": 400,
    "BucketAlreadyOwnedByYou": 409,
    "EntityTooSmall": 400,
    "ExpiredToken": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidAction": 400,
    "InvalidArgument": 400,
    "InvalidPart": 400,
    "InvalidRange": 416,
    "InvalidToken": 400,
    "MalformedPolicyDocument": 400,
    "MalformedXML": 400,
    "MethodNotAllowed": 405,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "NotImplemented": 501,
    "PackedPolicyTooLarge": 400,
    "PreconditionFailed": 412,
    "RequestTimeTooSkewed": 403,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "ValidationError": 400,
    "XAmzContentSHA256Mismatch": 400,
}


class S3Error(Exception):
    """An answer that is an error. ``code`` is S3's own; the status follows from it unless given."""

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status if status is not None else STATUS_OF[code]

    def to_xml(self, resource: str) -> str:
        """The body as S3 writes it."""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message>"
            f"<Resource>{escape(resource)}</Resource><RequestId>0</RequestId></Error>"
        )

    def to_sts_xml(self) -> str:
        """The body as STS writes it."""
        return (
            '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
            f"<Code>{self.code}</Code><Message>{escape(self.message)}</Message></Error>"
            "<RequestId>0</RequestId></ErrorResponse>"
        )
