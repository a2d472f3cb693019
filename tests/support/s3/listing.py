"""ListObjectsV2, ListObjects (V1) and ListBuckets: parameters in, XML out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

from .errors import S3Error
from .index import Bucket, ListPage, list_page

MAX_KEYS = 1000
_XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"


def list_objects_xml(name: str, bucket: Bucket, query: Mapping[str, str]) -> str:
    """The answer to a listing of one bucket, V2 when ``list-type=2``. Raises S3Error for a bad parameter."""
    is_v2 = query.get("list-type") == "2"
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    limit = _max_keys(query)
    page = list_page(bucket, prefix=prefix, delimiter=delimiter, after=_after(query, is_v2=is_v2), limit=limit)
    encode: Callable[[str], str] = _url_encode if query.get("encoding-type") == "url" else escape
    head = [
        ("Name", name),
        ("Prefix", encode(prefix)),
        ("MaxKeys", str(limit)),
        ("IsTruncated", "true" if page.next_after is not None else "false"),
    ]
    if delimiter:
        head.append(("Delimiter", encode(delimiter)))
    if "encoding-type" in query:
        head.append(("EncodingType", "url"))
    head += _v2_fields(page, query, encode) if is_v2 else _v1_fields(page, query, delimiter, encode)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{_XMLNS}">'
        + "".join(f"<{tag}>{text}</{tag}>" for tag, text in head)
        + "".join(_contents(bucket, page.keys, encode))
        + "".join(f"<CommonPrefixes><Prefix>{encode(common)}</Prefix></CommonPrefixes>" for common in page.prefixes)
        + "</ListBucketResult>"
    )


def list_buckets_xml(names: Iterable[str], created: datetime) -> str:
    """The answer to ListBuckets."""
    buckets = "".join(
        f"<Bucket><Name>{name}</Name><CreationDate>{iso(created)}</CreationDate></Bucket>" for name in sorted(names)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<ListAllMyBucketsResult xmlns="{_XMLNS}">'
        f"<Owner><ID>bed</ID></Owner><Buckets>{buckets}</Buckets></ListAllMyBucketsResult>"
    )


def iso(moment: datetime) -> str:
    """A time as S3 writes it in XML."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _v2_fields(page: ListPage, query: Mapping[str, str], encode: Callable[[str], str]) -> list[tuple[str, str]]:
    fields = [("KeyCount", str(len(page.keys) + len(page.prefixes)))]
    if "continuation-token" in query:
        fields.append(("ContinuationToken", escape(query["continuation-token"])))
    if "start-after" in query:
        fields.append(("StartAfter", encode(query["start-after"])))
    if page.next_after is not None:
        fields.append(("NextContinuationToken", base64.urlsafe_b64encode(page.next_after.encode()).decode()))
    return fields


def _v1_fields(
    page: ListPage, query: Mapping[str, str], delimiter: str, encode: Callable[[str], str]
) -> list[tuple[str, str]]:
    fields = [("Marker", encode(query.get("marker", "")))]
    if page.next_after is not None and delimiter:  # S3 says NextMarker only with a delimiter
        fields.append(("NextMarker", encode(page.next_after)))
    return fields


def _contents(bucket: Bucket, keys: Iterable[str], encode: Callable[[str], str]) -> Iterable[str]:
    for key in keys:
        stored = bucket.get(key)
        if stored is None:  # the index and the objects always agree; this is for the type checker
            continue
        yield (
            f"<Contents><Key>{encode(key)}</Key><LastModified>{iso(stored.modified)}</LastModified>"
            f"<ETag>&quot;{stored.etag}&quot;</ETag><Size>{stored.size_bytes}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
        )


def _max_keys(query: Mapping[str, str]) -> int:
    text = query.get("max-keys", str(MAX_KEYS))
    if not text.isascii() or not text.isdigit():
        raise S3Error("InvalidArgument", f"Argument max-keys must be an integer between 0 and {2**31 - 1}.")
    return min(int(text), MAX_KEYS)


def _after(query: Mapping[str, str], *, is_v2: bool) -> str:
    if not is_v2:
        return query.get("marker", "")
    token = query.get("continuation-token")
    if token is None:
        return query.get("start-after", "")
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise S3Error("InvalidArgument", "The continuation token provided is incorrect.") from error


def _url_encode(text: str) -> str:
    return quote_plus(text, safe="/-_.~")  # as real stores do: a space is a plus
