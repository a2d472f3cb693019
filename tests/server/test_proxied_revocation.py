"""Who loses a dataset stops reading it within a minute: with control as it is, and a clock that is moved."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

import perijove
from perijove import signed
from perijove.client import AsyncControlClient, credentials_call
from perijove.filesystem import DATASET_SECONDS
from perijove.stores import Readers
from perijove_server.preview.overviews import Overviews
from perijove_server.preview.pool import Limits
from perijove_server.preview.service import Previews, Wish
from perijove_server.service import CATALOGUE_SECONDS
from tests.support.control_bed import PREFIX, STORE_SECRET, ControlBed, running_control
from tests.support.platforms import dataset, replica
from tests.support.s3 import S3Bed, threaded_bed

#: What is promised, and how far the clock is moved between two looks.
PROMISED_SECONDS = 60
STEP_SECONDS = 5


class MovedClock:
    """The time of those who keep what they were told; it stands still but for what it is moved by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bed: S3Bed) -> None:
        self.moved_seconds = 0.0
        self._bed = bed
        began, began_at = time.monotonic(), datetime.now(UTC)
        clock = SimpleNamespace(monotonic=lambda: began + self.moved_seconds)
        monkeypatch.setattr("jupyterhub.services.auth.time", clock)  # control's knowledge of the hub
        monkeypatch.setattr("perijove.stores.time", clock)  # a reader's of the dataset
        monkeypatch.setattr(signed, "clock", lambda: began_at + timedelta(seconds=self.moved_seconds))

    def move(self) -> None:
        self.moved_seconds += STEP_SECONDS
        self._bed.clock_offset_seconds += STEP_SECONDS


@pytest.fixture
def bed() -> Iterator[S3Bed]:
    with threaded_bed({"control": STORE_SECRET}) as bed:
        bed.put("data", "euclid/x.bin", bytes(1 << 20))
        bed.put("data", "euclid/x.txt", b"hello")
        yield bed


@pytest.fixture
async def control(bed: S3Bed, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    of_staff = {
        name: dataset(
            replica(site="esac", endpoint=bed.endpoint, credentials={"kind": "sts", "secret": "store"}),
            groups=["staff"],
            delivery=name,
        )
        for name in ("proxied", "direct")
    }
    async with running_control(tmp_path, caplog, bed.endpoint, datasets=of_staff) as control:
        yield control


async def test_proxied_reads_and_listings_under_way_stop_and_no_new_keys_are_given_within_a_minute(
    control: ControlBed, bed: S3Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = MovedClock(monkeypatch, bed)
    client = AsyncControlClient(control.url + PREFIX.rstrip("/"), control.bob)
    try:
        readers = Readers(client, DATASET_SECONDS)
        reader = await readers.get("proxied")
        info, _ = await reader.open("x.bin", 0, 1000)
        await client.send(credentials_call("direct"))
        for _ in range(PROMISED_SECONDS // STEP_SECONDS):  # who may read goes on: it is not the clock that ends it
            clock.move()
            assert await reader.read(info, 5000, 6000) == bytes(1000)
            assert (await reader.list_directory("")).entries
        began, ended = clock.moved_seconds, dict[str, float]()

        control.hub.tokens[control.bob]["groups"] = ["astro"]
        while len(ended) < 4:
            clock.move()
            for what, ask in (
                ("the read under way", lambda: reader.read(info, 5000, 6000)),
                ("a listing", lambda: reader.list_directory("")),
                ("a new look", lambda: _look(readers)),
                ("new keys", lambda: client.send(credentials_call("direct"))),
            ):
                try:
                    await ask()
                except (perijove.NotFound, perijove.Refused):
                    ended.setdefault(what, clock.moved_seconds - began)
                else:
                    assert what not in ended, "what was refused is not given again"
                    assert clock.moved_seconds - began <= PROMISED_SECONDS, what
        assert set(ended) == {"the read under way", "a listing", "a new look", "new keys"}
        assert max(ended.values()) <= PROMISED_SECONDS
    finally:
        await client.aclose()


@pytest.mark.parametrize("delivery", ["proxied", "direct"])
async def test_previews_of_bytes_that_are_at_hand_stop_within_a_minute_too(
    control: ControlBed, bed: S3Bed, monkeypatch: pytest.MonkeyPatch, delivery: str
) -> None:
    clock = MovedClock(monkeypatch, bed)
    client = AsyncControlClient(control.url + PREFIX.rstrip("/"), control.bob)
    # finished previews are not kept, so that each is made anew
    previews = Previews(Limits(8 << 20, 60, 60, 1 << 30), 0, 1 << 20, Overviews("", 0, None, 0, None))
    try:
        readers = Readers(client, CATALOGUE_SECONDS)

        async def look() -> int:
            wish = Wish("x.txt", None, "asinh", "percentile", "gray")
            return (await previews.look(await readers.get(delivery), wish)).preview.bytes_read

        assert await look() == 5
        for _ in range(PROMISED_SECONDS // STEP_SECONDS):  # it is not the clock that ends it
            clock.move()
            assert await look() == 0
        began, ended = clock.moved_seconds, 0.0

        control.hub.tokens[control.bob]["groups"] = ["astro"]
        while not ended and clock.moved_seconds - began < PROMISED_SECONDS:
            clock.move()
            try:
                assert await look() == 0
            except (perijove.NotFound, perijove.Refused):
                ended = clock.moved_seconds - began
        assert 0 < ended <= PROMISED_SECONDS
    finally:
        await previews.close()
        await client.aclose()


async def _look(readers: Readers) -> None:
    await (await readers.get("proxied")).open("x.bin", 0, 10)
