"""Find and read the data of the platform from a notebook::

    import perijove

    perijove.datasets("euclid")
    with perijove.open("euclid-demo/mosaic.fits") as file:
        ...

``perijove://dataset/path`` works in every library that knows fsspec, and ``fsspec.filesystem("perijove")`` lists.

Reads go to the best copy of a dataset that works, and go on from another when one fails in the middle of a file, if it
holds the very same version there. How much is read at a time goes by the format and by how the file is read. Blocks
that were read are kept on disk for all kernels of the user, 2 GiB of them unless ``PERIJOVE_CACHE_BYTES`` says
otherwise (0: none); the right to read is asked of the store each time a file is opened. ``perijove.stats()`` tells
what was moved, ``file.counts`` what one file has moved.

A Dask cluster next to the data, inside your limits, and without a token in a cell::

    cluster = perijove.cluster(4, near="euclid-demo")
    client = cluster.get_client()

Without a number it takes as many workers as there is work for. ``perijove.clusters()`` lists yours on all sites, and
``perijove.cluster(name=...)`` connects to one of them, by its name or title; ``dask_gateway.Gateway()`` works, too.
``perijove://`` works on the workers, with the right of the cluster to read and no other.

Readers that know fsspec take the URL: ``fits.open(url, use_fsspec=True)``, ``pandas.read_csv(url)``,
``xarray.open_dataset(url, engine="h5netcdf")``, ``zarr.open(url)``. pyarrow takes the filesystem:
``pq.read_table("dataset/x.parquet", filesystem=fsspec.filesystem("perijove"))``; h5py and Pillow take
``perijove.open(path)``; rasterio takes ``opener=fsspec.filesystem("perijove").open`` and moves only the tiles that it
needs (a file object it would read whole), best within ``rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR")``, which
keeps it from asking for dozens of files that might lie beside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import fsspec

from .catalogue import DatasetList, dataset, datasets
from .catalogue import open_file as open  # noqa: A004 (the name people look for: perijove.open)
from .clusters import ClusterList, FarFromData, cluster, clusters
from .counting import Counts, Stats, stats
from .errors import (
    BadRequest,
    ClusterOver,
    ControlUnavailable,
    InvalidPath,
    NotConfigured,
    NotFound,
    NotSupported,
    ObjectChanged,
    PerijoveError,
    ReadOnly,
    Refused,
    StoreUnavailable,
)
from .limits import LimitList, limits
from .options import storage_options
from .paths import bucket_name
from .versions import VersionWarning

__all__ = [
    "BadRequest",
    "Cluster",
    "ClusterList",
    "ClusterOver",
    "ControlUnavailable",
    "Counts",
    "DatasetList",
    "FarFromData",
    "InvalidPath",
    "LimitList",
    "NotConfigured",
    "NotFound",
    "NotSupported",
    "ObjectChanged",
    "PerijoveError",
    "ReadOnly",
    "Refused",
    "Stats",
    "StoreUnavailable",
    "VersionWarning",
    "bucket_name",
    "cluster",
    "clusters",
    "dataset",
    "datasets",
    "limits",
    "open",
    "stats",
    "storage_options",
]

if TYPE_CHECKING:
    from .dask_cluster import Cluster


def __getattr__(name: str) -> Any:
    """``perijove.Cluster`` brings Dask in, so only when somebody asks for it."""
    if name == "Cluster":
        from .dask_cluster import Cluster

        return Cluster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# The entry point of the installed package says the same; this makes it true from a checkout too.
fsspec.register_implementation("perijove", "perijove.filesystem.PerijoveFileSystem", clobber=True)
