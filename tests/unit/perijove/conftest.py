"""A platform of one control and two stores, with this process as a kernel of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from perijove.filesystem import close_connections
from tests.support.control import TOKEN, FakeControl, threaded_control
from tests.support.s3 import S3Bed, threaded_bed


@pytest.fixture
def bed() -> Iterator[S3Bed]:
    with threaded_bed() as bed:
        bed.make_bucket("bucket")
        yield bed


@pytest.fixture
def other_bed() -> Iterator[S3Bed]:
    with threaded_bed() as bed:
        bed.make_bucket("bucket")
        yield bed


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeControl]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with threaded_control() as control:
        monkeypatch.setenv("PERIJOVE_CONTROL_URL", control.url)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", TOKEN)
        yield control
        close_connections()
