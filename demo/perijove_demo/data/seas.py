"""Arrays of the sea surface temperatures in iris-sample-data, and the modelled ones on a grid of one degree."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from perijove_demo.problem import DemoProblem

Values = NDArray[np.float32]
#: What stands on land.
FILL = 1e20
#: The package, and its folder.
SOURCE = ("iris_sample_data", "sample_data")
OSTIA = "ostia_monthly.nc"
_NEMO = "NEMO/nemo_1m_20150201-20150301_grid-T.nc"


def arrays(path: str, *names: str) -> list[NDArray[Any]]:
    """The arrays of these names of a file of the package.

    Raises:
        DemoProblem: iris-sample-data is missing or does not hold them.
    """
    package, folder = SOURCE
    try:
        with as_file(files(package).joinpath(folder, path)) as source, h5py.File(source) as file:
            return [np.asarray(file[name][()]) for name in names]
    except (ModuleNotFoundError, OSError, KeyError) as error:
        raise DemoProblem(
            f"The package {package} does not hold {path}, which the demo makes data of; install the demo's "
            "packages with `pip install perijove[demo]`."
        ) from error


def modelled_by_degree() -> Values:
    """The month modelled for February 2015 in °C, NaN on land: 180 × 360 means of a degree, from the north-west.

    Where the model has no cell, the mean of the neighbours.

    Raises:
        DemoProblem: iris-sample-data is missing or does not hold it.
    """
    latitude, longitude, celsius = _nemo()
    row = np.clip((90 - latitude).astype(int), 0, 179)
    column = np.clip((longitude + 180) % 360, 0, 359.999).astype(int)
    cell = row * 360 + column
    sea = np.isfinite(celsius)
    known = np.bincount(cell, minlength=180 * 360) > 0
    count = np.bincount(cell[sea], minlength=180 * 360)
    total = np.bincount(cell[sea], celsius[sea], minlength=180 * 360)
    grid = np.divide(total, count, out=np.full(180 * 360, np.nan), where=count > 0).reshape(180, 360)
    known = known.reshape(180, 360)
    for _ in range(3):
        around = np.stack([np.roll(grid, shift, axis) for shift, axis in ((1, 1), (-1, 1), (1, 0), (-1, 0))])
        valid = np.isfinite(around).sum(axis=0)
        mean = np.divide(np.nansum(around, axis=0), valid, out=np.full(grid.shape, np.nan), where=valid > 1)
        grid = np.where(known, grid, mean)
        known = known | np.isfinite(mean)
    by_degree: Values = grid.astype("f4")
    return by_degree


def _nemo() -> tuple[Values, Values, Values]:
    """Latitudes, longitudes and temperatures in °C, NaN on land, of the cells of the model's own grid."""
    latitude, longitude, celsius = arrays(_NEMO, "nav_lat", "nav_lon", "tos")
    return latitude.ravel(), longitude.ravel(), np.where(celsius < FILL / 2, celsius, np.nan).ravel()
