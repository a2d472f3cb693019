"""Pytest fixtures of the bed: name this module in ``pytest_plugins`` of a conftest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .bed import KubeBed


@pytest.fixture
def kube_bed() -> Iterator[KubeBed]:
    """A cluster of one large node with the namespace ``science``, where each failed start is tried again soon."""
    with KubeBed(namespaces=["default", "science"], back_off_seconds=0.2) as bed:
        yield bed
