"""This process as a kernel of a user, whose control service is the real one of ``control_bed``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from perijove.filesystem import close_connections

from .control_bed import PREFIX, ControlBed


@contextmanager
def kernel_of(control: ControlBed, token: str, cache: Path) -> Iterator[None]:
    """Within it, ``perijove.open`` asks this control with this token. Call it from threads: control is in the loop."""
    control.clock.now = datetime.now(UTC)  # what control and stores say of when things expire is held together
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(cache))
        patched.setenv("PERIJOVE_CONTROL_URL", f"{control.url}{PREFIX}".rstrip("/"))
        patched.setenv("JUPYTERHUB_API_TOKEN", token)
        try:
            yield
        finally:
            close_connections()
