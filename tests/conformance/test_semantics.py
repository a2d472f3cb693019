"""The emulated cluster and a real control plane pass the same probe: what passes on the one means something."""

from __future__ import annotations

import pytest

from tests.support.kube.probe import BED_ONLY, CHECKS, Check

from .report import Report


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("server", ["emulated", "real"])
def test_the_server_passes_the_probe(server: str, check: Check, report: Report, request: pytest.FixtureRequest) -> None:
    if server == "real" and check in BED_ONLY:
        pytest.skip(BED_ONLY[check])
    report.note(server, check, passed=False)
    check(request.getfixturevalue(server))
    report.note(server, check, passed=True)
