"""The interface that every kind of site offers to the spawner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from perijove.models import Resources

#: The header by which a single-user server tells itself from whatever else answers at an address.
READY_HEADER = "X-JupyterHub-Version"


class SiteError(Exception):
    """A site did not do what it was asked; the message is for the user, in plain words.

    What ``start`` was to create may be there, or come to be.
    """


class SiteUnreachable(SiteError):
    """A site could not even be asked: nothing was created there."""


class Status(StrEnum):
    """What a site knows of a workload. Unknown is not stopped."""

    RUNNING = "running"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class StartSpec:
    """What to start. ``home_site`` names the site whose home directory is used; None: scratch only.

    With ``rescue``, what a server writes to come up goes to scratch instead of the home, which is full. ``image`` is
    for sites that have images; None: the site's usual one; ``image_is_users`` tells that the owner has named it.
    ``say`` takes what happens while it comes up, in a sentence for who waits.
    """

    owner: str
    command: Sequence[str]
    env: Mapping[str, str]
    resources: Resources
    path: str
    home_site: str | None
    rescue: bool = False
    image: str | None = None
    image_is_users: bool = False
    say: Callable[[str], None] = field(default=lambda _: None, compare=False)


@dataclass(frozen=True)
class Handle:
    """Enough to find a workload again after any restart."""

    site: str
    attempt_id: str
    url: str


@dataclass(frozen=True)
class Ending:
    """How a workload has ended: why, in plain words, and when, where the site knows more than that it is over."""

    reason: str = ""
    at: datetime | None = None


class SiteInterface(Protocol):
    """A place that can run workloads. Everything it creates carries the attempt id."""

    async def start(self, spec: StartSpec, attempt_id: str) -> Handle:
        """Create the workload; the URL answers once it is up.

        Raises:
            SiteUnreachable: the site could not be asked; nothing was created.
            SiteError: the site could not, or nobody can tell.
        """

    async def poll(self, handle: Handle) -> Status:
        """What the site knows of it now. Never raises."""

    async def silent_since(self, attempt_id: str) -> datetime | None:
        """Since when nothing is heard of the machine on which it ran; None: something is, or the site cannot tell.

        Told after a poll that did not find it stopped. Never raises.
        """

    async def stop(self, handle: Handle) -> None:
        """End it and all that it started; returns when it is gone. A workload that is gone already is no error.

        Raises:
            SiteError: it is still there.
        """

    async def list(self) -> Sequence[str]:
        """The attempts of which anything runs here now, be it only what a server that is gone has left behind.

        Raises:
            SiteError: the site cannot tell.
        """

    async def ending(self, attempt_id: str) -> Ending:
        """How a workload that is stopped has ended, as far as the site knows. Never raises."""

    async def log_tail(self, attempt_id: str) -> str:
        """The last lines that the workload wrote; empty when there are none. Never raises."""

    async def home_bytes(self, owner: str) -> int | None:
        """How much the owner's home that this site holds takes up on its disk, in bytes.

        None: there is none here, or it could not be measured in the time a site allows itself. Never raises.
        """
