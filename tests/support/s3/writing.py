"""PutObject, DeleteObject and multipart uploads."""

from __future__ import annotations

import hashlib
import secrets
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from aiohttp import web

from .errors import S3Error
from .index import Bucket, BytesBody, StoredObject, object_from_bytes
from .reading import check_conditions
from .request import S3Request, read_body

MIN_PART_BYTES = 5 << 20


@dataclass(slots=True)
class Upload:
    """A multipart upload under way."""

    bucket: str
    key: str
    content_type: str
    metadata: dict[str, str]
    parts: dict[int, StoredObject] = field(default_factory=dict)


class Uploads:
    """All multipart uploads under way, by id."""

    def __init__(self) -> None:
        self._uploads: dict[str, Upload] = {}

    def create(self, request: S3Request) -> web.Response:
        """CreateMultipartUpload."""
        upload_id = secrets.token_hex(16)
        content_type, metadata = _described(request)
        self._uploads[upload_id] = Upload(request.bucket, request.key, content_type, metadata)
        return xml_response(
            f"<InitiateMultipartUploadResult><Bucket>{request.bucket}</Bucket><Key>{escape(request.key)}</Key>"
            f"<UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>"
        )

    async def put_part(self, request: S3Request) -> web.Response:
        """UploadPart."""
        upload = self._find(request)
        number = request.http.query.get("partNumber", "")
        if not number.isdigit() or not 1 <= int(number) <= 10_000:
            raise S3Error("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
        part = object_from_bytes(await read_body(request.http))
        upload.parts[int(number)] = part
        return web.Response(headers={"ETag": f'"{part.etag}"'})

    async def complete(self, request: S3Request, bucket: Bucket) -> web.Response:
        """CompleteMultipartUpload: the parts that the client names, in its order, become the object."""
        upload = self._find(request)
        parts = _named_parts(await read_body(request.http), upload)
        digests = b"".join(bytes.fromhex(part.etag) for part in parts)
        etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}"
        body = BytesBody(b"".join(bytes(part.body.read(0, part.size_bytes)) for part in parts))
        bucket.put(request.key, StoredObject(body, etag, datetime.now(UTC), upload.content_type, upload.metadata))
        del self._uploads[request.http.query["uploadId"]]
        return xml_response(
            f"<CompleteMultipartUploadResult><Bucket>{request.bucket}</Bucket><Key>{escape(request.key)}</Key>"
            f"<ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>"
        )

    def abort(self, request: S3Request) -> web.Response:
        """AbortMultipartUpload."""
        self._find(request)
        del self._uploads[request.http.query["uploadId"]]
        return web.Response(status=204)

    def _find(self, request: S3Request) -> Upload:
        upload = self._uploads.get(request.http.query["uploadId"])
        if upload is None or (upload.bucket, upload.key) != (request.bucket, request.key):
            raise S3Error("NoSuchUpload", "The specified upload does not exist.")
        return upload


async def put_object(request: S3Request, bucket: Bucket) -> web.Response:
    """PutObject, with the conditions that clients use to create or to replace only what they know."""
    check_conditions(request, bucket.get(request.key))
    content_type, metadata = _described(request)
    stored = object_from_bytes(await read_body(request.http), content_type=content_type, metadata=metadata)
    bucket.put(request.key, stored)
    return web.Response(headers={"ETag": f'"{stored.etag}"'})


def xml_response(text: str) -> web.Response:
    """A 200 with XML."""
    return web.Response(content_type="application/xml", text=text)


def _described(request: S3Request) -> tuple[str, dict[str, str]]:
    headers = request.http.headers
    prefix = "x-amz-meta-"
    metadata = {
        name.lower().removeprefix(prefix): text for name, text in headers.items() if name.lower().startswith(prefix)
    }
    return headers.get("Content-Type", "binary/octet-stream"), metadata


def _named_parts(body: bytes, upload: Upload) -> list[StoredObject]:
    try:
        root = ElementTree.fromstring(body)
        named = [
            (int(part.findtext("{*}PartNumber") or ""), (part.findtext("{*}ETag") or "").strip('"'))
            for part in root.findall("{*}Part")
        ]
    except (ElementTree.ParseError, ValueError) as error:
        raise S3Error("MalformedXML", "The XML you provided was not well-formed.") from error
    parts: list[StoredObject] = []
    for number, etag in named:
        part = upload.parts.get(number)
        if part is None or part.etag != etag:
            raise S3Error("InvalidPart", f"Part {number} was not found, or its ETag does not match.")
        parts.append(part)
    if not parts:
        raise S3Error("MalformedXML", "The upload names no part.")
    if any(part.size_bytes < MIN_PART_BYTES for part in parts[:-1]):
        raise S3Error("EntityTooSmall", "A part other than the last is smaller than 5 MiB.")
    return parts
