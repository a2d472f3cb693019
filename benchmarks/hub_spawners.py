"""Inside both hubs that are measured: the counters, and the stock hub's spawner. Nothing of ours is imported here."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import psutil
import sqlalchemy
from jupyterhub.app import JupyterHub
from jupyterhub.spawner import Spawner
from tornado.web import RequestHandler

#: What was counted since the hub's process began.
COUNTED: Counter[str] = Counter()


def start_seconds(pace: Path) -> float:
    """How long a start takes, as the file ``pace`` says; without it, no time at all."""
    return float(pace.read_text()) if pace.exists() else 0.0


class BareSpawner(Spawner):  # type: ignore[misc]  # jupyterhub has no types
    """The stock delegate: it starts nothing, and finds its server again at the same address.

    Of ``urls`` the last one is where it may be dark. There a poll raises, as KubeSpawner's first one does. For ``pace``
    see :func:`start_seconds`.
    """

    urls: ClassVar[list[str]]
    darkness: ClassVar[Path]
    pace: ClassVar[Path]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._url = ""

    async def start(self) -> str:
        """The echo server is there already; the environment is made as by every spawner."""
        self.get_env()
        await asyncio.sleep(start_seconds(self.pace))
        self._url = self.urls[sum(self.user.name.encode()) % len(self.urls)]
        return self._url

    async def poll(self) -> int | None:
        """It runs once it was started."""
        if self._url == self.urls[-1] and self.darkness.exists():
            raise ConnectionError("the cluster does not answer")
        return None if self._url else 0

    async def stop(self, now: bool = False) -> None:
        """There is nothing to stop."""
        self._url = ""

    def get_state(self) -> dict[str, Any]:
        """Where the server is."""
        state: dict[str, Any] = super().get_state()
        return state | {"url": self._url}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take it up again."""
        super().load_state(state)
        self._url = state.get("url", "")

    def clear_state(self) -> None:
        """Forget it."""
        super().clear_state()
        self._url = ""


def count_commits() -> None:
    """Count the commits to the hub's database."""

    def committed(connection: object) -> None:
        COUNTED["commits"] += 1

    sqlalchemy.event.listen(sqlalchemy.engine.Engine, "commit", committed)


def count_requests() -> None:
    """Count what is asked of the APIs of clusters, and what of that makes or deletes something."""
    from kubernetes_asyncio.client.rest import RESTClientObject  # where no cluster is measured, nobody loads it

    request = RESTClientObject.request

    async def counted(client: RESTClientObject, method: str, *arguments: Any, **named: Any) -> Any:
        COUNTED["requests"] += 1
        COUNTED["changes"] += method != "GET"
        return await request(client, method, *arguments, **named)

    setattr(RESTClientObject, "request", counted)  # noqa: B010 - a type checker wants methods left alone


class FiguresHandler(RequestHandler):
    """``GET /hub/bench``: what this hub has used and done, and how its servers are."""

    def get(self) -> None:
        """Answer; costs next to nothing."""
        memory = psutil.Process().memory_full_info()
        states: Counter[str] = Counter()
        for user in list(JupyterHub.instance().users.values()):
            for spawner in user.spawners.values():
                states["known"] += spawner.server is not None
                states["ready"] += spawner.ready
                states["checked"] += spawner.server is not None and not spawner._check_pending
        self.write(
            json.dumps(
                {"cpu_seconds": time.process_time(), "rss_bytes": memory.rss, "uss_bytes": memory.uss}
                | {name: COUNTED[name] for name in ("commits", "calls", "requests", "changes")}
                | {name: states[name] for name in ("known", "ready", "checked")}
            )
        )
