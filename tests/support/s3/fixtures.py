"""Pytest fixtures of the bed: name this module in ``pytest_plugins`` of a conftest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .bed import S3Bed
from .threaded import threaded_bed


@pytest.fixture
def s3_bed() -> Iterator[S3Bed]:
    """An empty bed with one user, ``admin`` with ``admin-secret``; it runs in a thread, so any test may use it."""
    with threaded_bed() as bed:
        yield bed
