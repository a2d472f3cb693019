"""One platform of real processes for all tests of a module: starting it costs seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.bed import Bed


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    bed = Bed(tmp_path_factory.mktemp("bed"))
    try:
        bed.start()
        yield bed
    finally:
        bed.stop()
