"""What a store answers to ListObjectsV2, read with care: the answer is untrusted.

Source: "ListObjectsV2", Amazon S3 API reference.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote_plus
from xml.etree.ElementTree import Element, ParseError, fromstring
from xml.parsers import expat

from .errors import InvalidPath, StoreUnavailable
from .models import TreeEntry
from .paths import check_path

_XMLNS = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_KEY, _LAST_MODIFIED, _SIZE, _ETAG = (f"{_XMLNS}{tag}" for tag in ("Key", "LastModified", "Size", "ETag"))


class _Begun(Exception):
    """The first element has come."""


class ListedObject(NamedTuple):
    """One object of a listing; ``path`` is below the dataset."""

    path: str
    size_bytes: int
    modified: datetime | None
    etag: str | None


@dataclass(frozen=True)
class Listed:
    """One page: objects and directories (paths without a slash at the end), and the store's token of the rest."""

    objects: list[ListedObject]
    directories: list[str]
    token: str | None

    def entries(self) -> list[TreeEntry]:
        """The same as entries of a tree, sorted by name."""
        found: list[dict[str, Any]] = [
            *({"path": path, "type": "directory", "size_bytes": None, "modified": None} for path in self.directories),
            *(
                {"path": each.path, "type": "file", "size_bytes": each.size_bytes, "modified": each.modified}
                for each in self.objects
            ),
        ]
        entries = [TreeEntry.model_validate({"name": row["path"].rsplit("/", 1)[-1], **row}) for row in found]
        return sorted(entries, key=lambda entry: entry.name)


def parse_listing(body: bytes, root: str, store: str) -> Listed:
    """Read a page asked for with ``encoding-type=url``.

    Keys that cannot be paths here, such as those with empty names between slashes, and those outside of ``root`` are
    left out.

    Args:
        body: what the store sent.
        root: the key prefix of the dataset, empty or ending with a slash.
        store: its address, for the sentence.

    Raises:
        StoreUnavailable: it is no listing.
    """
    page = _parsed(body)
    if page is None or page.tag != f"{_XMLNS}ListBucketResult":
        raise StoreUnavailable(f"What answers at {store} is not an object store: it sent no listing.")
    nodes = [_path(_text(node, "Prefix"), root, directory=True) for node in page.iterfind(f"{_XMLNS}CommonPrefixes")]
    token = _text(page, "NextContinuationToken") if _text(page, "IsTruncated") == "true" else ""
    try:
        objects = [_object(node, root) for node in page.iterfind(f"{_XMLNS}Contents")]
    except ValueError:
        raise StoreUnavailable(f"What answers at {store} sent a listing without sizes or dates.") from None
    return Listed([each for each in objects if each], [path for path in nodes if path], token or None)


def _parsed(body: bytes) -> Element | None:
    """What a body holds; None: it is no XML, or declares a document type, with whose entities little can become much.

    The parser in C takes a fifth of the time of defusedxml's, which is in Python. What is looked at before is what
    comes before the first element: no document type can be declared after it.
    """

    def refuse(*_: object) -> None:
        raise ValueError("a document type")

    def begin(*_: object) -> None:
        raise _Begun

    guard = expat.ParserCreate()
    guard.StartDoctypeDeclHandler, guard.StartElementHandler = refuse, begin
    try:
        with suppress(_Begun):
            guard.Parse(body, True)
        return fromstring(body)  # noqa: S314 - what could be declared in it was refused
    except (expat.ExpatError, ParseError, LookupError, ValueError):
        return None


def _object(node: Element, root: str) -> ListedObject | None:
    said = {child.tag: child.text or "" for child in node}
    path = _path(said.get(_KEY, ""), root, directory=False)
    if path is None:
        return None
    return ListedObject(path, int(said.get(_SIZE) or 0), _date(said.get(_LAST_MODIFIED)), said.get(_ETAG) or None)


@lru_cache(maxsize=1024)  # many objects were written in the same second
def _date(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _path(encoded_key: str, root: str, *, directory: bool) -> str | None:
    # stores write a space as `+`, and a plus as %2B; most keys have neither
    key = unquote_plus(encoded_key) if "%" in encoded_key or "+" in encoded_key else encoded_key
    if not key.startswith(root) or key == root:
        return None
    try:
        return check_path(key.removeprefix(root), directory=directory)
    except InvalidPath:
        return None


def _text(node: Element, tag: str) -> str:
    return node.findtext(f"{_XMLNS}{tag}") or ""
