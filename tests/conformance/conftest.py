"""A real control plane with a node of processes, which the tests of this folder share; and the report of the probe."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.control_plane import ControlPlane, Missing
from tests.support.kube import KubeBed, NodeSpec
from tests.support.kube.probe_target import Target
from tests.support.kube.process_node import ProcessNode

from .report import Report

#: Where the report of the probe is written; nowhere unless this is set, as `make conformance` does.
REPORT_VARIABLE = "PERIJOVE_CONFORMANCE_REPORT"


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """One that is ready: address, token, authority, kubeconfigs, and accounts with rights to order."""
    directory = Path(tempfile.mkdtemp(prefix="perijove-plane-"))  # for its owner only, and shorter than pytest's own
    try:
        with ControlPlane(directory) as plane:
            yield plane
    except Missing as missing:
        pytest.skip(str(missing))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def process_node(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessNode]:
    """A node on which the pods of that control plane run."""
    directory = tmp_path_factory.mktemp("node")
    plane, spec = control_plane, NodeSpec("node-1")
    with ProcessNode(plane.url, plane.token, plane.authority, directory, spec, back_off_seconds=0.5) as node:
        yield node


@pytest.fixture(scope="session")
def real(control_plane: ControlPlane, process_node: ProcessNode) -> Target:
    """The real control plane, as the probe sees it."""
    return control_plane.target


@pytest.fixture(scope="session")
def emulated() -> Iterator[Target]:
    """The emulated one, as the probe sees it."""
    with KubeBed(tls=True, back_off_seconds=0.5) as bed:
        target = Target(bed.url, bed.token, bed.add_account, bed.compact, bed.authority)
        yield target
        target.close()


@pytest.fixture(scope="session")
def report(control_plane: ControlPlane, emulated: Target) -> Iterator[Report]:
    """Filled by the checks, and written when all of them are through."""
    report = Report(control_plane.version, control_plane.etcd_version, emulated.get("/version")["gitVersion"])
    yield report
    report.ready_seconds = control_plane.ready_seconds
    if path := os.environ.get(REPORT_VARIABLE):
        report.write(Path(path))
