"""Real data out of installed packages: which file of which package becomes which object."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import as_file, files
from pathlib import Path

from perijove_demo.problem import DemoProblem

_M13 = "io/fits/hdu/compressed/tests/data"
_IRIS = "sample_data"


@dataclass(frozen=True)
class Sample:
    """One file: where it is in an importable ``package``, what it is called in the dataset, and what it shows."""

    package: str
    source: str
    path: str
    note: str


SAMPLES: dict[str, tuple[Sample, ...]] = {
    "sun-sdo-soho": (
        Sample("sunpy", "data/test/aia_171_level1.fits", "sdo/aia_171_20110215.fits", "SDO/AIA 171 Å, 2011-02-15"),
        Sample("sunpy", "data/test/resampled_hmi.fits", "sdo/hmi_continuum_20140301.fits", "SDO/HMI, 2014-03-01"),
        Sample("sunpy", "data/test/EIT/efz20040301.000010_s.fits", "soho/eit_195_20040301T0000.fits", "SOHO/EIT 195 Å"),
        Sample("sunpy", "data/test/EIT/efz20040301.010016_s.fits", "soho/eit_171_20040301T0100.fits", "SOHO/EIT 171 Å"),
    ),
    "m13": (
        Sample("astropy", f"{_M13}/m13.fits", "m13.fits", "not compressed"),
        Sample("astropy", f"{_M13}/m13_gzip.fits", "compressed/m13_gzip.fits", "GZIP_1 tiles"),
        Sample("astropy", f"{_M13}/m13_hcomp.fits", "compressed/m13_hcomp.fits", "HCOMPRESS_1 tiles"),
        Sample("astropy", f"{_M13}/m13_plio.fits", "compressed/m13_plio.fits", "PLIO_1 tiles"),
        Sample("astropy", f"{_M13}/m13_rice.fits", "compressed/m13_rice.fits", "RICE_1 tiles"),
    ),
    "sea-surface-temperature": (
        Sample(
            "iris_sample_data", f"{_IRIS}/ostia_monthly.nc", "analysis/ostia_monthly.nc", "54 months, 5° S to 4.4° N"
        ),
        *(
            Sample(
                "iris_sample_data",
                f"{_IRIS}/NEMO/nemo_1m_{months}_grid-T.nc",
                f"model/nemo_1m_{months}_grid-T.nc",
                "one month, global, tripolar grid of about 1°",
            )
            for months in ("20150101-20150201", "20150201-20150301", "20150301-20150401")
        ),
    ),
}


def copy_samples(dataset_id: str, folder: Path) -> None:
    """Copies the files of a dataset to ``folder``.

    Raises:
        DemoProblem: a package does not hold what it should.
    """
    for sample in SAMPLES[dataset_id]:
        target = folder / sample.path
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with as_file(files(sample.package).joinpath(sample.source)) as source:
                shutil.copyfile(source, target)
        except (ModuleNotFoundError, FileNotFoundError) as error:
            raise DemoProblem(
                f"The package {sample.package} does not hold {sample.source}, which the dataset {dataset_id} needs; "
                "install the demo's packages with `pip install perijove[demo]`."
            ) from error


def samples_version(dataset_id: str) -> str:
    """Changes when a package that the dataset comes from does."""
    packages = sorted({sample.package for sample in SAMPLES[dataset_id]})
    return ",".join(f"{package}={version(package.replace('_', '-'))}" for package in packages)
