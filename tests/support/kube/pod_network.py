"""The network of a node's pods: which address each has, and how its processes come to be there."""

from __future__ import annotations

import itertools
from typing import Protocol


class PodNetwork(Protocol):
    """Where pods are reached."""

    def new_address(self) -> str:
        """An address for one more pod."""

    async def join(self, address: str) -> list[str]:
        """Makes an address unless it is there; what is put before a command that is to run at it."""

    async def leave(self, address: str) -> None:
        """The pod at an address is gone, with all that ran there."""


class Loopback:
    """Addresses in ``127.OCTET.0.0/16``, which this machine has without being asked: every process may listen there."""

    def __init__(self, octet: int) -> None:
        self._octet = octet
        self._numbers = itertools.count(2)

    def new_address(self) -> str:
        """See :class:`PodNetwork`."""
        number = next(self._numbers)
        return f"127.{self._octet}.{number // 250 % 250}.{number % 250 + 1}"

    async def join(self, address: str) -> list[str]:
        """See :class:`PodNetwork`."""
        return []

    async def leave(self, address: str) -> None:
        """See :class:`PodNetwork`."""
