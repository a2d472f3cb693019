"""A real control plane with a node of processes, which these tests share; and the report of what they find."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.control_plane import ControlPlane, Missing
from tests.support.helm import Charts, copy_charts
from tests.support.kube import KubeBed, NodeSpec
from tests.support.kube.probe_target import Target
from tests.support.kube.process_node import ProcessNode
from tests.support.releases import Releases

from .report import Report

#: Where the report is written; nowhere unless this is set, as `make conformance` does.
REPORT_VARIABLE = "PERIJOVE_CONFORMANCE_REPORT"
#: What became of the tests beside the probe, by the first line of their file and their names.
RAN = pytest.StashKey[dict[tuple[str, str], str]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Notes for the report how a test went that is none of the probe's."""
    made = yield
    module = getattr(item, "module", None)
    if module is not None and "check" not in item.fixturenames and (made.when == "call" or not made.passed):
        name = item.name.removeprefix("test_").replace("_", " ").replace(" s ", "'s ")
        name = name.replace("[", ": ").removesuffix("]")
        about = (module.__doc__ or "").splitlines()[0].rstrip(".")
        item.config.stash.setdefault(RAN, {})[about, name] = "passed" if made.passed else f"**{made.outcome}**"
    return made


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
def charts(tmp_path_factory: pytest.TempPathFactory) -> Charts:
    """Our charts, with stubs of those that they stand on."""
    return copy_charts(tmp_path_factory.mktemp("charts"))


@pytest.fixture(scope="session")
def releases(
    control_plane: ControlPlane, process_node: ProcessNode, charts: Charts, tmp_path_factory: pytest.TempPathFactory
) -> Releases:
    """What an admin of the real control plane installs."""
    directory = tmp_path_factory.mktemp("releases")
    # what the notes call the cluster of the hub is this one, too
    control_plane.target.make("/api/v1/namespaces", {"metadata": {"name": "perijove-hub"}})
    return Releases(charts, control_plane.kubeconfig(directory / "kubeconfig", "perijove-hub"))


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
def report(
    request: pytest.FixtureRequest, control_plane: ControlPlane, emulated: Target, charts: Charts
) -> Iterator[Report]:
    """Filled by the checks, and written when all tests are through."""
    report = Report(
        control_plane.version,
        control_plane.etcd_version,
        emulated.get("/version")["gitVersion"],
        charts.run(["version", "--template", "{{.Version}}"]),
        request.config.stash.setdefault(RAN, {}),
    )
    yield report
    report.ready_seconds = control_plane.ready_seconds
    if path := os.environ.get(REPORT_VARIABLE):
        report.write(Path(path))
