"""One platform of real processes for all tests of a module: starting it costs seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.bed import Bed


@pytest.fixture(scope="module")
def bed_settings() -> dict[str, Any]:
    """What is different about the bed of a module: the arguments of :class:`~tests.support.bed.Bed`."""
    return {}


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory, bed_settings: dict[str, Any]) -> Iterator[Bed]:
    """The bed."""
    bed = Bed(tmp_path_factory.mktemp("bed"), **bed_settings)
    try:
        bed.start()
        yield bed
    finally:
        bed.stop()
