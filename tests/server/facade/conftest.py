"""One façade, one control and one bed; each test has datasets of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.conftest import Dataset, MakeDataset
from tests.support.control import FakeControl
from tests.support.facade import RunningFacade, running_facade


@pytest.fixture(scope="session")
def facade(session_control: FakeControl) -> Iterator[RunningFacade]:
    with running_facade(session_control) as facade:
        yield facade


@pytest.fixture(autouse=True)
def as_a_kernel(facade: RunningFacade, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERIJOVE_DATA_URL", facade.url)
    monkeypatch.setenv("PERIJOVE_DATA_KEY", facade.key)


@pytest.fixture(params=["direct", "proxied"])
def data(request: pytest.FixtureRequest, make_dataset: MakeDataset) -> Dataset:
    return make_dataset(delivery=request.param)
