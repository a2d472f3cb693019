"""What becomes of pods, as a test decides it: the ways in which clusters fail those who run on them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .resources import Object


class FateKind(StrEnum):
    """What happens to a pod."""

    #: it finds no node; ``message`` is what the scheduler says
    PENDING = "pending"
    #: its container begins only ``after_seconds``
    SLOW_START = "slow-start"
    #: its image cannot be pulled; ``message`` is what the registry says
    IMAGE_PULL = "image-pull"
    #: its container is killed for its use of memory, ``after_seconds``
    OOM = "oom"
    #: its container ends with ``exit_code``, ``after_seconds``
    CRASH = "crash"
    #: its node throws it out, ``after_seconds``; ``message`` is what the node says
    EVICTED = "evicted"
    #: its node falls silent, ``after_seconds``
    NODE_GONE = "node-gone"


#: What is said where the test does not.
MESSAGES = {
    FateKind.PENDING: "0/3 nodes are available: 3 Insufficient cpu.",
    FateKind.IMAGE_PULL: "manifest unknown",
    FateKind.EVICTED: "The node was low on resource: memory. Threshold quantity: 100Mi, available: 42Mi. ",
}


@dataclass(slots=True)
class Fate:
    """One rule: pods by a name that matches the whole regular expression and with these labels meet it.

    At most ``times`` pods (None: all of them). A fate that comes ``after_seconds`` counts from the start of the
    container. ``crash`` and ``oom`` meet a container each time it is started again.
    """

    kind: FateKind
    name: str = ".*"
    labels: Mapping[str, str] = field(default_factory=dict)
    after_seconds: float = 0.0
    message: str = ""
    exit_code: int = 1
    times: int | None = None
    hits: int = field(default=0, init=False)

    @property
    def said(self) -> str:
        """The message, or what is usual."""
        return self.message or MESSAGES.get(self.kind, "")

    def matches(self, pod: Object) -> bool:
        """Whether it speaks about this pod."""
        own = pod["metadata"].get("labels") or {}
        return re.fullmatch(self.name, pod["metadata"]["name"]) is not None and all(
            own.get(key) == value for key, value in self.labels.items()
        )


class Fates:
    """All that is decided; a pod meets the first that matches, and keeps it."""

    def __init__(self) -> None:
        self.rules: list[Fate] = []
        self._by_uid: dict[str, Fate | None] = {}

    def add(self, fate: Fate) -> Fate:
        """Decides it for pods that are made from now on; the fate, whose ``hits`` may be asked for."""
        self.rules.append(fate)
        return fate

    def clear(self) -> None:
        """No more of it: pods that wait for a node get one, and all that are made from now on fare well."""
        self.rules.clear()
        self._by_uid.clear()

    def of(self, pod: Object) -> Fate | None:
        """What is decided for a pod, if anything."""
        uid = pod["metadata"]["uid"]
        if uid not in self._by_uid:
            self._by_uid[uid] = self._first(pod)
        return self._by_uid[uid]

    def spend(self, pod: Object) -> None:
        """What was decided has come to pass, and happens once only."""
        self._by_uid[pod["metadata"]["uid"]] = None

    def _first(self, pod: Object) -> Fate | None:
        for fate in self.rules:
            if (fate.times is None or fate.hits < fate.times) and fate.matches(pod):
                fate.hits += 1
                return fate
        return None
