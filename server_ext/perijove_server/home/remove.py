"""Deletes what is below a home, and nothing else, however the path is written and whatever links lie on the way."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from perijove.errors import BadRequest, InvalidPath, NotFound, PerijoveError, Refused

from .measure import disk_bytes

#: The longest path that Linux takes, in bytes.
PATH_MAX_BYTES = 4096


@dataclass(frozen=True)
class Doomed:
    """Something that is to be deleted: what it takes on the disk, and how many files it holds."""

    path: str
    directory: bool
    size_bytes: int
    files: int


def key_of(path: str) -> str:
    """A path as it goes into a form: names of files are bytes, and forms hold text."""
    return quote(os.fsencode(path), safe="/")


def path_of(key: str) -> str:
    """The path of :func:`key_of`, checked to be one below the home.

    Raises:
        InvalidPath: it is absolute, climbs, is ambiguous or too long.
    """
    path = os.fsdecode(unquote_to_bytes(key))
    if not path or len(os.fsencode(path)) > PATH_MAX_BYTES:
        raise InvalidPath(f"A path must have from 1 to {PATH_MAX_BYTES} bytes.")
    if "\0" in path:
        raise InvalidPath("A path holds a NUL character: no file can have such a name.")
    if any(part in {"", ".", ".."} for part in path.split("/")):
        raise InvalidPath(f"{path[:80]!a} is not a path below the home: it has an empty name, '.' or '..' in it.")
    return path


def outermost(paths: Sequence[str]) -> list[str]:
    """The paths without those that lie below another of them, in their order."""
    given = set(paths)

    def is_inside(path: str) -> bool:
        parts = path.split("/")
        return any("/".join(parts[:count]) in given for count in range(1, len(parts)))

    return [path for path in dict.fromkeys(paths) if not is_inside(path)]


def look_up(home: Path, path: str) -> Doomed:
    """What deleting ``path`` would delete. Takes as long as there are files in it: run it in a thread.

    Raises:
        NotFound: there is no such file.
        Refused: the path leads through a link, to or over another file system, or to what cannot be read.
    """
    with ExitStack() as stack:
        parent, name = _open_parent(home, path, stack)
        return _look_up(home, path, parent, name)


def remove(home: Path, path: str) -> Doomed:
    """Delete ``path`` for good; a link is deleted itself, never what it points to. What was deleted.

    Raises:
        NotFound: there is no such file.
        Refused: see :func:`look_up`, or the system does not let it be deleted; some of a directory may be gone then.
    """
    with ExitStack() as stack:
        parent, name = _open_parent(home, path, stack)
        doomed = _look_up(home, path, parent, name)
        try:
            if doomed.directory:
                shutil.rmtree(name, dir_fd=parent)
            else:
                os.unlink(name, dir_fd=parent)
        except OSError as error:
            raise Refused(f"{shown(path)} cannot be deleted: {error.strerror}.") from error
        return doomed


def shown(path: str) -> str:
    """A path to look at: what is not printable in it, such as a change of direction, is written out."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in path)


def _open_parent(home: Path, path: str, stack: ExitStack) -> tuple[int, str]:
    """The open directory that holds ``path``, and the name in it; every step refuses to follow a link."""
    *parts, name = path.split("/")
    try:
        handle = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, handle)
        for part in parts:
            handle = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
            stack.callback(os.close, handle)
    except OSError as error:
        raise _sentence(path, error) from error
    return handle, name


def _look_up(home: Path, path: str, parent: int, name: str) -> Doomed:
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        device = home.stat().st_dev
        if status.st_dev != device:
            raise Refused(f"{shown(path)} is another file system, not a part of your home.")
        if not stat.S_ISDIR(status.st_mode):
            return Doomed(path, directory=False, size_bytes=_freed_bytes(status), files=1)
        size_bytes, files = disk_bytes(status), 0
        for folder, _, names, handle in os.fwalk(name, dir_fd=parent, onerror=_raise, follow_symlinks=False):
            here = os.fstat(handle)
            if here.st_dev != device:
                raise Refused(f"{shown(path)} holds another file system at {shown(folder)}: it is not deleted.")
            size_bytes += 0 if folder == name else disk_bytes(here)
            size_bytes += sum(_freed_bytes(os.stat(one, dir_fd=handle, follow_symlinks=False)) for one in names)
            files += len(names)
    except PerijoveError:
        raise  # which may be an OSError, too
    except OSError as error:
        raise _sentence(path, error) from error
    except RecursionError as error:
        raise Refused(f"{shown(path)} is too deep to be deleted at once: delete what is further down first.") from error
    return Doomed(path, directory=True, size_bytes=size_bytes, files=files)


def _freed_bytes(status: os.stat_result) -> int:
    """What one name less frees: nothing while the file has another."""
    return disk_bytes(status) if status.st_nlink == 1 else 0


def _raise(error: OSError) -> None:
    raise error


def _sentence(path: str, error: OSError) -> PerijoveError:
    if isinstance(error, FileNotFoundError):
        return NotFound(f"There is no {shown(path)} in your home any more.")
    if isinstance(error, NotADirectoryError) or error.errno == errno.ELOOP:
        return Refused(f"{shown(path)} leads through a link or a file: only what lies in your home itself is deleted.")
    return Refused(f"{shown(path)} cannot be read: {error.strerror}.")


def paths_of(keys: Sequence[str], most: int) -> list[str]:
    """The paths of a form, outermost only.

    Raises:
        BadRequest: there are none, or more than ``most``, or one is not a path below the home.
    """
    if not 0 < len(keys) <= most:
        raise BadRequest(f"{len(keys)} files or directories are ticked: expected from 1 to {most}.")
    return outermost([path_of(key) for key in keys])
