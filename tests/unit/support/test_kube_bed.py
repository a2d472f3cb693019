"""The emulated cluster passes the probe of API semantics, which a real control plane passes, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.kube import KubeBed
from tests.support.kube.probe import CHECKS, Check
from tests.support.kube.probe_target import Target


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with KubeBed(tls=True, back_off_seconds=0.2) as bed:
        target = Target(bed.url, bed.token, bed.add_account, bed.compact, bed.authority)
        yield target
        target.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_bed_passes_the_probe(check: Check, target: Target) -> None:
    check(target)
