"""What one gateway last said of the user's clusters, so that one that is slow or away takes nothing from the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from perijove.errors import NotFound, PerijoveError
from perijove.models.gateways import GatewayCluster

from .errors import GatewayUnavailable
from .gateway_client import GatewayClient
from .names import is_cluster_name

#: Whether a cluster is the user's is believed for so long.
OWNER_SECONDS = 30.0
#: For so long after a question, others wait for its answer and ask none of their own.
SHARED_SECONDS = 2.0
#: How long somebody waits for a list who cannot go on without.
PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Heard:
    """A list of clusters as a gateway gave it; ``asked`` is when it was asked for, by the monotonic clock."""

    clusters: tuple[GatewayCluster, ...]
    at: datetime
    asked: float

    def find(self, name: str) -> GatewayCluster | None:
        """The cluster of that name."""
        return next((cluster for cluster in self.clusters if cluster.name == name), None)


class Watch:
    """Asks one gateway for the user's clusters and remembers its last answer.

    Questions are shared: whoever asks soon after another waits for the same answer. One that takes too long for who
    asked goes on, and its answer is there for the next.

    Args:
        client: of the gateway.
        clock: the time.
    """

    def __init__(self, client: GatewayClient, clock: Callable[[], datetime]) -> None:
        self.client = client
        self.heard: Heard | None = None
        #: Why the last question was not answered; None when it was.
        self.trouble: PerijoveError | None = None
        self._clock = clock
        #: Questions under way, and when each began by the monotonic clock; the newest is the last.
        self._asking: dict[asyncio.Task[None], float] = {}

    async def ask(self, seconds: float, since: float = 0.0) -> bool:
        """Ask for the list and wait so long; whether there is an answer.

        ``since`` is by the monotonic clock: a question that began before does not do.
        """
        began = time.monotonic()
        newer_than = max(since, began - SHARED_SECONDS, self.heard.asked if self.heard else 0.0)
        if max(self._asking.values(), default=0.0) < newer_than:
            task = asyncio.create_task(self._ask(began), name=f"clusters of {self.client.site}")
            self._asking[task] = began
            task.add_done_callback(self._asking.pop)
        waiting = {task for task, at in self._asking.items() if at >= since}
        newest, before = max(waiting, key=self._asking.__getitem__), self.heard
        while True:
            left = max(0.0, began + seconds - time.monotonic())
            done, waiting = await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if self.heard is not before:
                return True
            if newest in done:
                return self.trouble is None
            if not done:
                self.trouble = GatewayUnavailable(
                    f"The Dask Gateway of {self.client.title} did not answer within {seconds:g} s."
                )
                return False

    async def told(self, name: str) -> GatewayCluster:
        """A cluster of the user as it was told last; its gateway is asked for one of which it has not told.

        Raises:
            NotFound: the user has none of that name.
            PerijoveError: the gateway does not answer.
        """
        found = self.heard.find(name) if self.heard is not None else None
        if found is None:
            if not await self.ask(PATIENCE_SECONDS, time.monotonic()) or self.heard is None:
                raise self.trouble or GatewayUnavailable("The Dask Gateway does not answer.")
            found = self.heard.find(name)
        if found is None:
            raise NotFound(f"There is no cluster {name} of yours at {self.client.title}.")
        return found

    async def own(self, name: str) -> GatewayCluster:
        """A cluster of the user, which has a dashboard: looked up in the gateway's own list.

        Raises:
            NotFound: the user has none of that name, or it has no dashboard.
            PerijoveError: the gateway does not answer, and its last answer is too old.
        """
        now = time.monotonic()
        believed = self.heard if self.heard is not None and now - self.heard.asked < OWNER_SECONDS else None
        found = believed.find(name) if believed else None
        if found is None or not found.dashboard:
            if not await self.ask(PATIENCE_SECONDS, now) or self.heard is None:
                raise self.trouble or GatewayUnavailable("The Dask Gateway does not answer.")
            found = self.heard.find(name)
        if found is None:
            raise NotFound(f"There is no cluster {name} of yours at {self.client.title}.")
        if found.state.is_over or not found.dashboard:
            raise NotFound(f"The cluster {name} has no dashboard: it is {found.state.value}.")
        return found

    async def close(self) -> None:
        """End what is being asked, and close the connections."""
        asking = list(self._asking)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await self.client.close()

    async def _ask(self, began: float) -> None:
        try:
            said = await self.client.clusters()
        except PerijoveError as error:
            if self.heard is None or self.heard.asked < began:
                self.trouble = error
            return
        if self.heard is not None and self.heard.asked > began:
            return  # a later question was answered first
        named = tuple(each for each in said.items if is_cluster_name(each.name))
        self.heard = Heard(named, self._clock(), began)
        self.trouble = None
