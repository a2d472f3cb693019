"""A platform of one control and two stores, with this process as a kernel of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.control import FakeControl
from tests.support.kernel import kernel_of_fake_control
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
def control(tmp_path: Path) -> Iterator[FakeControl]:
    with kernel_of_fake_control(tmp_path / "cache") as control:
        yield control
