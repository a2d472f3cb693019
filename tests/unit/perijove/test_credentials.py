from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

import perijove
from perijove.credentials import CredentialSource
from perijove.errors import ControlUnavailable
from perijove.models import Credentials
from tests.support.control import FakeControl, FakeReplica
from tests.support.s3 import S3Bed

CREDENTIALS = "POST datasets/demo/credentials"


@pytest.fixture
def demo(control: FakeControl, bed: S3Bed) -> FakeControl:
    control.add("demo", FakeReplica("near", bed, "bucket"))
    bed.put("bucket", "x.bin", b"x" * 100_000)
    return control


def test_one_open_file_outlives_its_credentials(demo: FakeControl, bed: S3Bed) -> None:
    demo.life_seconds = 1.0
    with perijove.open("demo/x.bin", block_size=1000, cache_type="none") as file:
        deadline = time.monotonic() + 2.4
        while time.monotonic() < deadline:
            assert file.read(10) == b"x" * 10
            time.sleep(0.05)

    keys = {request.access_key for request in bed.requests}
    assert 3 <= len(keys) <= demo.calls[CREDENTIALS] <= 5
    assert {request.status for request in bed.requests} <= {200, 206}


def test_many_readers_at_once_fetch_credentials_once(demo: FakeControl) -> None:
    with ThreadPoolExecutor(16) as threads:
        bodies = list(threads.map(lambda _: perijove.open("demo/x.bin").read(), range(32)))

    assert {len(body) for body in bodies} == {100_000}
    assert demo.calls[CREDENTIALS] == 1


def test_credentials_that_end_early_are_replaced(
    demo: FakeControl, bed: S3Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perijove.credentials.TRUSTED_SECONDS", 0.0)
    with perijove.open("demo/x.bin", cache_type="none") as file:
        file.read(10)
        bed.clock_offset_seconds = 5000.0  # the store's sessions are over now, whatever control said
        demo.life_seconds = 9000.0

        assert file.read(10) == b"x" * 10
    assert demo.calls[CREDENTIALS] == 2


def test_while_control_is_away_the_credentials_at_hand_serve_to_their_end(demo: FakeControl) -> None:
    demo.life_seconds = 2.5
    with perijove.open("demo/x.bin", cache_type="none") as file:
        file.read(10)
        time.sleep(1.9)  # past the renewal
        demo.faults.extend([503] * 4)

        assert file.read(10) == b"x" * 10


def test_a_dataset_taken_back_gives_no_new_credentials(demo: FakeControl) -> None:
    demo.life_seconds = 1.0
    with perijove.open("demo/x.bin", cache_type="none") as file:
        file.read(10)
        time.sleep(1.1)
        del demo.datasets["demo"]

        with pytest.raises(perijove.NotFound):
            file.read(10)


async def test_credentials_are_used_until_a_quarter_hour_before_their_end() -> None:
    fetched: list[Credentials] = []

    async def fetch() -> Credentials:
        await asyncio.sleep(0)
        life = timedelta(hours=1)
        fetched.append(
            Credentials(
                dataset="x",
                replica="y",
                kind="sts",
                endpoint=None,
                region="r",
                bucket="b",
                prefix="",
                expires=datetime.now(UTC) + life,
            )
        )
        return fetched[-1]

    source = CredentialSource(fetch)
    await asyncio.gather(*(source.get() for _ in range(20)))

    assert len(fetched) == 1
    assert source.renew_at is not None
    assert timedelta(minutes=44) < source.renew_at - datetime.now(UTC) <= timedelta(minutes=45)


async def test_without_anything_at_hand_controls_absence_is_an_error() -> None:
    async def fetch() -> Credentials:
        raise ControlUnavailable("Control is away.")

    with pytest.raises(ControlUnavailable):
        await CredentialSource(fetch).get()


def test_credentials_do_not_show_themselves() -> None:
    credentials = Credentials(
        dataset="x",
        replica="y",
        kind="sts",
        endpoint=None,
        region="r",
        bucket="b",
        prefix="",
        access_key_id="id",
        secret_access_key="canary-1",
        session_token="canary-2",
    )

    assert "canary" not in repr(credentials) + str(credentials)
