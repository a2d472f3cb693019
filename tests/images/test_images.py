"""What each image installs is installed in a fresh environment, by the commands of its Dockerfile, and imported."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "images/Dockerfile").read_text()
IMAGES = ("hub", "services", "gateway", "user")
#: Packages come over a network whose speed is not ours; so does all else of a test run that installs them.
pytestmark = pytest.mark.timeout(900)


def stages() -> dict[str, list[str]]:
    """The instructions of each stage, in order."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in re.sub(r"\\\n", " ", DOCKERFILE).splitlines():
        if match := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            lines = found.setdefault(match[2], [line])
        elif line and not line.startswith("#"):
            lines.append(line)
    return found


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree; what is built for the browser is there already."""
    directory = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*command, "--no-build-isolation", "--wheel-dir", str(directory), str(ROOT)], check=True)
    return directory


@pytest.mark.parametrize("image", IMAGES)
def test_what_an_image_installs_can_be_imported(tmp_path: Path, wheels: Path, image: str) -> None:
    assert f"RUN /opt/perijove/install.sh {image} && python /opt/perijove/check.py {image}" in stages()[image]
    venv.create(tmp_path / "venv", with_pip=True, symlinks=True)
    env = {
        **os.environ,
        "PATH": f"{tmp_path / 'venv/bin'}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "PERIJOVE_WHEELS": str(wheels),
        "PERIJOVE_CONSTRAINTS": str(ROOT / "constraints.txt"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # most of what is installed is never imported here, and to compile it takes longer than all else
        "PIP_NO_COMPILE": "1",
    }
    for command in ([str(ROOT / "images/install.sh"), image], ["python", str(ROOT / "images/check.py"), image]):
        done = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_charts_command_starts_our_controller_and_all_else_of_dask_gateways(tmp_path: Path) -> None:
    copied = "COPY --chmod=755 images/dask-gateway-server /opt/perijove/bin/"
    assert stages()["gateway"][2:4] == [copied, "ENV PATH=/opt/perijove/bin:$PATH"]
    env = {**os.environ, "PATH": f"{ROOT / 'images'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}/usr/bin:/bin"}
    ours = {("kube-controller",): "PerijoveKubeController", (): "DaskGateway", ("proxy",): "ProxyApp"}
    for asked, options in ours.items():
        command = ["dask-gateway-server", *asked, "--help-all"]
        done = subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True, text=True)
        assert f"--{options}." in done.stdout


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_an_ordinary_account_on_a_pinned_base(image: str) -> None:
    lines = stages()[image]
    assert lines[0] == f"FROM base AS {image}"
    [user] = [line for line in lines if line.startswith("USER ")]
    assert user == "USER 1000:100"
    # nothing is installed as that account, and nothing runs as root after it
    assert not [line for line in lines[lines.index(user) :] if line.startswith("RUN ")]
    bases = re.findall(r"^ARG \w+_IMAGE=\S+:(\S+)$", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert all(re.match(r"\d+\.\d+\.\d+-", tag) for tag in bases)


def test_every_file_that_the_build_copies_is_in_its_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "**"
    kept = {line.removeprefix("!").split("/")[0] for line in ignored if line.startswith("!")}
    assert {"constraints.txt", "images", "pyproject.toml", "package-lock.json", "hub_ext", "server_ext"} <= kept
    assert kept <= {path.name for path in ROOT.iterdir()}


def test_an_image_that_there_is_not_is_refused(wheels: Path) -> None:
    env = {**os.environ, "PERIJOVE_WHEELS": str(wheels)}
    command = [str(ROOT / "images/install.sh"), "moon"]
    done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "no image moon: expected hub, services, gateway or user\n")
