"""The bed of the tests and a real gateway answer the same probe: what passes on the bed means something."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from perijove_demo.clouds import CONTROL_KEY, ROOT_KEY, read_only_policy
from tests.support.gateway import running_cloud
from tests.support.s3 import User, threaded_bed
from tests.support.s3.policy import parse_policy_document
from tests.support.s3.probe import BUCKET, CHECKS, Target
from tests.support.s3.probe_edges import EDGES


@pytest.fixture(scope="module")
def bed_target() -> Iterator[Target]:
    reader = User("reader-secret", parse_policy_document(read_only_policy([BUCKET])))
    with threaded_bed({"root": "root-secret", "reader": reader}) as bed:
        target = Target(bed.endpoint, ("root", "root-secret"), ("reader", "reader-secret"))
        target.fill()
        yield target


@pytest.fixture(scope="module")
def gateway_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with running_cloud(tmp_path_factory.mktemp("cloud"), [BUCKET]) as cloud:
        target = Target(cloud.endpoint, (ROOT_KEY, cloud.root_secret), (CONTROL_KEY, cloud.control_secret))
        target.fill()
        yield target


@pytest.mark.parametrize("check", CHECKS + EDGES, ids=lambda check: check.__name__)
@pytest.mark.parametrize("server", ["bed", "gateway"])
def test_server_passes_the_probe(server: str, check: Callable[[Target], None], request: pytest.FixtureRequest) -> None:
    check(request.getfixturevalue(f"{server}_target"))
