"""Which module of this package shows a file that is not FITS. Runs in the child.

Each module has ``look(source, wish)``, which gives the JSON of a look and its picture, and ``describe(source, wish)``,
which gives what code that opens the file has to know of it beside its format (see ``answers.FileFormat``). It is
loaded with the first file of its format: their libraries take from a tenth of a second to two.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from .source import Source

#: As many bytes tell a format; they are fetched with what a format reads first.
MAGIC_BYTES = 64 << 10


@dataclass(frozen=True)
class Format:
    """A format: its name as in ``answers.FormatName``, the module, and by what it is known.

    ``magic`` are beginnings, each with its offset, and ``element`` is an element of XML that comes first; ``names`` are
    endings of names, which count where neither does.
    """

    name: str
    module: str
    magic: tuple[tuple[int, bytes], ...] = ()
    names: tuple[str, ...] = ()
    element: bytes = b""
    #: Whether its beginning is shown by what is read from there on, without looking at places behind.
    is_read_onward: bool = False

    def is_begun_by(self, begins: bytes) -> bool:
        """Whether a file that begins so is of this format."""
        if self.element and begins.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
            return re.search(rb"<(\w+:)?" + self.element + rb"[\s/>]", begins) is not None
        return any(begins.startswith(magic, offset) for offset, magic in self.magic)

    def load(self) -> ModuleType:
        """The module."""
        return import_module(f"{__package__}.{self.module}")


TABLES: tuple[Format, ...] = (
    Format("parquet", "parquet", ((0, b"PAR1"), (0, b"PARE")), (".parquet", ".pq", ".parq")),
    Format("ecsv", "delimited", ((0, b"# %ECSV"),), (".ecsv",), is_read_onward=True),
    Format("csv", "delimited", (), (".csv", ".tsv"), is_read_onward=True),
    Format("votable", "votable", (), (".vot", ".votable"), b"VOTABLE", is_read_onward=True),
    Format(
        "geotiff",
        "tiff",
        ((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+")),
        (".tif", ".tiff"),
    ),
    Format(
        "picture",
        "pictures",
        ((0, b"\x89PNG\r\n\x1a\n"), (0, b"\xff\xd8\xff"), (0, b"GIF87a"), (0, b"GIF89a")),
        (".png", ".jpg", ".jpeg", ".gif"),
    ),
    Format("json", "texts", (), (".json", ".geojson"), is_read_onward=True),
    Format("notebook", "texts", (), (".ipynb",)),
)
ARRAYS: tuple[Format, ...] = (
    Format(
        "hdf5",
        "hdf5",
        # a block for the user may be before it, of a power of two
        tuple((offset, b"\x89HDF\r\n\x1a\n") for offset in (0, 512, 1024, 2048)),
        (".h5", ".hdf5", ".he5", ".nc4", ".hdf"),
    ),
    Format("netcdf3", "netcdf3", ((0, b"CDF\1"), (0, b"CDF\2"), (0, b"CDF\5")), (".nc", ".cdf")),
    Format("grib", "grib", ((0, b"GRIB"),), (".grib", ".grib2", ".grb", ".grb2")),
)
#: A directory is previewed only if it is one of these.
ZARR = Format("zarr", "zarr_store")
FORMATS: tuple[Format, ...] = (*TABLES, *ARRAYS)


def format_of(source: Source, path: str) -> Format | None:
    """The format of an object or directory: by its bytes, else by its name; None: neither tells one of these."""
    if source.is_directory:
        return ZARR
    begins = source.read_at(0, 4096, MAGIC_BYTES)
    for known in FORMATS:
        if known.is_begun_by(begins):
            return known
    return next((known for known in FORMATS if path.lower().endswith(known.names or ("\0",))), None)
