"""The demo's catalogue: what it says about the data is so, and a platform file may hold it."""

from __future__ import annotations

from pathlib import Path

import h5py
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import rasterio
import xarray as xr
from astropy.io import fits
from astropy.table import Table

from perijove_demo.data import buckets, load_datasets, with_endpoints
from perijove_demo.data.arrays import build_arrays
from perijove_demo.data.catalogue import ARRAYS_DATASET, SKY_DATASET, TABLES_DATASET, copies
from perijove_demo.data.derived import build_tables
from perijove_demo.data.mosaic import MosaicSpec, mosaic_wcs
from perijove_demo.data.readme import readme_text
from perijove_demo.data.samples import SAMPLES, copy_samples
from perijove_hub.policy.models import DatasetSpec

ENDPOINTS = {"esac": "http://127.0.0.1:1", "cloud-eu": "http://127.0.0.1:2"}


@pytest.mark.parametrize("dataset_id", load_datasets())
def test_each_dataset_is_one_that_a_platform_file_may_hold(dataset_id: str) -> None:
    spec = DatasetSpec.model_validate(with_endpoints(ENDPOINTS)[dataset_id])
    assert spec.attribution
    assert spec.providers
    assert spec.extent is not None
    assert all(replica.endpoint == ENDPOINTS[str(replica.site)] for replica in spec.replicas)


def test_the_mosaic_is_at_one_site_only_and_some_data_are_at_both() -> None:
    sites: dict[str, set[str]] = {}
    for copy in copies():
        sites.setdefault(copy.dataset_id, set()).add(copy.site)
    assert sites[SKY_DATASET] == {"esac"}
    assert sites["m13"] == {"cloud-eu"}
    assert sites["sun-sdo-soho"] == {"esac", "cloud-eu"}
    assert buckets("esac") == buckets("cloud-eu") == ["science"]


@pytest.mark.filterwarnings("ignore:Invalid 'BLANK' keyword")  # the file of AIA has one, as real files do
@pytest.mark.parametrize("dataset_id", SAMPLES)
def test_samples_are_real_files_of_the_size_that_is_said(dataset_id: str, tmp_path: Path) -> None:
    dataset = load_datasets()[dataset_id]
    copy_samples(dataset_id, tmp_path)
    for sample in SAMPLES[dataset_id]:
        path = tmp_path / sample.path
        if path.suffix == ".fits":
            with fits.open(path) as file:
                assert any(hdu.is_image and hdu.shape for hdu in file)
        else:
            assert path.read_bytes()[:4] == b"\x89HDF"
    total_bytes = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    total_bytes += len(readme_text(dataset_id, dataset).encode())
    assert total_bytes == pytest.approx(dataset["size_bytes"], rel=0.01)


def test_tables_and_maps_are_of_the_size_that_is_said_and_tell_the_same(tmp_path: Path) -> None:
    dataset = load_datasets()[TABLES_DATASET]
    build_tables(tmp_path)
    readme = readme_text(TABLES_DATASET, dataset)
    made = {str(path.relative_to(tmp_path)): path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()}
    assert all(f"  {path}: " in readme for path in made)
    assert sum(made.values()) + len(readme.encode()) == pytest.approx(dataset["size_bytes"], rel=0.01)

    months = Table.read(tmp_path / "tables/monthly.ecsv")
    cells = pq.read_table(tmp_path / "tables/cells.parquet")
    assert len(months) == 54
    assert cells.num_rows == months["cells"].sum()
    assert pc.max(cells["temperature"]).as_py() == pytest.approx(months["maximum"].max(), abs=0.001)
    assert months["mean"].unit == "K"
    with rasterio.open(tmp_path / "maps/model_201502.tif") as raster:
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert raster.overviews(1)


def test_arrays_are_of_the_size_that_is_said_and_tell_the_same(tmp_path: Path) -> None:
    dataset = load_datasets()[ARRAYS_DATASET]
    build_arrays(tmp_path)
    readme = readme_text(ARRAYS_DATASET, dataset)
    sizes = [path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()]
    assert all(f"  {path.name}" in readme for path in tmp_path.iterdir())
    assert sum(sizes) + len(readme.encode()) == pytest.approx(dataset["size_bytes"], rel=0.01)

    with xr.open_zarr(tmp_path / "ostia_monthly.zarr") as zarr, h5py.File(tmp_path / "ostia_monthly.h5") as hdf5:
        first = hdf5["analysis/temperature"][0]
        assert zarr.surface_temperature.shape == hdf5["analysis/temperature"].shape == (54, 18, 432)
        assert float(zarr.surface_temperature[0].max()) == first[first < 1e19].max()
    assert (tmp_path / "temperature.grib2").read_bytes()[:4] == b"GRIB"


def test_the_size_of_the_mosaic_is_what_it_will_be() -> None:
    pixels_bytes = 4 * MosaicSpec().size_px ** 2 * (1 + 1 / 256)
    assert pixels_bytes < load_datasets()[SKY_DATASET]["size_bytes"] < 1.03 * pixels_bytes


@pytest.mark.parametrize("dataset_id", load_datasets())
def test_the_readme_says_whose_the_data_are(dataset_id: str) -> None:
    dataset = load_datasets()[dataset_id]
    text = readme_text(dataset_id, dataset)
    assert f"Licence: {dataset['licence']}" in text
    assert " ".join(dataset["attribution"].split()) in " ".join(text.split())
    assert all(provider["name"] in text for provider in dataset["providers"])
    assert max(map(len, text.splitlines())) <= 96


def test_the_extent_of_the_mosaic_is_that_of_its_corners() -> None:
    spec = MosaicSpec()
    edge = spec.size_px - 0.5
    ra, dec = mosaic_wcs(spec).all_pix2world([-0.5, edge, -0.5, edge], [-0.5, -0.5, edge, edge], 0)
    extent = load_datasets()[SKY_DATASET]["extent"]["spatial"]["bbox"][0]
    assert extent == pytest.approx([min(ra), min(dec), max(ra), max(dec)], abs=0.01)
