"""Windows of files that are not what they seem: a picture of a part or one sentence, and no end of the process."""

from __future__ import annotations

import io

import numpy as np
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.support import arrays, samples
from tests.support.fits import fits_bytes
from tests.support.jupyter import JupyterServer

from .conftest import Dataset

PIXELS = np.arange(64 * 48, dtype="i2").reshape(48, 64)


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").save(file, "JPEG")
    return file.getvalue()


FILES = {
    "x.fits": fits_bytes(fits.PrimaryHDU(PIXELS), fits.ImageHDU(PIXELS[::2, ::2], name="OVERVIEW")),
    "lines.fits.fz": fits_bytes(fits.CompImageHDU(PIXELS, compression_type="RICE_1")),
    "tiles.fits.fz": fits_bytes(fits.CompImageHDU(PIXELS, compression_type="GZIP_2", tile_shape=(16, 16))),
    "strips.tif": samples.geotiff(PIXELS, "GTiff", compress="deflate"),
    "tiles.tif": samples.geotiff(PIXELS, "GTiff", tiled=True, blockxsize=16, blockysize=16),
    "x.h5": arrays.hdf5(image=PIXELS),
    "x.nc": arrays.netcdf4(),
    "classic.nc": arrays.netcdf3(),
    "x.grib": arrays.grib(),
    "x.jpg": jpeg(),
}
SIDES = st.one_of(st.integers(0, 80), st.sampled_from([2**31, 2**32 + 1, 2**53]))


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    name=st.sampled_from(sorted(FILES)),
    window=st.tuples(SIDES, SIDES, SIDES.filter(bool), SIDES.filter(bool)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), max_size=4),
)
def test_a_window_of_a_broken_file_is_a_picture_or_a_sentence(
    server: JupyterServer,
    dataset: Dataset,
    name: str,
    window: tuple[int, int, int, int],
    changes: list[tuple[float, bytes]],
) -> None:
    data = bytearray(FILES[name])
    for share, other in changes:
        at = int(share * (len(data) - len(other)))
        data[at : at + len(other)] = other
    dataset.put(name, bytes(data))

    answer = server.get(dataset.route("preview"), path=name, window=",".join(map(str, window)))

    assert answer.status_code in {200, 415, 422}, answer.text[:500]
    assert "could not be understood" not in answer.text, (name, window)
    if answer.status_code == 200:
        content = answer.json()["content"]
        part = (content.get("drawing") or content)["part"]
        assert 0 < part["width"] <= part["columns"] + 1
        assert part["x"] >= window[0]


def test_one_tile_that_is_too_much_to_move_and_to_unfold_is_told_in_a_sentence(
    server: JupyterServer, dataset: Dataset
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (4100, 4100), np.uint8)  # which does not compress
    hdu = fits.CompImageHDU(noise, compression_type="GZIP_1", tile_shape=noise.shape)
    dataset.put("x.fits", fits_bytes(hdu))

    for window in ({}, {"window": "0,0,30,20"}):
        answer = server.get(dataset.route("preview"), None, path="x.fits", **window)

        assert (answer.status_code, "tiles of 4100 × 4100 pixels" in answer.json()["detail"]) == (422, True)
