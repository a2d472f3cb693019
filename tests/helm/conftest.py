from __future__ import annotations

import pytest

from tests.support.helm import Charts, copy_charts


@pytest.fixture(scope="session")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Charts:
    return copy_charts(tmp_path_factory.mktemp("charts"))
