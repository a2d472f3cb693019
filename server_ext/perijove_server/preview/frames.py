"""The messages between parent and child: a JSON object and a payload of bytes, each with its length before it.

From parent: ``{"op": "look", ...}`` begins a preview, ``{"op": "bytes", "sizes": [...]}`` answers a read with the
ranges one after the other as payload, ``{"op": "refused", "detail"}`` refuses one. From child: ``{"op": "read",
"ranges": [[start, stop], ...]}``, and in the end ``{"op": "done", "preview": {...}}`` with the picture, if any, as
payload or ``{"op": "problem", "status", "detail"}``.

Of a directory a child asks for ``{"op": "objects", "wanted": [[name, start, stop], ...]}``, answered by ``bytes`` with
a size of -1 for what is not there and -2 for what the budget does not allow, and for ``{"op": "names", "directory"}``,
answered by ``{"op": "names", "names": [...]}``.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

#: Lengths of the JSON and of the payload, as two unsigned 32-bit numbers, most significant byte first.
LENGTHS = struct.Struct(">II")

Message = dict[str, Any]


def pack(message: Message, payload_bytes: int) -> bytes:
    """What goes before a payload of that many bytes."""
    text = json.dumps(message).encode()
    return LENGTHS.pack(len(text), payload_bytes) + text


def send(stream: BinaryIO, message: Message, payload: bytes = b"") -> None:
    """Write one frame (the child's side, blocking)."""
    stream.write(pack(message, len(payload)))
    stream.write(payload)
    stream.flush()


def receive(stream: BinaryIO) -> tuple[Message, bytes] | None:
    """Read one frame (the child's side, blocking); None when the parent has gone."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    text_bytes, payload_bytes = LENGTHS.unpack(lengths)
    message = json.loads(stream.read(text_bytes))
    return message, stream.read(payload_bytes)
