"""This session as control knows it: its lease and limits, how idle it is, and what the platform says to its user."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from perijove.client import (
    AsyncControlClient,
    Call,
    activity_call,
    keep_call,
    lease_call,
    leases_call,
    notices_call,
    quotas_call,
)
from perijove.errors import NotFound
from perijove.models import KeepRequest, Lease, Notice

from .activity.idleness import Idleness
from .activity.watch import KernelWatch
from .notices import PAGE, NoticeBoard
from .titles import TitleBook

Answer = TypeVar("Answer")

#: How many of the user's leases are looked through for the one of this session.
LEASES_LOOKED_AT = 50
#: How long not to look again after none was found.
LOOK_AGAIN_SECONDS = 60.0


class SessionService:
    """Speaks with control about this session.

    Args:
        client: carries out the calls.
        idleness: when somebody last did something here.
        kernels: what is heard of the kernels.
        tell: emits a notice as an event.
        clock: the time.
        lease_id: the lease that the session was started with, or None outside of one.
        attempt_id: the attempt that started it, by which a lease of another id is found: control writes a new one for
            a session whose lease it has lost, or that was started while it was away.
        facts: gives what every answer of :meth:`usage` holds besides.
        titles: of sites and profiles; closed with the service.
    """

    def __init__(
        self,
        client: AsyncControlClient,
        idleness: Idleness,
        kernels: KernelWatch,
        tell: Callable[[Notice], None],
        clock: Callable[[], datetime],
        lease_id: str | None,
        attempt_id: str | None,
        facts: Callable[[], dict[str, Any]],
        titles: TitleBook,
    ) -> None:
        self._client = client
        self._idleness = idleness
        self._kernels = kernels
        self._clock = clock
        self._lease_id = lease_id
        self._attempt_id = attempt_id
        self._facts = facts
        self._titles = titles
        self._look_again = 0.0
        self.notices = NoticeBoard(
            lambda since: client.send(notices_call(since, PAGE)), tell, clock, lambda: self._lease_id
        )

    async def usage(self) -> dict[str, Any]:
        """Quotas, the lease of this session (None outside of one), the notices in force, titles, and the facts.

        Raises:
            PerijoveError: control does not answer.
        """
        quotas, titles = await asyncio.gather(self._client.send(quotas_call()), self._titles.titles())
        try:
            lease = (await self._of_lease(lease_call)).model_dump(mode="json")
        except NotFound:
            lease = None
        return {
            "quotas": [quota.model_dump(mode="json") for quota in quotas.items],
            "lease": lease,
            "notices": [notice.model_dump(mode="json") for notice in self.notices.current()],
            "titles": titles,
            **self._facts(),
        }

    async def close(self) -> None:
        """End what is being asked."""
        await self._titles.close()

    async def home_limit_gib(self) -> float | None:
        """How much the user's home may hold, or None when the platform sets no limit.

        Raises:
            PerijoveError: control does not answer.
        """
        quotas = await self._client.send(quotas_call())
        return min((quota.limit for quota in quotas.items if quota.resource == "home_gib"), default=None)

    async def keep(self, request: KeepRequest) -> Lease:
        """Put off the end of this session; its lease as it then is.

        Raises:
            NotFound: control knows no lease of this session.
            PerijoveError: refused, or control does not answer.
        """
        self._idleness.touch(self._clock())
        return await self._of_lease(lambda lease_id: keep_call(lease_id, request))

    async def tell_activity(self) -> None:
        """Tell control how idle this session is.

        Raises:
            PerijoveError: refused, or control does not answer.
        """
        self._kernels.sync()
        activity = self._idleness.said(self._clock(), busy=self._kernels.unheard_busy())
        await self._of_lease(lambda lease_id: activity_call(lease_id, activity))

    async def _of_lease(self, make_call: Callable[[str], Call[Answer]]) -> Answer:
        """Carry out a call about this session's lease, which is looked for when control does not know its id."""
        if self._lease_id is not None:
            try:
                return await self._client.send(make_call(self._lease_id))
            except NotFound:
                pass
        found = await self._find_lease()
        if found is None:
            raise NotFound("This Jupyter server is no session of the platform: control has no lease for it.")
        self._lease_id = found
        return await self._client.send(make_call(found))

    async def _find_lease(self) -> str | None:
        """The id of this attempt's lease, if it is another than was known."""
        if self._attempt_id is None or time.monotonic() < self._look_again:
            return None
        self._look_again = time.monotonic() + LOOK_AGAIN_SECONDS
        page = await self._client.send(leases_call(LEASES_LOOKED_AT))
        found = [lease.id for lease in page.items if lease.attempt_id == self._attempt_id and lease.state.is_open]
        return found[0] if found and found[0] != self._lease_id else None
