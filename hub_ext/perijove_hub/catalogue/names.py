"""Names that catalogues of others give, as names that go into our ids and paths. Pure and reversible."""

from __future__ import annotations

import hashlib
import re

#: The longest part of a dataset's id after the catalogue's.
LOCAL_MAX_CHARS = 200

_ID = re.compile(r"[A-Za-z0-9_-]")
# a path of the tree keeps what is readable and harmless in a path; all else is written as an id writes it
_PATH = re.compile(r"[A-Za-z0-9_.,=+@: -]")
_ESCAPE = re.compile(r"~([0-9a-f]{2})")


def dataset_id(catalogue: str, local: str) -> str:
    """The id of a dataset that a catalogue of others calls ``local``; a name that is too long ends in its digest."""
    escaped = _escape(local, _ID)
    if len(escaped) > LOCAL_MAX_CHARS:
        digest = hashlib.blake2b(local.encode(errors="replace"), digest_size=12).hexdigest()
        escaped = f"{escaped[: LOCAL_MAX_CHARS - 30]}-{digest}"
        # a cut escape would read as another name
        escaped = re.sub(r"~[0-9a-f]?(?=-[0-9a-f]{24}$)", "", escaped)
    return f"{catalogue}.{escaped}"


def path_segment(name: str) -> str:
    """A name as one segment of a path, without anything that a path may not hold; ``~`` when it is empty."""
    escaped = _escape(name, _PATH) or "~"
    if escaped.strip(".") == "":  # dots alone would climb
        escaped = "".join(f"~{byte:02x}" for byte in name.encode())
    return escaped


def segment_name(segment: str) -> str:
    """What :func:`path_segment` made the segment of; what is no escape stays as it is.

    Raises:
        ValueError: the escapes are no UTF-8.
    """
    raw = bytearray()
    end = 0
    for match in _ESCAPE.finditer(segment):
        raw += segment[end : match.start()].encode() + bytes.fromhex(match[1])
        end = match.end()
    return (raw + segment[end:].encode()).decode()


def _escape(name: str, kept: re.Pattern[str]) -> str:
    return "".join(
        char if kept.match(char) else "".join(f"~{byte:02x}" for byte in char.encode(errors="replace")) for char in name
    )
