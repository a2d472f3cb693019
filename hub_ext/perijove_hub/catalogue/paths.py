"""Which paths may stand for an object of a dataset."""

from __future__ import annotations

from perijove.keys import climbs, key_of_path
from perijove_hub.policy.models import ReplicaSpec


class PathError(ValueError):
    """A path that may not be used; the message says why."""


def check_object_path(path: str) -> None:
    """Refuse what could mean something else to a store, a proxy or a URL parser than it means to us.

    Raises:
        PathError: the path is absolute, empty in a part, points upwards, or holds what a key of ours never holds.
    """
    if len(key_of_path(path).encode()) > 1024:
        raise PathError("A path stands for a key of at most 1024 bytes.")
    if any(ord(char) < 32 or ord(char) == 127 or char == "\\" for char in path):
        raise PathError(f"The path {path!r} holds a control character or a backslash.")
    parts = path.removesuffix("/").split("/")
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise PathError(f"The path {path!r} must be relative, without empty parts, `.` or `..`.")


def check_key(path: str, replica: ReplicaSpec) -> None:
    """Refuse what a store that keeps files might look for outside of the prefix: control's own keys may open more.

    Raises:
        PathError: the key has `.` or `..` as a name, and the platform file does not say that the store knows no files.
    """
    if not replica.is_literal and climbs(path):
        raise PathError(
            f"The path {path!r} stands for a key with `.` or `..` as a name, by which some stores leave the dataset: "
            "it is read once the platform file says `literal_keys: true` of this copy."
        )
