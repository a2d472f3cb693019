"""What every test of the demo works with."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from perijove_demo.state import FIRST_START_BYTES


@pytest.fixture(autouse=True)
def roomy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with room for a demo: none of these tests fills one, and the machine's own may be nearly full."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=2 * FIRST_START_BYTES))
