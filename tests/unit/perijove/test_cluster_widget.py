"""A cluster in a cell: what it shows while its cluster lives, and that it holds none alive."""

from __future__ import annotations

import asyncio
import gc
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import perijove
from perijove import cluster_widget
from perijove.cluster_widget import ClusterWidget
from perijove.models import ClusterState

SCRIPT = (Path(perijove.__file__).parent / "cluster_widget.js").read_text()


class FakeCluster:
    """What a widget sees of a cluster."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = SimpleNamespace(asyncio_loop=loop)
        self.status = "running"
        self.looks = 0
        self.says: Any = SimpleNamespace(state=ClusterState.RUNNING, title="Seas", capped="Limit cores …", reason=None)
        self.scaled: list[int] = []
        self.capped = None

    async def look(self) -> Any:
        self.looks += 1
        return self.says

    def scale(self, workers: int) -> None:
        self.scaled.append(workers)

    def shutdown(self) -> None:
        raise perijove.StoreUnavailable("The gateway of ESAC does not answer: try again, or another gateway.")


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[asyncio.AbstractEventLoop]:
    monkeypatch.setattr(cluster_widget, "LOOK_EVERY_SECONDS", 0.02)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def shown(cluster: FakeCluster) -> ClusterWidget:
    widget = ClusterWidget(facts={"name": "c1", "state": "running", "workers": 2})
    widget.follow(cluster)
    return widget


def until(is_so: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def press(widget: ClusterWidget, **message: Any) -> None:
    widget._handle_custom_msg(message, [])


def test_it_looks_while_it_is_shown_and_only_then(loop: asyncio.AbstractEventLoop) -> None:
    cluster = FakeCluster(loop)
    widget = shown(cluster)
    until(lambda: cluster.looks > 2)  # no view has told of itself yet: the kernel may be busy
    assert widget.facts == {"name": "c1", "state": "running", "workers": 2, "title": "Seas", "capped": "Limit cores …"}
    press(widget, do="show")
    press(widget, do="show")
    press(widget, do="hide")
    before = cluster.looks
    until(lambda: cluster.looks > before)
    press(widget, do="hide")
    time.sleep(0.1)
    before = cluster.looks
    time.sleep(0.2)
    assert cluster.looks == before
    press(widget, do="show")
    until(lambda: cluster.looks > before)
    widget.end({}, "stopped")


def test_a_gateway_that_does_not_answer_changes_nothing(loop: asyncio.AbstractEventLoop) -> None:
    cluster = FakeCluster(loop)
    cluster.says = None
    widget = shown(cluster)
    until(lambda: cluster.looks > 2)
    assert widget.facts == {"name": "c1", "state": "running", "workers": 2}
    widget.end({}, "stopped")


def test_one_that_was_stopped_elsewhere_shows_why_and_nothing_after_it(loop: asyncio.AbstractEventLoop) -> None:
    cluster = FakeCluster(loop)
    cluster.says = SimpleNamespace(state=ClusterState.STOPPED, title="Seas", capped=None, reason="It was idle.")
    widget = shown(cluster)
    until(lambda: widget.said == "It was idle.")
    assert (widget.facts["state"], widget.facts["workers"], widget.facts["is_over"]) == ("stopped", 0, True)
    widget.value = {"state": "running", "workers": 3}
    widget.end({}, "closed here")
    assert (widget.facts["state"], widget.facts["workers"]) == ("stopped", 0)
    looks = cluster.looks
    time.sleep(0.1)
    assert cluster.looks == looks


def test_a_cluster_that_nobody_else_holds_is_let_go(loop: asyncio.AbstractEventLoop) -> None:
    cluster = FakeCluster(loop)
    widget = shown(cluster)
    until(lambda: widget.facts.get("title"))
    del cluster
    gc.collect()
    until(lambda: widget.facts.get("state") == "let go")
    press(widget, do="scale", workers=1)
    assert widget.said == ""


def test_buttons_do_what_they_say_and_tell_what_went_wrong(loop: asyncio.AbstractEventLoop) -> None:
    cluster = FakeCluster(loop)
    widget = shown(cluster)
    press(widget, do="scale", workers=3)
    assert (cluster.scaled, widget.said) == ([3], "3 workers were asked for.")
    for nonsense in (-1, True, "3", None, 1.5):
        press(widget, do="scale", workers=nonsense)
    assert cluster.scaled == [3]
    press(widget, do="stop")
    assert widget.said == "The gateway of ESAC does not answer: try again, or another gateway."
    widget.end({}, "stopped")


def test_the_script_makes_no_markup_of_what_it_shows_and_takes_the_colours_of_the_lab() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", SCRIPT)
    assert {"--jp-content-font-color1", "--jp-layout-color1", "--jp-border-color1"} <= set(
        re.findall(r"var\((--jp-[a-z0-9-]+)", SCRIPT)
    )
    assert "https?:" in SCRIPT  # no other link is a link
