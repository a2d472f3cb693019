"""A real JupyterLab on a home whose disk is full to the last byte: the rescue comes up, and frees it."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from perijove.models import Resources
from perijove_hub.sites import Handle, LocalProcesses, StartSpec, Status

#: What a spawner would start, less the hub.
LAB = """
import os, sys
from urllib.parse import urlsplit
from jupyterlab.labapp import LabApp
url = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
sys.argv[1:] = [f"--port={url.port}", f"--ServerApp.base_url={url.path}", "--no-browser", "--allow-root",
    "--IdentityProvider.token=", "--ServerApp.port_retries=0"]
LabApp.launch_instance()
"""


@pytest.fixture
def full_home(tmp_path: Path) -> Iterator[Path]:
    """A home on a disk of its own, which is full."""
    home = tmp_path / "esac/homes/ana"
    home.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(home)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"only root may mount a disk: {mounted.stderr.decode().strip()}")
    try:
        _fill(home / "data")
        yield home
    finally:
        subprocess.run(["umount", "--lazy", str(home)], check=True)


def _fill(path: Path) -> None:
    data = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(data, b"x" * 4096)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    finally:
        os.close(data)


def _until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def _answers(handle: Handle) -> bool:
    try:
        return httpx.get(f"{handle.url}/user/ana/api").status_code == 200
    except httpx.TransportError:
        return False


def test_lab_comes_up_on_a_full_disk_as_a_rescue_and_the_home_can_be_cleaned_up(
    full_home: Path, tmp_path: Path
) -> None:
    site = LocalProcesses("esac", tmp_path / "esac", {"esac": tmp_path / "esac/homes"})
    spec = StartSpec(
        owner="ana",
        command=[sys.executable, "-c", LAB],
        env={"PERIJOVE_RESCUE": "1"},
        resources=Resources(cpu=1, memory_gib=1),
        path="/user/ana/",
        home_site="esac",
        rescue=True,
    )
    handle = asyncio.run(site.start(spec, uuid.uuid4().hex))
    try:
        _until(lambda: _answers(handle))
        assert asyncio.run(site.poll(handle)) is Status.RUNNING
        with httpx.Client(base_url=f"{handle.url}/user/ana/", follow_redirects=True) as browser:
            page = browser.get("perijove/cleanup")
            assert page.status_code == 200
            assert "data" in page.text
            assert browser.get("lab").status_code == 200
            # what Jupyter itself writes has gone elsewhere, so the disk is as full as before
            assert [path.name for path in full_home.iterdir()] == ["data"]
            xsrf = {"X-XSRFToken": browser.cookies["_xsrf"]}
            assert browser.delete("api/contents/data", headers=xsrf).status_code == 204
        assert not (full_home / "data").exists()
        (full_home / "data").write_bytes(b"x" * 4096)
    finally:
        asyncio.run(site.stop(handle))
