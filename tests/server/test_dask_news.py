"""What happens to clusters comes as events, whether anybody looks or not; and nobody is asked while there are none."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import websocket

from perijove.client import AsyncControlClient
from perijove.models.compute import ClusterEvent, ClusterView
from perijove_server.dask.directory import Directory
from perijove_server.dask.lookout import CONTROL_PAUSE, Lookout
from perijove_server.dask.news import IDLE_SOON, SCHEMA_ID, ClusterNews
from tests.support.control import TOKEN, FakeControl, threaded_control
from tests.support.gateways import FakeGateway, threaded_gateways
from tests.support.jupyter import SERVER_TOKEN, JupyterServer, jupyter_server

from .test_usage_and_snippets import LEASE

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LOG = logging.getLogger(__name__)


def view(name: str = "a", **change: Any) -> ClusterView:
    fields = {
        "gateway": "esac", "gateway_title": "ESAC", "name": name, "title": "", "state": "running", "reason": None,
        "capped": None, "workers": 0, "workers_wanted": 0, "workers_granted": 0, "adaptive": None, "processing": None,
        "scheduler": {"cpu": 1, "memory_gib": 1}, "worker": {"cpu": 1, "memory_gib": 1}, "options": {},
        "created": NOW, "ended": None, "idle_seconds": None, "idle_stop_at": None, "has_log": False, "versions": None,
        "dashboard": None, "lease_id": None, "cost": None, "cost_hour": None, "observed_at": NOW,
    }  # fmt: skip
    return ClusterView.model_validate(fields | change)


@dataclass
class Told:
    """News by a clock that the test turns, and what they told."""

    now: datetime = NOW
    events: list[ClusterEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.news = ClusterNews(self.events.append, lambda: self.now)

    def hear(self, *clusters: ClusterView) -> list[dict[str, Any]]:
        """What is told of a list."""
        self.events.clear()
        self.news.hear("esac", clusters)
        keys = {"name", "state", "previous", "capped", "said", "idle_stop_at"}
        return [event.model_dump(mode="json", include=keys, exclude_none=True) for event in self.events]


def test_a_change_is_told_once() -> None:
    told = Told()

    assert told.hear(view(state="starting")) == [{"name": "a", "state": "starting"}]
    assert told.hear(view(state="starting", workers=3)) == []
    assert told.hear(view()) == [{"name": "a", "state": "running", "previous": "starting"}]
    capped = {"name": "a", "state": "running", "previous": "running"}
    assert told.hear(view(capped="Full.")) == [capped | {"capped": "Full."}]
    assert told.hear(view(capped="Full.")) == []
    assert told.hear(view(said="Scaling to 4 instead.")) == [capped | {"said": "Scaling to 4 instead."}]
    failed = view(state="failed", ended=NOW, reason="Boom.")
    assert told.hear(failed) == [{"name": "a", "state": "failed", "previous": "running"}]
    assert told.hear(failed) == []


def test_a_cluster_is_told_of_when_it_will_soon_be_stopped_for_being_idle_and_when_not_any_more() -> None:
    told, stop_at = Told(), NOW + timedelta(minutes=20)
    told.hear(view(idle_stop_at=stop_at))
    told.now = stop_at - IDLE_SOON + timedelta(seconds=1)

    [soon] = told.hear(view(idle_stop_at=stop_at))
    assert soon["idle_stop_at"] == stop_at.isoformat().replace("+00:00", "Z")
    assert told.hear(view(idle_stop_at=stop_at)) == []
    [kept] = told.hear(view(idle_stop_at=stop_at + timedelta(minutes=30)))
    assert "idle_stop_at" not in kept


def test_what_ended_before_this_server_began_is_no_news_and_what_ended_unseen_is() -> None:
    told = Told()
    before, after = NOW - timedelta(hours=1), NOW + timedelta(seconds=3)

    assert told.hear(view("old", state="failed", ended=before), view("odd", state="stopped")) == []
    assert told.hear(view("new", state="failed", ended=after)) == [{"name": "new", "state": "failed"}]


def test_each_event_is_later_than_the_one_before() -> None:
    told = Told()
    told.hear(view("a"), view("b"), view("c"))

    times = [event.at for event in told.events]
    assert times == sorted(set(times))
    assert told.news.told_at == times[-1]


@dataclass
class Post:
    """A lookout over a gateway and a control that are played, by a clock that the test turns."""

    control: FakeControl
    gateway: FakeGateway
    client: AsyncControlClient
    now: datetime = NOW
    active: datetime = NOW

    def __post_init__(self) -> None:
        self.directory = Directory(self.client, TOKEN, "esac", lambda: self.now, lambda _: None)
        self.lookout = Lookout(self.client, self.directory, lambda: self.active, lambda: self.now, LOG)

    async def look(self) -> list[str]:
        """The gateways that have answered."""
        return [view.site for view, _ in await self.lookout.look(2.0)]

    def asked(self) -> tuple[int, int]:
        """How often control was asked for leases, and the gateway for clusters."""
        return self.control.calls["GET leases"], len(self.gateway.requests("/perijove/v1/clusters"))

    def start_in_a_kernel(self) -> None:
        self.gateway.add("of-a-kernel", lease_id="c")
        self.control.leases["c"] = LEASE | {"id": "c", "kind": "cluster"}


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    with threaded_gateways("esac") as gateways, threaded_control() as control:
        control.gateways = [gateways["esac"].view()]
        client = AsyncControlClient(control.url, TOKEN)
        post = Post(control, gateways["esac"], client)
        await post.directory.watches()
        yield post
        await post.directory.close()
        await client.aclose()


async def test_nobody_is_asked_while_there_is_no_cluster_and_nobody_works(post: Post) -> None:
    for _ in range(3):
        assert await post.look() == []
        post.now += timedelta(hours=1)

    assert post.asked() == (1, 0)


async def test_a_cluster_that_a_kernel_starts_is_found_after_somebody_has_worked(post: Post) -> None:
    await post.look()
    post.start_in_a_kernel()
    post.now += CONTROL_PAUSE
    assert await post.look() == []
    post.active = post.now

    assert await post.look() == ["esac"]
    assert await post.look() == ["esac"]
    assert post.asked() == (2, 1), "what was heard just now is not asked again"


async def test_control_is_asked_once_a_minute_at_most_while_somebody_works(post: Post) -> None:
    for _ in range(12):
        await post.look()
        post.now += CONTROL_PAUSE / 6
        post.active = post.now

    assert post.asked() == (2, 0)


async def test_a_gateway_is_left_alone_once_its_clusters_are_over(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perijove_server.dask.lookout.RECENT_SECONDS", 0.0)
    post.start_in_a_kernel()
    await post.look()
    post.gateway.clusters["of-a-kernel"].update(state="stopped", dashboard=False)

    assert await post.look() == ["esac"]
    assert await post.look() == []
    assert post.asked() == (1, 2)


async def test_a_gateway_or_control_that_is_away_is_asked_again(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perijove_server.dask.lookout.RECENT_SECONDS", 0.0)
    post.start_in_a_kernel()
    post.control.faults.append(403)
    assert await post.look() == []
    post.gateway.fault = 503
    assert await post.look() == []
    post.gateway.fault = None

    assert await post.look() == ["esac"]


async def test_a_platform_without_gateways_is_asked_nothing(post: Post) -> None:
    directory = Directory(post.client, TOKEN, None, lambda: NOW, lambda _: None)
    assert await Lookout(post.client, directory, lambda: NOW, lambda: NOW, LOG).look(2.0) == []

    assert post.asked() == (0, 0)
    await asyncio.gather(directory.close())


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[JupyterServer, FakeGateway]]:
    """A server that looks often, and the gateway at its site, where a kernel has started a cluster."""
    with threaded_gateways("esac") as gateways, threaded_control() as control:
        gateway = gateways["esac"]
        control.gateways = [gateway.view()]
        control.leases["c"] = LEASE | {"id": "c", "kind": "cluster"}
        gateway.add("mine", title="<b>Mine</b>", lease_id="c")
        environment = {"PERIJOVE_CONTROL_URL": control.url, "JUPYTERHUB_API_TOKEN": TOKEN, "PERIJOVE_SITE": "esac"}
        options = [f"--PerijoveServer.{each}_seconds=3600" for each in ("heartbeat", "notices")]
        options.append("--PerijoveServer.clusters_seconds=0.2")
        with jupyter_server(tmp_path_factory.mktemp("news"), environment, *options) as server:
            yield server, gateway


def events_after(server: JupyterServer, change: Callable[[], object], count: int) -> list[dict[str, Any]]:
    """So many events about clusters that come after ``change``."""
    url = f"{server.url.replace('http', 'ws', 1)}api/events/subscribe"
    heard: list[dict[str, Any]] = []
    header = [f"Authorization: token {SERVER_TOKEN}"]
    with closing(websocket.create_connection(url, header=header, timeout=30)) as socket:
        change()
        while len(heard) < count:
            event = json.loads(socket.recv())
            if event["schema_id"] == SCHEMA_ID:
                heard.append(event)
    return heard


def told_at(server: JupyterServer) -> str | None:
    said: str | None = server.get("usage").json()["clusters_told_at"]
    return said


def test_what_happens_to_a_cluster_of_a_kernel_comes_as_an_event_and_is_no_activity(
    lab: tuple[JupyterServer, FakeGateway],
) -> None:
    server, gateway = lab
    deadline = time.monotonic() + 30
    while told_at(server) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    active = server.http.get(server.http.base_url.join("../api/status")).json()["last_activity"]
    first = told_at(server)

    [capped] = events_after(server, lambda: gateway.clusters["mine"].update(capped="Limit cores reached."), 1)
    [failed] = events_after(
        server, lambda: gateway.clusters["mine"].update(state="failed", dashboard=False, capped=None), 1
    )

    names = ("gateway", "name", "title", "state", "previous")
    assert [capped[name] for name in names] == ["esac", "mine", "<b>Mine</b>", "running", "running"]
    assert capped["capped"] == "Limit cores reached."
    assert [failed[name] for name in names] == ["esac", "mine", "<b>Mine</b>", "failed", "running"]
    last = told_at(server)
    assert first
    assert last
    assert datetime.fromisoformat(first) < datetime.fromisoformat(capped["at"])
    assert datetime.fromisoformat(last) == datetime.fromisoformat(failed["at"])
    assert server.http.get(server.http.base_url.join("../api/status")).json()["last_activity"] == active
