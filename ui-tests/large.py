"""Plays a user of large folders in a real browser, on a JupyterLab beside a store with a hundred thousand names.

There is no hub and no demo here: control is the tests' stand-in and the store their S3 bed, both on loopback, so that
what is measured is the Data panel and the server behind it. Arguments go to Playwright.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.control import TOKEN, FakeControl, FakeReplica, threaded_control  # noqa: E402 - the path is set above
from tests.support.jupyter import SERVER_TOKEN, jupyter_server  # noqa: E402
from tests.support.s3 import S3Bed, threaded_bed  # noqa: E402

NAMES = 100_000
#: So many entries of an archive that knows no filter are more than are looked through without being asked to.
LINKED = 60


def main(arguments: list[str]) -> int:
    """Run the browser tests; the exit code is Playwright's."""
    with large_lab() as url:
        environment = {**os.environ, "PERIJOVE_LARGE_URL": url}
        command = [str(ROOT / "node_modules/.bin/playwright"), "test", "--config", "large.config.ts", *arguments]
        return subprocess.run(command, cwd=ROOT / "ui-tests", env=environment, check=False).returncode


@contextmanager
def large_lab() -> Iterator[str]:
    """The address of a Lab, with its token."""
    with threaded_bed() as bed, threaded_control() as control, tempfile.TemporaryDirectory() as directory:
        fill(bed, control)
        environment = {"PERIJOVE_CONTROL_URL": control.url, "JUPYTERHUB_API_TOKEN": TOKEN, "PERIJOVE_CURRENCY": "EUR"}
        environment["JUPYTERLAB_SETTINGS_DIR"] = str(without_news(Path(directory) / "settings"))
        quiet = [f"--PerijoveServer.{each}_seconds=3600" for each in ("heartbeat", "notices", "clusters")]
        options = [*quiet, "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
        extensions = ("jupyterlab",)
        with jupyter_server(Path(directory), environment, *options, extensions=extensions, log_level="INFO") as server:
            yield f"{server.url}lab?token={SERVER_TOKEN}"


def without_news(settings: Path) -> Path:
    """Settings of a Lab that does not ask whether to be told the news."""
    path = settings / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    path.parent.mkdir(parents=True)
    path.write_text('{"fetchNews": "false"}')
    return settings


def fill(bed: S3Bed, control: FakeControl) -> None:
    """A folder of many names, one with names that can be no path, and an archive that knows no filter."""
    bed.make_bucket("big")
    bed.put_many("big", (f"flat/tile-{number:06}.fits" for number in range(NAMES)), size_bytes=2880)
    for key in ("few/image.fits", "few/notes.txt", "few/deep/er/x.txt", "few/odd//name", "few/odd/..", "few/odd/a"):
        bed.put("big", key, b"x")
    control.add("flat", FakeReplica("near", bed, "big", "flat/"), title="A hundred thousand tiles", formats=["FITS"])
    control.add("few", FakeReplica("near", bed, "big", "few/"), title="A few files", formats=["FITS", "text"])
    archive = {"title": "An archive of others", "catalogue": "earth", "delivery": "linked", "formats": ["COG"]}
    control.add("earth.scenes", FakeReplica("earth", bed, "big"), **archive)
    control.trees["earth.scenes", ""] = [
        {"name": f"scene-{number}", "path": f"scene-{number}", "type": "file", "size_bytes": 5, "modified": None}
        for number in range(LINKED)
    ]
    source = {"kind": "stac", "error": None, "harvested": None}
    control.catalogues = [
        {**source, "id": "platform", "title": "This platform", "state": "live", "datasets": 2},
        {**source, "id": "earth", "title": "Earth", "state": "live", "datasets": 1},
        {**source, "id": "sky", "title": "Sky", "state": "dead", "datasets": 0, "error": "It did not answer in time."},
    ]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
