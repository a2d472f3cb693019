"""One request as the handlers see it: which operation on which object, and its body decoded."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from urllib.parse import unquote

from aiohttp import web

from .errors import S3Error
from .policy import Ask


@dataclass(frozen=True, slots=True)
class S3Request:
    """What a client asks for. ``op`` is the operation's name in the S3 API."""

    http: web.Request
    op: str
    bucket: str
    key: str

    @property
    def byte_range(self) -> str:
        """The Range header, or empty."""
        return self.http.headers.get("Range", "")

    def ask(self) -> Ask:
        """What a policy has to allow."""
        resource = f"{self.bucket}/{self.key}" if self.key else self.bucket
        context: dict[str, str] = {}
        if self.op in ("ListObjects", "ListObjectsV2"):
            context = {
                f"s3:{name}": self.http.query[name] for name in ("prefix", "delimiter") if name in self.http.query
            }
        return Ask(_ACTION_OF[self.op], resource, context)


#: The permission each operation needs.
_ACTION_OF = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateBucket": "s3:CreateBucket",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "GetBucketLocation": "s3:GetBucketLocation",
    "GetObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "ListBuckets": "s3:ListAllMyBuckets",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "UploadPart": "s3:PutObject",
}


def read_request(http: web.Request) -> S3Request:
    """What operation this is. Raises S3Error ``NotImplemented`` for what the bed does not do."""
    bucket, _, key = unquote(http.raw_path.partition("?")[0]).lstrip("/").partition("/")
    return S3Request(http, _operation(http, bucket, key), bucket, key)


def _operation(http: web.Request, bucket: str, key: str) -> str:
    method, query = http.method, http.query
    if not bucket:
        candidates = {"GET": "ListBuckets", "POST": "AssumeRole"}
    elif not key:
        listing = "ListObjectsV2" if query.get("list-type") == "2" else "ListObjects"
        candidates = {
            "GET": "GetBucketLocation" if "location" in query else listing,
            "HEAD": "HeadBucket",
            "PUT": "CreateBucket",
        }
    elif "uploadId" in query:
        candidates = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
    elif "uploads" in query:
        candidates = {"POST": "CreateMultipartUpload"}
    else:
        candidates = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
    if method not in candidates or "X-Amz-Copy-Source" in http.headers:
        raise S3Error("NotImplemented", f"The bed does not do {method} {http.path} with these parameters.")
    return candidates[method]


async def read_body(http: web.Request) -> bytes:
    """The body that the client meant: without ``aws-chunked`` framing, and checked against the hashes it sent."""
    raw = await http.read()
    claimed = http.headers.get("X-Amz-Content-Sha256", "")
    body = _unchunked(raw) if claimed.startswith("STREAMING-") else raw
    if len(claimed) == 64 and hashlib.sha256(raw).hexdigest() != claimed:
        raise S3Error(
            "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match the body."
        )
    digest = http.headers.get("Content-MD5")
    if digest is not None:
        real = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        if digest != real:
            raise S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.")
    return body


def _unchunked(raw: bytes) -> bytes:
    """The chunks of ``aws-chunked``, put together; their signatures and the trailer are not looked at."""
    parts: list[bytes] = []
    position = 0
    while True:
        line_end = raw.find(b"\r\n", position)
        if line_end < 0:
            raise S3Error("IncompleteBody", "The body ends in the middle of a chunk.")
        try:
            size = int(raw[position:line_end].split(b";")[0], 16)
        except ValueError as error:
            raise S3Error("IncompleteBody", "The body holds a chunk without a size.") from error
        if size == 0:
            return b"".join(parts)
        chunk = raw[line_end + 2 : line_end + 2 + size]
        if len(chunk) < size:
            raise S3Error("IncompleteBody", "The body ends in the middle of a chunk.")
        parts.append(chunk)
        position = line_end + 2 + size + 2
