"""Blocks of objects on disk, shared by all kernels of one user.

A block is found by the platform, the user, the dataset, the path, the object's version (its strong ETag and size) and
its place, so that nothing else can be taken for it; objects without a strong ETag are not kept. A file holds a digest
of that key and of the bytes: one that is cut, damaged, or lies under another key's name is no hit. The directory is the
user's alone (mode 0700), or there is no cache.

Rights are not kept here: whoever asks for a block has just been allowed by the store to open its object.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from .objects import Version

DEFAULT_BYTES = 2 << 30
#: Room is made for so large a share of the limit at once, so that the directory is not searched at every block.
ROOM_SHARE = 16
#: What a file takes on disk at least.
FILE_BYTES = 4096

_DIGEST_BYTES = 32
#: A version is kept as a block of this length, of no ETag, which no object's are.
_VERSION_BYTES = 512
_VERSION = TypeAdapter(tuple[str, int, datetime | None])


@dataclass(frozen=True)
class BlockKey:
    """The bytes ``start`` up to ``stop`` of one version of one object. ``scope`` tells platform and user."""

    scope: str
    dataset: str
    path: str
    etag: str
    size_bytes: int
    start: int
    stop: int

    def digest(self) -> bytes:
        """A name for it; lengths go in, so that no two keys are written alike."""
        parts = [self.scope, self.dataset, self.path, self.etag, *map(str, (self.size_bytes, self.start, self.stop))]
        hashed = hashlib.sha256()
        for part in parts:
            raw = part.encode(errors="surrogatepass")
            hashed.update(len(raw).to_bytes(8, "big") + raw)
        return hashed.digest()


class BlockCache:
    """Blocks in one directory, at most ``limit_bytes`` of them; what was used least lately goes first.

    Methods do I/O of the disk: call them in a thread. They never raise because of what is on the disk or because it
    is full: then there is no hit. Processes share the directory without locks: files appear and vanish whole.
    """

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._room_bytes = 0

    def get(self, key: BlockKey) -> bytes | None:
        """The block, or None."""
        digest = key.digest()
        path = self._path(digest)
        try:
            if not self._is_ours():
                return None
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                raw = file.read(_DIGEST_BYTES + key.stop - key.start + 1)
            data = raw[_DIGEST_BYTES:]
            if len(data) != key.stop - key.start or raw[:_DIGEST_BYTES] != _sealed(digest, data):
                path.unlink(missing_ok=True)
                return None
            os.utime(path)  # the time of change is the time of last use
        except OSError:
            return None
        return data

    def seems_to_have(self, key: BlockKey) -> bool:
        """Whether a block is there by its name; what :meth:`get` then finds may yet be damaged."""
        return self._path(key.digest()).is_file()

    def put(self, key: BlockKey, data: bytes) -> None:
        """Keep a block, if it is whole and there is room on the disk."""
        cost_bytes = _file_bytes(len(data) + _DIGEST_BYTES)
        if len(data) != key.stop - key.start or cost_bytes > self._limit_bytes // ROOM_SHARE:
            return
        digest = key.digest()
        path = self._path(digest)
        with contextlib.suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._is_ours():
                return
            if cost_bytes > self._room_bytes:
                self._make_room()
            self._room_bytes -= cost_bytes
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _write_whole(path, _sealed(digest, data) + data)

    def recall(self, scope: str, dataset: str, path: str) -> Version | None:
        """The version of an object that was seen last."""
        said = self.get(BlockKey(scope, dataset, path, "", 0, 0, _VERSION_BYTES))
        try:
            return None if said is None else Version(*_VERSION.validate_json(said))
        except ValidationError:
            return None

    def remember(self, scope: str, dataset: str, path: str, version: Version) -> None:
        """Keep which version of an object was seen."""
        said = _VERSION.dump_json((version.etag, version.size_bytes, version.modified)).ljust(_VERSION_BYTES)
        self.put(BlockKey(scope, dataset, path, "", 0, 0, _VERSION_BYTES), said)

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._directory / name[:2] / name[2:]

    def _is_ours(self) -> bool:
        """Whether the directory is there and the user's own; if others may enter it, it is closed to them."""
        found = self._directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return False
        if stat.S_IMODE(found.st_mode) != 0o700:
            self._directory.chmod(0o700)
        return True

    def _make_room(self) -> None:
        room_bytes = self._limit_bytes // ROOM_SHARE
        files = [(found.st_mtime, _file_bytes(found.st_size), path) for path, found in _files(self._directory)]
        total_bytes = sum(size_bytes for _, size_bytes, _ in files)
        for _, size_bytes, path in sorted(files):
            if total_bytes <= self._limit_bytes - room_bytes:
                break
            path.unlink(missing_ok=True)
            total_bytes -= size_bytes
        self._room_bytes = room_bytes


def block_cache() -> BlockCache | None:
    """The cache of this user: below ``XDG_CACHE_HOME`` or ``~/.cache``, in ``perijove/blocks``.

    ``PERIJOVE_CACHE_BYTES`` says how much is kept, 2 GiB unless set; None, no cache, when it is 0 or no number, or
    when there is no home.
    """
    said = os.environ.get("PERIJOVE_CACHE_BYTES", str(DEFAULT_BYTES)).strip()
    limit_bytes = int(said) if said.isdecimal() and len(said) < 20 else 0
    home = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(home if home.startswith("/") else os.path.expanduser("~/.cache"))  # noqa: PTH111 - it raises not
    if limit_bytes == 0 or not base.is_absolute():
        return None
    return BlockCache(base / "perijove" / "blocks", limit_bytes)


def cache_scope(control_url: str) -> str:
    """Whose blocks: two platforms, or two users who share an account of the machine, share no block.

    Workers of a cluster know its lease and not its owner: they share among themselves.
    """
    whose = os.environ.get("JUPYTERHUB_USER") or os.environ.get("PERIJOVE_LEASE_ID", "")
    return f"{control_url}\n{whose}"


def _sealed(digest: bytes, data: bytes) -> bytes:
    return hashlib.sha256(digest + data).digest()


def _file_bytes(size_bytes: int) -> int:
    return -(-size_bytes // FILE_BYTES) * FILE_BYTES


def _files(directory: Path) -> list[tuple[Path, os.stat_result]]:
    """All files two floors down, those of writers that died among them. Ones that vanish meanwhile are left out."""
    files: list[tuple[Path, os.stat_result]] = []
    for path in directory.glob("??/*"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode):
                files.append((path, found))
    return files


def _write_whole(path: Path, raw: bytes) -> None:
    """Write a file that appears under its name only when it is whole."""
    number, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(raw)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
