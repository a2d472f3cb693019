"""This process as a kernel of a user, of the real control service of ``control_bed`` or of the stand-in for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import perijove
from perijove.filesystem import close_connections

from .control import TOKEN, FakeControl, threaded_control

if TYPE_CHECKING:
    from .control_bed import ControlBed  # it brings the whole hub, which most tests of kernels do without


@contextmanager
def kernel_of(control: ControlBed, token: str, cache: Path) -> Iterator[None]:
    """Within it, ``perijove.open`` asks this control with this token. Call it from threads: control is in the loop."""
    control.clock.now = datetime.now(UTC)  # what control and stores say of when things expire is held together
    with _kernel(control.service_url, token, cache):
        yield


@contextmanager
def kernel_of_fake_control(cache: Path) -> Iterator[FakeControl]:
    """A stand-in for control, which ``perijove.open`` asks within it."""
    with threaded_control() as control, _kernel(control.url, TOKEN, cache):
        yield control


@contextmanager
def _kernel(url: str, token: str, cache: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(cache))
        patched.setenv("PERIJOVE_CONTROL_URL", url)
        patched.setenv("JUPYTERHUB_API_TOKEN", token)
        try:
            yield
        finally:
            close_connections()


def read(path: str) -> bytes:
    """All of a file, as a kernel reads it."""
    with perijove.open(path) as file:
        data: bytes = file.read()
        return data
