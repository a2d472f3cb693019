"""Find and read the data of the platform from a notebook::

    import perijove

    perijove.datasets("euclid")
    with perijove.open("euclid-demo/mosaic.fits") as file:
        ...

``perijove://dataset/path`` works in every library that knows fsspec, and ``fsspec.filesystem("perijove")`` lists.
"""

from __future__ import annotations

import fsspec

from .catalogue import DatasetList, dataset, datasets, storage_options
from .catalogue import open_file as open  # noqa: A004 (the name people look for: perijove.open)
from .errors import (
    BadRequest,
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

__all__ = [
    "BadRequest",
    "ControlUnavailable",
    "DatasetList",
    "InvalidPath",
    "LimitList",
    "NotConfigured",
    "NotFound",
    "NotSupported",
    "ObjectChanged",
    "PerijoveError",
    "ReadOnly",
    "Refused",
    "StoreUnavailable",
    "dataset",
    "datasets",
    "limits",
    "open",
    "storage_options",
]

# The entry point of the installed package says the same; this makes it true from a checkout too.
fsspec.register_implementation("perijove", "perijove.filesystem.PerijoveFileSystem", clobber=True)
