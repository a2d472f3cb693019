"""F23: the service that vends credentials is away. What is open goes on to its end, what is new is told why not.

And nothing falls back to wider rights: the store hears only the credentials that were vended for this dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import perijove
from tests.support.control import FakeControl, FakeReplica
from tests.support.kernel import kernel_of_fake_control
from tests.support.s3 import S3Bed, threaded_bed

BODY = bytes(range(256)) * (64 << 10)
AWAY = ["drop"] * 1000


@pytest.fixture
def bed() -> Iterator[S3Bed]:
    with threaded_bed({"admin": "admin-secret", "wide": "wide-secret"}) as bed:
        bed.put("archive", "sky/m13.fits", BODY)
        bed.put("archive", "sea/sst.nc", BODY)
        yield bed


@pytest.fixture(params=["direct", "proxied"])
def control(
    request: pytest.FixtureRequest, bed: S3Bed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[FakeControl]:
    monkeypatch.setenv("PERIJOVE_CACHE_BYTES", "0")
    # what a careless client would fall back to; the store would take them
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wide")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wide-secret")
    with kernel_of_fake_control(tmp_path) as control:
        for name in ("sky", "sea"):
            control.add(name, FakeReplica("esac", bed, "archive", f"{name}/"), delivery=request.param)
        yield control


def test_what_is_open_goes_on_and_what_is_new_is_told_why_not(control: FakeControl, bed: S3Bed) -> None:
    with perijove.open("sky/m13.fits") as file:
        assert file.read(1000) == BODY[:1000]
        control.faults.extend(AWAY)

        file.seek(12 << 20)
        assert file.read(1000) == BODY[12 << 20 :][:1000]
        before = sum(bed.counters.values())
        with pytest.raises(perijove.ControlUnavailable, match=r"^[^\n]+did not answer[^\n]+try again in a minute\.$"):
            perijove.open("sea/sst.nc")

    # the store was not asked for the other dataset, by nobody's credentials
    assert sum(bed.counters.values()) == before


def test_the_end_of_the_credentials_is_the_end_and_no_wider_ones_are_tried(
    control: FakeControl, bed: S3Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perijove.credentials.TRUSTED_SECONDS", 0.0)  # as if they had been vended an hour ago
    with perijove.open("sky/m13.fits") as file:
        file.read(1000)
        control.faults.extend(AWAY)
        bed.clock_offset_seconds = 2 * 3600  # what was vended is over for the store

        file.seek(12 << 20)
        with pytest.raises((perijove.ControlUnavailable, perijove.Refused), match=r"^[^\n]+\.$"):
            file.read(1000)

    keys = {request.access_key for request in bed.requests}
    assert keys
    assert "wide" not in keys
    if control.datasets["sky"].delivery == "direct":  # else control itself signs, by the keys that it holds
        assert "admin" not in keys


def test_when_it_is_back_everything_opens(control: FakeControl) -> None:
    control.faults.extend(AWAY)
    with pytest.raises(perijove.ControlUnavailable):
        perijove.open("sky/m13.fits")
    control.faults.clear()

    with perijove.open("sky/m13.fits") as file:
        assert file.read() == BODY
