"""Workers that a cluster is to get once it runs: seen to here, so that nobody has to keep a page open until then."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field

from perijove.errors import NotFound, PerijoveError
from perijove.models.compute import AdaptCluster, ClusterView, ScaleCluster
from perijove.models.gateways import Adaptive, ClusterState, GatewayCluster

from .errors import GatewayUnavailable, NotNow
from .gateway_client import GatewayClient
from .watch import PATIENCE_SECONDS, Watch

#: A cluster that has not begun to run after so long gets no workers from here.
GIVE_UP_SECONDS = 1800.0
#: The pauses between two questions about one cluster, in seconds: the second while its gateway does not answer.
PAUSE_SECONDS = 1.0
TROUBLE_PAUSE_SECONDS = 5.0

Size = ScaleCluster | AdaptCluster


@dataclass
class _Wish:
    """What a cluster is to get. Whoever asks for something else before it is sent changes ``size``."""

    size: Size
    task: asyncio.Task[None] = field(init=False)
    is_sent: bool = False


class Growing:
    """The wishes of clusters that do not run yet, one task each, and what came of those that were not granted whole.

    Args:
        log: of the server.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._wishes: dict[tuple[str, str], _Wish] = {}
        self._said: dict[tuple[str, str], str] = {}

    def begin(self, watch: Watch, name: str, size: Size) -> None:
        """Ask a gateway for workers as soon as a cluster runs, unless somebody else has asked it by then."""
        key = (watch.client.site, name)
        wish = self._wishes[key] = _Wish(size)
        wish.task = asyncio.create_task(self._see_to(key, watch, wish), name=f"workers of {name} at {key[0]}")

    async def replace(self, gateway: str, name: str, size: Size) -> bool:
        """Take a later wish instead; whether it is seen to here. If not, its gateway can be asked at once."""
        key = (gateway, name)
        self._said.pop(key, None)
        wish = self._wishes.get(key)
        if wish is None:
            return False
        if wish.is_sent:  # the later one has to come after it
            await asyncio.wait([wish.task])
            return False
        wish.size = size
        return True

    def forget(self, gateway: str, name: str) -> None:
        """The cluster is stopped: it gets no workers."""
        self._said.pop((gateway, name), None)
        wish = self._wishes.get((gateway, name))
        if wish is not None and not wish.is_sent:
            wish.task.cancel()

    def shown(self, view: ClusterView) -> ClusterView:
        """A cluster with what it is to get, and what was said to that."""
        key = (view.gateway, view.name)
        said, wish = self._said.get(key), self._wishes.get(key)
        if wish is None or not _can_grow(view):
            return view.model_copy(update={"said": said}) if said else view
        if isinstance(wish.size, ScaleCluster):
            return view.model_copy(update={"workers_wanted": wish.size.workers})
        bounds = Adaptive(minimum=wish.size.minimum, maximum=wish.size.maximum)
        return view.model_copy(update={"workers_wanted": bounds.minimum, "adaptive": bounds})

    async def close(self) -> None:
        """End all tasks."""
        tasks = [wish.task for wish in self._wishes.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _see_to(self, key: tuple[str, str], watch: Watch, wish: _Wish) -> None:
        site, name = key
        said: str | None
        try:
            said = await self._carry_out(watch, name, wish)
        except NotFound:
            return  # it is gone
        except PerijoveError as error:
            said = f"Its workers were not asked for: {error.detail}"
        except Exception:  # noqa: BLE001 - whatever it is: its owner must read that the workers do not come
            self._log.exception("cannot ask for the workers of cluster %s at %s", name, site)
            said = "Its workers were not asked for: something went wrong in this Jupyter server; its log has more."
        finally:
            self._wishes.pop(key, None)
        if said is not None:
            self._log.warning("cluster %s at %s: %s", name, site, said)
            self._said[key] = said
        # those who look at the list see at once what has come of it
        await watch.ask(PATIENCE_SECONDS, time.monotonic())

    async def _carry_out(self, watch: Watch, name: str, wish: _Wish) -> str | None:
        """Wait until the cluster runs and ask for its workers; what its gateway says if it does not do all of it.

        Raises:
            PerijoveError: it refuses, or the cluster did not run in time.
        """
        until = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < until:
            pause_seconds = PAUSE_SECONDS
            try:
                cluster = await _once_started(watch, name)
                if not _can_grow(cluster) or cluster.workers_wanted or cluster.adaptive:
                    return None  # it ends, or somebody has asked for workers since, from a notebook
                if cluster.state is ClusterState.RUNNING:
                    wish.is_sent = True
                    return await _send(watch.client, name, wish.size)
            except NotNow:
                wish.is_sent = False
            except GatewayUnavailable:
                # what was sent may have been heard: then the list tells, and it is not sent again
                wish.is_sent, pause_seconds = False, TROUBLE_PAUSE_SECONDS
            await asyncio.sleep(pause_seconds)
        raise NotNow(f"it did not run within {GIVE_UP_SECONDS / 60:g} minutes.")


async def _once_started(watch: Watch, name: str) -> GatewayCluster:
    """A cluster as it is once it has started, or after the time for which a gateway waits.

    Raises:
        PerijoveError: its gateway does not answer, or does not know it.
    """
    await watch.client.wait(name)
    if not await watch.ask(PATIENCE_SECONDS, time.monotonic()) or watch.heard is None:
        raise watch.trouble or GatewayUnavailable("The Dask Gateway does not answer.")
    cluster = watch.heard.find(name)
    if cluster is None:
        raise NotFound(f"There is no cluster {name} of yours at {watch.client.title}.")
    return cluster


async def _send(client: GatewayClient, name: str, size: Size) -> str | None:
    if isinstance(size, ScaleCluster):
        return await client.scale(name, size.workers)
    return await client.adapt(name, size.minimum, size.maximum)


def _can_grow(cluster: GatewayCluster | ClusterView) -> bool:
    return not cluster.state.is_over and cluster.state is not ClusterState.STOPPING
