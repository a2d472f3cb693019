"""ListObjectsV2, ListObjects (V1) and ListBuckets: parameters in, XML out.

Source: the pages of these names in the Amazon S3 API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote
from xml.sax.saxutils import escape

from pydantic import ValidationError

from perijove.listed import Listed, ListedObject
from perijove.models import Dataset, PresignListRequest
from perijove.paths import bucket_name

from .errors import S3Error

XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
#: Makes a path of a key, or a key of a path.
Rename = Callable[[str], str]

#: A page of buckets has no more than these.
BUCKETS_MAX = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def list_wish(query: Mapping[str, str], path_of: Rename) -> PresignListRequest:
    """What a listing asks for; the prefix is cut into a directory and the beginning of names in it.

    Args:
        query: of the request.
        path_of: the path of a key.

    Raises:
        S3Error: a parameter is none that can be served.
    """
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    if delimiter not in ("", "/"):
        raise S3Error("NotImplemented", "Listings here know no delimiter but a slash.")
    directory, slash, begins = prefix.rpartition("/")
    path = path_of(directory) if slash else ""
    after = query.get("start-after") or query.get("marker")
    start_after = path_of(after) if after else None
    try:
        limit = min(int(query.get("max-keys") or 1000), 1000)
        return PresignListRequest(
            path=path, begins=begins, limit=max(limit, 1), delimiter="/" if delimiter else "", start_after=start_after
        )
    except (ValidationError, ValueError):
        raise S3Error("InvalidArgument", "The prefix, start-after or max-keys cannot be served.") from None


def objects_xml(
    name: str,
    query: Mapping[str, str],
    wish: PresignListRequest,
    page: Listed,
    cursor: str | None,
    key_of: Rename,
) -> str:
    """The answer to a listing, V2 when ``list-type=2``; ``key_of`` gives the key of a path."""
    objects = [(key_of(each.path), each) for each in page.objects]
    prefixes = [f"{key_of(each)}/" for each in page.directories]
    is_url = query.get("encoding-type") == "url"
    encode: Callable[[str], str] = _url if is_url else escape
    is_v2 = query.get("list-type") == "2"
    fields = [
        ("Name", escape(name)),
        ("Prefix", encode(query.get("prefix", ""))),
        ("MaxKeys", str(wish.limit)),
        ("IsTruncated", "true" if cursor else "false"),
        *([("Delimiter", "/")] if wish.delimiter else []),
        *([("EncodingType", "url")] if is_url else []),
    ]
    if is_v2:
        fields.append(("KeyCount", str(len(page.objects) + len(page.directories))))
        fields += [("ContinuationToken", escape(query["continuation-token"]))] if "continuation-token" in query else []
        fields += [("StartAfter", encode(query["start-after"]))] if "start-after" in query else []
        fields += [("NextContinuationToken", cursor)] if cursor else []
    else:
        last = max((*(key for key, _ in objects), *prefixes), default="")
        fields += [("Marker", encode(query.get("marker", ""))), *([("NextMarker", encode(last))] if cursor else [])]
    return (
        f'{_HEAD}<ListBucketResult xmlns="{XMLNS}">'
        + "".join(f"<{tag}>{text}</{tag}>" for tag, text in fields)
        + "".join(_contents(objects, encode))
        + "".join(f"<CommonPrefixes><Prefix>{encode(each)}</Prefix></CommonPrefixes>" for each in prefixes)
        + "</ListBucketResult>"
    )


def buckets_wish(query: Mapping[str, str]) -> tuple[int, str | None]:
    """How many buckets ListBuckets asks for, and after which token.

    Raises:
        S3Error: it is no number.
    """
    try:
        limit = int(query.get("max-buckets") or BUCKETS_MAX)
    except ValueError:
        limit = 0
    if limit < 1:
        raise S3Error("InvalidArgument", "max-buckets cannot be served.")
    return min(limit, BUCKETS_MAX), query.get("continuation-token")


def buckets_xml(datasets: Iterable[Dataset], query: Mapping[str, str], cursor: str | None) -> str:
    """The answer to ListBuckets: the datasets that can be read. When they were made nobody knows."""
    prefix = query.get("prefix", "")
    names = sorted(bucket_name(each.id) for each in datasets if each.readable)
    names = [name for name in names if name.startswith(prefix)]
    following = f"<ContinuationToken>{escape(cursor)}</ContinuationToken>" if cursor else ""
    said = f"<Prefix>{escape(prefix)}</Prefix>" if prefix else ""
    rows = "".join(f"<Bucket><Name>{name}</Name><CreationDate>{_iso(_EPOCH)}</CreationDate></Bucket>" for name in names)
    return (
        f'{_HEAD}<ListAllMyBucketsResult xmlns="{XMLNS}"><Owner><ID>perijove</ID></Owner>'
        f"<Buckets>{rows}</Buckets>{following}{said}</ListAllMyBucketsResult>"
    )


def location_xml() -> str:
    """The answer to GetBucketLocation: one region for all."""
    return f'{_HEAD}<LocationConstraint xmlns="{XMLNS}"/>'


def _contents(objects: Iterable[tuple[str, ListedObject]], encode: Callable[[str], str]) -> Iterable[str]:
    for key, each in objects:
        etag = f"<ETag>{escape(each.etag)}</ETag>" if each.etag else ""
        yield (
            f"<Contents><Key>{encode(key)}</Key><LastModified>{_iso(each.modified or _EPOCH)}</LastModified>"
            f"{etag}<Size>{each.size_bytes}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )


def _url(text: str) -> str:
    return quote(text, safe="/-_.~")


@lru_cache(maxsize=1024)  # takes longer than all else of a row, and many objects were written in the same second
def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
