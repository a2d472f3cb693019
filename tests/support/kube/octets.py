"""Which of the networks ``127.N.0.0/16`` a bed gives to its pods: no two beds of a machine have the same.

Who holds a network listens in it at a fixed address; so it is free again when its holder has ended, however that ended.
"""

from __future__ import annotations

import contextlib
import random
import socket
from dataclasses import dataclass

_FIRST, _LAST = 16, 250
_PORT = 6443


@dataclass(slots=True)
class Octet:
    """A network that is taken."""

    number: int
    _held: socket.socket

    def free(self) -> None:
        """Others may have it."""
        self._held.close()


def take_octet() -> Octet:
    """A network that nobody has. Raises RuntimeError when there is none."""
    numbers = list(range(_FIRST, _LAST))
    random.shuffle(numbers)
    for number in numbers:
        held = socket.socket()
        with contextlib.suppress(OSError):
            held.bind((f"127.{number}.255.254", _PORT))
            held.listen(1)
            return Octet(number, held)
        held.close()
    raise RuntimeError(f"no network 127.{_FIRST}-{_LAST}.0.0/16 is free for pods: too many beds run at once")
