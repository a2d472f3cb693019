"""Which paths may stand for an object of a dataset."""

from __future__ import annotations


class PathError(ValueError):
    """A path that may not be used; the message says why."""


def check_object_path(path: str) -> None:
    """Refuse what could mean something else to a store, a proxy or a URL parser than it means to us.

    Raises:
        PathError: the path is absolute, empty in a part, points upwards, or holds what a key of ours never holds.
    """
    if len(path.encode()) > 1024:
        raise PathError("A path has at most 1024 bytes.")
    if any(ord(char) < 32 or ord(char) == 127 or char == "\\" for char in path):
        raise PathError(f"The path {path!r} holds a control character or a backslash.")
    parts = path.removesuffix("/").split("/")
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise PathError(f"The path {path!r} must be relative, without empty parts, `.` or `..`.")
