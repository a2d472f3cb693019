"""Which gateways there are, as control names them; no address comes from anywhere else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from perijove.client import AsyncControlClient, gateways_call
from perijove.errors import ControlUnavailable, NotFound, PerijoveError
from perijove.models import GatewayView

from .gateway_client import GatewayClient, is_safe_address
from .names import check_gateway_name
from .watch import Watch

#: The list is believed for so long; then it is asked for anew, and used for as long as control does not answer.
BELIEVED_SECONDS = 60.0
#: How long to wait for control when the last list will do, and when there is none.
SHORT_SECONDS = 2.0
LONG_SECONDS = 10.0
#: A list of this age is asked for anew for a gateway that is not in it, or after control did not answer.
RENEWED_SECONDS = 10.0


def default_first(views: Sequence[GatewayView], site: str | None) -> list[GatewayView]:
    """The gateways in control's order, the one at this session's own site first: notebooks take it by default."""
    return sorted(views, key=lambda view: view.site != site)


class Directory:
    """The gateways that the user may use, each with what it last said.

    Args:
        control: carries out calls to control.
        token: of this server, for gateways.
        site: where this session runs, or None.
        clock: the time.
        heard: told of the gateways whenever control has named them, the default one first.
    """

    def __init__(
        self,
        control: AsyncControlClient,
        token: str,
        site: str | None,
        clock: Callable[[], datetime],
        heard: Callable[[Sequence[GatewayView]], None],
    ) -> None:
        self._control = control
        self._token = token
        self._site = site
        self._clock = clock
        self._tell = heard
        self._views: list[GatewayView] | None = None
        self._asked = 0.0
        self._watches: dict[str, Watch] = {}
        self._gone: list[Watch] = []
        self._asking = asyncio.Lock()
        self._later: asyncio.Task[None] | None = None

    async def views(self, datasets: Sequence[str] = ()) -> list[GatewayView]:
        """All gateways, the default one first; with ``datasets``, where each would read them if control answers.

        Raises:
            PerijoveError: control does not answer, and never has.
        """
        if datasets:
            try:
                async with asyncio.timeout(LONG_SECONDS if self._views is None else SHORT_SECONDS):
                    return await self._hear(datasets)
            except (PerijoveError, TimeoutError) as error:
                if isinstance(error, PerijoveError) and error.status < 500:
                    raise
        async with self._asking:
            if self._views is None:
                await self._refresh(LONG_SECONDS)
        if time.monotonic() - self._asked > BELIEVED_SECONDS and (self._later is None or self._later.done()):
            # nobody waits for it: clusters are looked at every few seconds
            self._later = asyncio.create_task(self._refresh_quietly(), name="gateways of this user")
        return self._views or []

    async def watches(self) -> list[tuple[GatewayView, Watch]]:
        """All gateways with what is known of each.

        Raises:
            PerijoveError: see :meth:`views`.
        """
        await self.views()
        return self.known()

    def known(self) -> list[tuple[GatewayView, Watch]]:
        """All gateways that control has named so far; nobody is asked."""
        return [(view, self._watches[view.site]) for view in self._views or [] if view.site in self._watches]

    async def find(self, gateway: str) -> tuple[GatewayView, Watch]:
        """One gateway.

        Raises:
            NotFound: there is none of that name that the user may use.
            PerijoveError: see :meth:`views`.
        """
        check_gateway_name(gateway)
        found = [each for each in await self.watches() if each[0].site == gateway]
        if not found and time.monotonic() - self._asked > RENEWED_SECONDS:
            await self._refresh(SHORT_SECONDS)
            found = [each for each in await self.watches() if each[0].site == gateway]
        if not found:
            raise NotFound(f"There is no Dask Gateway {gateway} that you may use.")
        return found[0]

    async def close(self) -> None:
        """Close all connections."""
        if self._later is not None:
            self._later.cancel()
            await asyncio.gather(self._later, return_exceptions=True)
        watches = [*self._watches.values(), *self._gone]
        await asyncio.gather(*(watch.close() for watch in watches))

    async def _refresh(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hear(())
        except TimeoutError:
            raise ControlUnavailable("Control did not tell in time which Dask Gateways there are.") from None

    async def _refresh_quietly(self) -> None:
        try:
            await self._refresh(LONG_SECONDS)
        except PerijoveError:
            self._asked = time.monotonic() - BELIEVED_SECONDS + RENEWED_SECONDS  # the old list will do for a while

    async def _hear(self, datasets: Sequence[str]) -> list[GatewayView]:
        page = await self._control.send(gateways_call(datasets))
        views = default_first([view for view in page.items if is_safe_address(view.address)], self._site)
        self._take(views)
        self._tell(views)
        return views

    def _take(self, views: list[GatewayView]) -> None:
        """Keep these gateways, and what is known of those that were there before at the same address."""
        # where data is read is of one question only
        plain = {"near": None, "egress_cost": None, "preferred": False}
        self._views, self._asked = [view.model_copy(update=plain) for view in views], time.monotonic()
        before, self._watches = self._watches, {}
        for view in views:
            known = before.get(view.site)
            if known is not None and known.client.address == view.address.rstrip("/"):
                self._watches[view.site] = before.pop(view.site)
                known.client.title = view.title
            else:
                self._watches[view.site] = Watch(GatewayClient(view, self._token), self._clock)
        self._gone += before.values()  # somebody may still be reading from them
