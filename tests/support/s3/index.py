"""What the bed keeps: buckets with a byte-sorted key index, and bodies in memory, in files or made up on the fly."""

from __future__ import annotations

import bisect
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

#: All synthetic objects carry one time, so that listings are the same in every run.
SYNTHETIC_MODIFIED = datetime(2026, 1, 1, tzinfo=UTC)


class Body(Protocol):
    """The bytes of one object."""

    @property
    def size_bytes(self) -> int:
        """How many there are."""

    def read(self, start: int, stop: int) -> bytes | memoryview:
        """Bytes ``start`` to ``stop`` (exclusive)."""


@dataclass(frozen=True, slots=True)
class BytesBody:
    """A body in memory."""

    data: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    def read(self, start: int, stop: int) -> memoryview:
        return memoryview(self.data)[start:stop]


@dataclass(frozen=True, slots=True)
class FileBody:
    """A body in a file, read as it is asked for."""

    path: Path
    size_bytes: int

    def read(self, start: int, stop: int) -> bytes:
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), stop - start, start)


@dataclass(frozen=True, slots=True)
class ZeroBody:
    """A body of zeros that takes no memory: for indexes of a million keys."""

    size_bytes: int

    def read(self, start: int, stop: int) -> bytes:
        return bytes(stop - start)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object. ``etag``, without quotes, is the body's MD5, or ``…-N`` where it is not (multipart, synthetic)."""

    body: Body
    etag: str
    modified: datetime
    content_type: str = "binary/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        return self.body.size_bytes


def object_from_bytes(
    data: bytes, *, content_type: str = "binary/octet-stream", metadata: Mapping[str, str] | None = None
) -> StoredObject:
    """An object of these bytes, with their MD5 as its ETag."""
    etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return StoredObject(BytesBody(data), etag, datetime.now(UTC), content_type, metadata or {})


def object_from_file(path: Path) -> StoredObject:
    """An object that reads from a file; its ETag is the file's MD5."""
    with path.open("rb") as file:
        etag = hashlib.file_digest(file, "md5").hexdigest()
    stat = path.stat()
    return StoredObject(FileBody(path, stat.st_size), etag, datetime.fromtimestamp(stat.st_mtime, UTC))


@dataclass(slots=True)
class Bucket:
    """Objects by key, and the keys in order.

    Python orders strings by code point, which is the order of their UTF-8 bytes: S3's order.
    """

    keys: list[str] = field(default_factory=list)
    objects: dict[str, StoredObject | int] = field(default_factory=dict)

    def put(self, key: str, stored: StoredObject) -> None:
        """Adds or replaces one object."""
        if key not in self.objects:
            bisect.insort(self.keys, key)
        self.objects[key] = stored

    def put_many(self, keys: Iterable[str], size_bytes: int) -> None:
        """Adds synthetic objects of ``size_bytes`` zeros each; a million take about a second."""
        self.objects.update(dict.fromkeys(keys, size_bytes))
        self.keys = sorted(self.objects)

    def get(self, key: str) -> StoredObject | None:
        """The object, or None."""
        stored = self.objects.get(key)
        if isinstance(stored, int):  # synthetic: made when looked at, so that a million keys stay small
            etag = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest() + "-1"
            return StoredObject(ZeroBody(stored), etag, SYNTHETIC_MODIFIED)
        return stored

    def delete(self, key: str) -> None:
        """Removes one object; removing what is not there is no error, as in S3."""
        if self.objects.pop(key, None) is not None:
            del self.keys[bisect.bisect_left(self.keys, key)]


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a listing; ``next_after`` is where the following one starts, or None on the last."""

    keys: list[str]
    prefixes: list[str]
    next_after: str | None


def list_page(bucket: Bucket, *, prefix: str, delimiter: str, after: str, limit: int) -> ListPage:
    """At most ``limit`` keys and common prefixes that come after ``after``, in order.

    A common prefix is stepped over with one bisection, so a page costs the same under any number of keys. ``after``
    may be a key or a common prefix; a common prefix that ``after`` is in, or is, is not said again.
    """
    keys = bucket.keys
    index = bisect.bisect_left(keys, prefix)
    if after:
        index = max(index, _first_index_after(keys, prefix, delimiter, after))
    found: list[str] = []
    prefixes: list[str] = []
    last = ""
    while index < len(keys) and keys[index].startswith(prefix):
        if len(found) + len(prefixes) >= limit:
            return ListPage(found, prefixes, last if limit else None)
        key = keys[index]
        common = _common_prefix(key, prefix, delimiter)
        if common is None:
            found.append(key)
            last = key
            index += 1
        else:
            prefixes.append(common)
            last = common
            index = bisect.bisect_left(keys, _successor(common), lo=index)
    return ListPage(found, prefixes, None)


def _first_index_after(keys: list[str], prefix: str, delimiter: str, after: str) -> int:
    common = _common_prefix(after, prefix, delimiter)
    if common is not None:
        return bisect.bisect_left(keys, _successor(common))
    return bisect.bisect_right(keys, after)


def _common_prefix(key: str, prefix: str, delimiter: str) -> str | None:
    if not delimiter or not key.startswith(prefix):
        return None
    position = key.find(delimiter, len(prefix))
    return None if position < 0 else key[: position + len(delimiter)]


def _successor(text: str) -> str:
    """The first string that is after every string starting with ``text``."""
    return text[:-1] + chr(ord(text[-1]) + 1)
