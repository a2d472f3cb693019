from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.support.control import TOKEN, FakeControl
from tests.support.fits import cone, fits_bytes
from tests.support.jupyter import JupyterServer

from .conftest import Dataset, MakeDataset

QUOTA = {"name": "two-labs", "resource": "sessions", "unit": "sessions", "limit": 2.0, "used": 1.0, "per": "user"}
LEASE = {
    "id": "lease-1",
    "attempt_id": "0" * 32,
    "owner": "scientist",
    "kind": "session",
    "name": "",
    "site": "esac",
    "state": "active",
    "resources": {"cpu": 1, "memory_gib": 2},
    "created": datetime.now(UTC).isoformat(),
    "started": None,
    "ended": None,
    "reason": None,
    "cost": 0.5,
    "explanation": {"summary": "ESAC: it holds euclid-demo"},
}
AIA = Path(str(files("sunpy"))) / "data/test/aia_171_level1.fits"
RICE = Path(str(files("astropy"))) / "io/fits/hdu/compressed/tests/data/m13_rice.fits"


def test_usage_is_quotas_lease_and_currency(server: JupyterServer, control: FakeControl) -> None:
    control.quotas[:] = [QUOTA | {"state": "ok"}]
    assert server.get("usage").json()["lease"] is None

    control.leases["lease-1"] = LEASE
    usage = server.get("usage").json()

    assert usage["quotas"][0] | QUOTA == usage["quotas"][0]
    assert usage["lease"]["explanation"]["summary"] == "ESAC: it holds euclid-demo"
    assert usage["currency"] == "EUR"


def test_datasets_are_searched_paged_and_kept_for_a_while(server: JupyterServer, control: FakeControl) -> None:
    for number in range(5):
        control.add(f"paged-{number}", title=f"Paged {number}")
    control.calls.clear()

    first = server.get("datasets", q="paged").json()
    second = server.http.get(str(server.http.base_url.join(first["next"]))).json()
    again = server.get("datasets", q="paged").json()

    assert [item["id"] for item in first["items"] + second["items"]] == [f"paged-{number}" for number in range(4)]
    assert again == first
    assert control.calls == {"GET datasets": 2}


def test_a_search_is_not_kept_while_a_catalogue_has_not_been_heard(server: JupyterServer, control: FakeControl) -> None:
    view = {"id": "other", "title": "Other", "kind": "stac", "error": None, "harvested": None, "datasets": 0}
    control.catalogues = [view | {"state": "pending"}]
    try:
        server.get("datasets", q="nothing is named so")
        control.catalogues = [view | {"state": "live"}]
        again = server.get("datasets", q="nothing is named so").json()
    finally:
        control.catalogues = []

    assert [catalogue["state"] for catalogue in again["catalogues"]] == ["live"]


def run(code: str, control: FakeControl, tmp_path: Path) -> str:
    """Run code in a Python of its own, with what a kernel has in its environment; what it prints."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "MPLBACKEND": "agg",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "server_ext"),
        "PERIJOVE_CONTROL_URL": control.url,
        "JUPYTERHUB_API_TOKEN": TOKEN,
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, code + done.stdout + done.stderr
    return done.stdout


def snippet(server: JupyterServer, dataset: Dataset, **asked: object) -> str:
    answer = server.get(dataset.route("snippet"), **asked)
    assert answer.status_code == 200, answer.text
    assert answer.json()["language"] == "python"
    code: str = answer.json()["code"]
    return code


@pytest.mark.parametrize("delivery", ["direct", "proxied"])
def test_the_code_for_images_runs_as_it_stands(
    server: JupyterServer, control: FakeControl, make_dataset: MakeDataset, tmp_path: Path, delivery: str
) -> None:
    dataset = make_dataset(delivery=delivery)
    dataset.put("sun 'x'.fits", AIA.read_bytes())
    dataset.put("m13.fits", RICE.read_bytes())
    dataset.put("big.fits", fits_bytes(fits.PrimaryHDU(cone(3000, (1500, 1500)))))
    dataset.put("cube.fits", fits_bytes(fits.ImageHDU(np.ones((2, 3, 20, 30), "f4"))))

    codes = [snippet(server, dataset, path=path) for path in ("sun 'x'.fits", "m13.fits", "big.fits", "cube.fits")]

    assert "WCS(hdu.header).celestial" in codes[0]
    assert "hdu.section[988:2012, 988:2012]" in codes[2]
    assert "hdu.section[0, 0, :, :]" in codes[3]
    run("\n".join(f"{code}plt.close()\n" for code in codes), control, tmp_path)


def test_the_code_for_a_large_image_shows_its_overview_beside_the_cutout_and_runs(
    server: JupyterServer, control: FakeControl, dataset: Dataset, tmp_path: Path
) -> None:
    big = cone(2048, (1000, 1000))
    overview = fits.ImageHDU(big[::8, ::8], name="OVERVIEW")
    overview.header["OVRFACT"] = 8
    image = fits.ImageHDU(big)
    for header, factor in ((overview.header, 8), (image.header, 1)):
        header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRPIX1=1024 / factor, CRPIX2=1024 / factor)
        header.update(CDELT1=-1e-4 * factor, CDELT2=1e-4 * factor, CRVAL1=10.0, CRVAL2=20.0)
    dataset.put("big.fits", fits_bytes(fits.PrimaryHDU(), overview, image))

    code = snippet(server, dataset, path="big.fits")

    assert "whole = hdus[1].section[:, :]" in code
    assert "image = hdu.section[512:1536, 512:1536]" in code
    said = run(code + "print(len(plt.gcf().axes), whole.shape, image.shape)\n", control, tmp_path)
    assert said == "2 (256, 256) (1024, 1024)\n"


def test_the_code_for_all_else_runs_as_it_stands(
    server: JupyterServer, control: FakeControl, dataset: Dataset, tmp_path: Path
) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("stars", "J", array=[41, 42])])
    dataset.put("table.fits", fits_bytes(table))
    dataset.put("empty.fits", fits_bytes(fits.PrimaryHDU()))
    dataset.put("notes.txt", b"first line\nsecond line\n")
    dataset.put("sub/data.nc", b"CDF\x01\0\0")

    paths = ("table.fits", "empty.fits", "notes.txt", "sub/data.nc", "sub", "")
    said = run("\n".join(snippet(server, dataset, path=path) for path in paths), control, tmp_path)

    assert "second line" in said
    assert "6 bytes" in said
    assert f"{dataset.id}/sub/data.nc" in said
    assert f"{dataset.id}/notes.txt" in said


def test_names_enter_the_code_as_text_only(server: JupyterServer, dataset: Dataset) -> None:
    name = "x') ; __import__('os').abort() #.txt"
    dataset.put(name, b"hello")

    code = snippet(server, dataset, path=name)

    assert repr(f"{dataset.id}/{name}") in code
    compile(code, "snippet", "exec")


def test_code_for_what_is_not_there_is_not_found(server: JupyterServer, dataset: Dataset) -> None:
    assert server.get(dataset.route("snippet"), path="nope").status_code == 404
