"""Pictures that previews have made, kept on disk for whoever looks at the same version of an object in the same way.

A picture is found by the platform, the dataset, the path, the object's strong ETag and size, and the wish; an object
without a strong ETag has no version, and nothing of it is kept. Rights are not kept here: whoever asks has just been
allowed by the store to open the object.

What is read is trusted no more than what a preview process says: it has bounds, its JSON is that of a look, and its
picture a PNG of the size that this says. Whether it tells the truth is another question, which only the owner of a
folder can answer for: see ``docs/decisions/0016``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from .answers import Look, Looked

if TYPE_CHECKING:
    from .service import Wish

#: Part of each key: to be raised when pictures change that the same wish gives.
EDITION = 1
#: An entry of more bytes is none: as much as a preview process may say, and the seal.
ENTRY_MAX_BYTES = 10 << 20
#: Room is made for so large a share of the limit at once, so that the folder is not searched at every picture.
ROOM_SHARE = 8
#: What a file takes on disk at least.
FILE_BYTES = 4096

_SEAL_BYTES = 32
_LENGTH = struct.Struct(">I")
_LOOKED: TypeAdapter[Looked] = TypeAdapter(Look)


@dataclass(frozen=True)
class Overview:
    """A look with a picture, as a preview process made it, and its PNG."""

    made: Looked
    picture: bytes


class Overviews:
    """The folders of one server: ``own`` is read and written, ``published`` only read. Methods do I/O of the disk.

    Args:
        scope: of the platform, so that two of them share nothing.
        budget_bytes: of a preview, on which it depends what is drawn.
        own: where this server keeps what it makes; None: nowhere.
        limit_bytes: of all that is kept there.
        published: what a service of the platform keeps for everybody; None: there is none.
    """

    def __init__(
        self, scope: str, budget_bytes: int, own: Path | None, limit_bytes: int, published: Path | None
    ) -> None:
        self._scope = [scope, str(budget_bytes), str(EDITION), version_of("perijove")]
        self._own = None if own is None or limit_bytes == 0 else _OwnFolder(own, limit_bytes)
        self._published = published

    def key(self, dataset_id: str, version: str, size_bytes: int, wish: Wish) -> bytes:
        """The name of what is kept of a look at an object with the strong ETag ``version``."""
        asked = json.dumps(asdict(wish), sort_keys=True)
        hashed = hashlib.sha256()
        # lengths go in, so that no two keys are written alike
        for part in (*self._scope, dataset_id, version, str(size_bytes), asked):
            raw = part.encode(errors="surrogatepass")
            hashed.update(len(raw).to_bytes(8, "big") + raw)
        return hashed.digest()

    def get(self, key: bytes) -> Overview | None:
        """What is kept, or None."""
        if self._published is not None and is_published(self._published):
            found = _read(self._published, key)
            if found is not None:
                return found
        return None if self._own is None else self._own.get(key)

    def put(self, key: bytes, overview: Overview) -> None:
        """Keep it, if there is room on the disk."""
        if self._own is not None:
            self._own.put(key, overview)


class _OwnFolder:
    """A folder of this account, at most ``limit_bytes``; what was used least lately goes first.

    Nothing here raises because of what is on the disk or because it is full. Processes share the folder without locks:
    files appear and vanish whole.
    """

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._room_bytes = 0

    def get(self, key: bytes) -> Overview | None:
        if not _is_ours(self._directory):
            return None
        path = _path(self._directory, key)
        found = _read(self._directory, key)
        with contextlib.suppress(OSError):
            if found is None:
                path.unlink(missing_ok=True)
            else:
                os.utime(path)  # the time of change is the time of last use
        return found

    def put(self, key: bytes, overview: Overview) -> None:
        raw = _packed(key, overview)
        cost_bytes = _file_bytes(len(raw))
        if cost_bytes > self._limit_bytes // ROOM_SHARE or len(raw) > ENTRY_MAX_BYTES:
            return
        with contextlib.suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(self._directory):
                return
            if cost_bytes > self._room_bytes:
                self._make_room()
            self._room_bytes -= cost_bytes
            # whoever may read the folder may read what is in it
            mode = stat.S_IMODE(self._directory.stat().st_mode) & 0o755
            path = _path(self._directory, key)
            path.parent.mkdir(exist_ok=True)
            path.parent.chmod(mode)  # also where the process's umask is narrower
            _write_whole(path, raw, mode & 0o644)

    def _make_room(self) -> None:
        room_bytes = self._limit_bytes // ROOM_SHARE
        files = sorted((found.st_mtime, _file_bytes(found.st_size), path) for path, found in _files(self._directory))
        total_bytes = sum(size_bytes for _, size_bytes, _ in files)
        for _, size_bytes, path in files:
            if total_bytes <= self._limit_bytes - room_bytes:
                break
            path.unlink(missing_ok=True)
            total_bytes -= size_bytes
        self._room_bytes = room_bytes


def is_published(directory: Path) -> bool:
    """Whether this account cannot have written what is in a folder, nor anybody but its owner.

    That is so where another account owns it and alone may write (so never for root), or where it is mounted for reading
    only.
    """
    try:
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode):
            return False
        if os.statvfs(directory).f_flag & os.ST_RDONLY:
            return True
    except OSError:
        return False
    may_write = found.st_uid == os.geteuid() or os.access(directory, os.W_OK, effective_ids=True)
    return not may_write and not found.st_mode & 0o022


def _is_ours(directory: Path) -> bool:
    """Whether it is this account's, which alone may write there."""
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _path(directory: Path, key: bytes) -> Path:
    name = key.hex()
    return directory / name[:2] / name[2:]


def _packed(key: bytes, overview: Overview) -> bytes:
    said = overview.made.model_dump_json(exclude_unset=True).encode()
    data = _LENGTH.pack(len(said)) + said + overview.picture
    return _sealed(key, data) + data


def _read(directory: Path, key: bytes) -> Overview | None:
    """What a file holds, if it is whole and of this key, and may be shown."""
    try:
        # a pipe in its place would be waited for
        number = os.open(_path(directory, key), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                return None
            raw = file.read(ENTRY_MAX_BYTES + 1)
    except OSError:
        return None
    data = raw[_SEAL_BYTES:]
    if len(raw) > ENTRY_MAX_BYTES or len(data) < _LENGTH.size or raw[:_SEAL_BYTES] != _sealed(key, data):
        return None
    said_bytes = _LENGTH.unpack_from(data)[0]
    said, picture = data[_LENGTH.size : _LENGTH.size + said_bytes], data[_LENGTH.size + said_bytes :]
    try:
        made = _LOOKED.validate_json(said)
    except ValidationError:
        return None
    return Overview(made, picture) if picture and made.goes_with(picture) else None


def _sealed(key: bytes, data: bytes) -> bytes:
    """Against damage and mistaken names; it says nothing of who wrote it."""
    return hashlib.sha256(key + data).digest()


def _file_bytes(size_bytes: int) -> int:
    return -(-size_bytes // FILE_BYTES) * FILE_BYTES


def _files(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All files two floors down, those of writers that died among them. Ones that vanish meanwhile are left out."""
    for path in directory.glob("??/*"):
        with contextlib.suppress(OSError):
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode):
                yield path, found


def _write_whole(path: Path, raw: bytes, mode: int) -> None:
    """Write a file that appears under its name only when it is whole."""
    number, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(raw)
            os.fchmod(number, mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
