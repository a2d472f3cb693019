"""Whatever a site does, the spawner gets an answer in time and in the interface's own words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from perijove.models import Resources
from perijove_hub.sites import Bounded, Ending, Handle, SiteError, SiteUnreachable, StartSpec, Status
from perijove_hub.sites import bounded as bounded_module

SILENT_SINCE = datetime(2026, 1, 1, tzinfo=UTC)
HANDLE = Handle("far", "a" * 32, "http://127.0.0.1:9")
SPEC = StartSpec("ana", ["server"], {}, Resources(cpu=1, memory_gib=1), "/user/ana/", "far")


class Site:
    """A site that answers, raises or hangs, whatever it is asked."""

    def __init__(self, fault: Exception | str | None = None) -> None:
        self.fault = fault

    async def start(self, spec: StartSpec, attempt_id: str) -> Handle:
        await self._misbehave()
        return HANDLE

    async def poll(self, handle: Handle) -> Status:
        await self._misbehave()
        return Status.RUNNING

    async def silent_since(self, attempt_id: str) -> datetime | None:
        await self._misbehave()
        return SILENT_SINCE

    async def stop(self, handle: Handle) -> None:
        await self._misbehave()

    async def list(self) -> Sequence[str]:
        await self._misbehave()
        return [HANDLE.attempt_id]

    async def ending(self, attempt_id: str) -> Ending:
        await self._misbehave()
        return Ending("too large")

    async def log_tail(self, attempt_id: str) -> str:
        await self._misbehave()
        return "the end"

    async def home_bytes(self, owner: str) -> int | None:
        await self._misbehave()
        return 7

    async def _misbehave(self) -> None:
        if isinstance(self.fault, Exception):
            raise self.fault
        if self.fault == "hang":
            await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_SECONDS", "LIST_SECONDS", "STOP_SECONDS", "MEASURE_SECONDS"):
        monkeypatch.setattr(bounded_module, name, 0.05)


def bounded(fault: Exception | str | None = None) -> Bounded:
    return Bounded(Site(fault), "far", 0.05)


async def test_what_a_site_answers_is_passed_on() -> None:
    site = bounded()
    assert await site.start(SPEC, HANDLE.attempt_id) is HANDLE
    assert await site.poll(HANDLE) is Status.RUNNING
    assert await site.list() == [HANDLE.attempt_id]
    assert await site.silent_since(HANDLE.attempt_id) == SILENT_SINCE
    assert await site.log_tail(HANDLE.attempt_id) == "the end"
    assert await site.home_bytes("ana") == 7
    await site.stop(HANDLE)


@pytest.mark.parametrize("fault", ["hang", RuntimeError("bug"), SiteError("no"), OSError(5, "io"), TimeoutError()])
async def test_a_site_that_fails_is_unknown_and_not_stopped(fault: Exception | str) -> None:
    site = bounded(fault)
    assert await site.poll(HANDLE) is Status.UNKNOWN
    assert await site.silent_since(HANDLE.attempt_id) is None
    assert await site.log_tail(HANDLE.attempt_id) == ""
    assert await site.home_bytes("ana") is None


@pytest.mark.parametrize(
    ("fault", "start", "stop", "tell"),
    [
        (
            "hang",
            "it did not take the start within 0.05 s",
            "it did not end it within 0.05 s",
            "it did not list what it runs within 0.05 s",
        ),
        (
            RuntimeError("bug"),
            "it could not take the start; the hub's log says why",
            "it could not end it; the hub's log says why",
            "it could not list what it runs; the hub's log says why",
        ),
        (SiteError("no room"), "no room", "no room", "no room"),
    ],
)
async def test_what_a_site_does_not_do_is_said_in_words(
    fault: Exception | str, start: str, stop: str, tell: str
) -> None:
    site = bounded(fault)
    for call, words in ((site.start(SPEC, HANDLE.attempt_id), start), (site.stop(HANDLE), stop), (site.list(), tell)):
        with pytest.raises(SiteError) as caught:
            await call
        assert str(caught.value) == words


async def test_a_site_that_could_not_be_asked_stays_one() -> None:
    with pytest.raises(SiteUnreachable, match=r"^connection refused$"):
        await bounded(SiteUnreachable("connection refused")).start(SPEC, HANDLE.attempt_id)


async def test_who_gives_up_on_a_site_is_not_held() -> None:
    waiting = asyncio.create_task(Bounded(Site("hang"), "far", 60).start(SPEC, HANDLE.attempt_id))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
