"""Messages between control and the process that reads VOTables for it: JSON and bytes, each with its length before it.

Never pickle: what comes from that process may have been written by whoever wrote the table.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from typing import Any

_LENGTHS = struct.Struct("!II")


def send(sock: socket.socket, message: dict[str, Any], payload: bytes = b"") -> None:
    """Send a message.

    Raises:
        OSError: the other side is gone, or does not take it in time.
    """
    text = json.dumps(message).encode()
    sock.sendall(_LENGTHS.pack(len(text), len(payload)) + text)
    sock.sendall(payload)


def receive(sock: socket.socket, most_bytes: int, before: Callable[[], None] = lambda: None) -> tuple[bytes, bytes]:
    """The JSON text and the bytes of the next message.

    Args:
        sock: where it comes from.
        most_bytes: what each part may have.
        before: called before each wait.

    Raises:
        EOFError: the other side has closed.
        ValueError: a part is too long.
        OSError: it does not come in time.
    """
    lengths = _LENGTHS.unpack(_exactly(sock, _LENGTHS.size, before))
    if max(lengths) > most_bytes:
        raise ValueError("a message is too long")
    text, payload = (_exactly(sock, length, before) for length in lengths)
    return text, payload


def _exactly(sock: socket.socket, wanted: int, before: Callable[[], None]) -> bytes:
    found = bytearray()
    while len(found) < wanted:
        before()
        part = sock.recv(min(wanted - len(found), 1 << 20))
        if not part:
            raise EOFError
        found += part
    return bytes(found)
