"""Follows the user's clusters while nobody looks at them, and asks nobody while there are none."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from perijove.client import AsyncControlClient, leases_call
from perijove.errors import PerijoveError
from perijove.models import GatewayView, Kind

from .directory import Directory
from .watch import Watch

#: So many of the user's newest leases are looked through for clusters.
LEASES_LOOKED_AT = 50
#: Control is asked whether there are clusters this often at most, and only if somebody has done something since.
CONTROL_PAUSE = timedelta(seconds=60)
#: A gateway that somebody else has asked so recently is not asked again.
RECENT_SECONDS = 5.0


class Lookout:
    """Asks the gateways at which clusters are open.

    That there are some is known from what gateways said last. Those that were started elsewhere, in a kernel or in
    another session, are found among the user's leases; control is asked for those only after somebody has done
    something in this session, since otherwise nothing here has started any.

    Args:
        control: carries out calls to control.
        directory: the gateways.
        last_activity: when somebody last did something in this session.
        clock: the time.
        log: of the server.
    """

    def __init__(
        self,
        control: AsyncControlClient,
        directory: Directory,
        last_activity: Callable[[], datetime],
        clock: Callable[[], datetime],
        log: logging.Logger,
    ) -> None:
        self._control = control
        self._directory = directory
        self._last_activity = last_activity
        self._clock = clock
        self._log = log
        self._asked_control: datetime | None = None
        #: Sites at which control has open clusters that their gateways have not told of yet.
        self._expected: set[str] = set()

    async def look(self, seconds: float) -> list[tuple[GatewayView, Watch]]:
        """Ask what is to be asked and wait so long; the gateways with open clusters that have answered."""
        if not self._directory.known():
            return []  # a platform without gateways, or control has never answered
        await self._ask_control()
        due = [(view, watch) for view, watch in self._directory.known() if self._is_due(view, watch)]
        answers = await asyncio.gather(*(_ask(watch, seconds) for _, watch in due))
        answered = [pair for pair, is_there in zip(due, answers, strict=True) if is_there]
        self._expected -= {view.site for view, _ in answered}
        return answered

    def _is_due(self, view: GatewayView, watch: Watch) -> bool:
        is_open = watch.heard is not None and any(not each.state.is_over for each in watch.heard.clusters)
        return is_open or view.site in self._expected

    async def _ask_control(self) -> None:
        now = self._clock()
        asked, active = self._asked_control, self._last_activity()
        if asked is not None and (active <= asked or now - asked < CONTROL_PAUSE):
            return
        try:
            page = await self._control.send(leases_call(LEASES_LOOKED_AT))
            self._asked_control = now
            clusters = [lease for lease in page.items if lease.kind is Kind.CLUSTER and lease.state.is_open]
            self._expected = {lease.site for lease in clusters if lease.site is not None}
            if self._expected - {view.site for view, _ in self._directory.known()}:
                await self._directory.watches()  # there may be a new gateway
        except PerijoveError as error:
            self._log.debug("cannot ask control whether clusters run: %s", error.detail)


async def _ask(watch: Watch, seconds: float) -> bool:
    """Whether what is known of a gateway is new."""
    if watch.trouble is None and watch.heard is not None and time.monotonic() - watch.heard.asked < RECENT_SECONDS:
        return True
    return await watch.ask(seconds)
