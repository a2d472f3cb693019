"""Code that opens tables, pictures and texts; part of ``snippets``, whose rules hold here.

Tables that may be large are opened by their first rows, and a comment says how to go on.
"""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

from .preview.answers import FileFormat
from .snippets_opened import opened


def _code(text: str) -> str:
    return dedent(text).lstrip("\n")


def _parquet(url: str, seen: FileFormat) -> str:
    return _code(f"""
        import pandas as pd
        import perijove
        import pyarrow.parquet as pq

        with perijove.open({url!r}) as file:
            parquet = pq.ParquetFile(file)
            print(f"{{parquet.metadata.num_rows:,}} rows")
            # the first 1,000 of them; parquet.read(columns=[...]).to_pandas() reads all rows of some columns
            batches = parquet.iter_batches(1000)
            table = next((batch.to_pandas() for batch in batches), pd.DataFrame(columns=parquet.schema_arrow.names))
        table
        """)


def _csv(url: str, seen: FileFormat) -> str:
    options = [f"sep={seen.delimiter!r}"] if seen.delimiter != "," else []
    options += [] if seen.header else ["header=None"]
    options += [f"skiprows={seen.comment_lines}"] if seen.comment_lines else []
    options += [f"compression={seen.compression!r}"] if seen.compression else []
    return _code(f"""
        import pandas as pd

        # the first 1,000 rows; without nrows it reads all of them
        table = pd.read_csv({", ".join([repr(f"perijove://{url}"), *options, "nrows=1000"])})
        table
        """)


def _ecsv(url: str, seen: FileFormat) -> str:
    file = opened(url, seen.compression, 'encoding="utf-8"')
    return file.imports() + _code(f"""
        import perijove
        from astropy.table import Table

        with {file.clause}:
            table = Table.read(file.read(), format="ascii.ecsv")
        table.info()
        table
        """)


def _votable(url: str, seen: FileFormat) -> str:
    file = opened(url, seen.compression)
    return file.imports() + _code(f"""
        import perijove
        from astropy.io.votable import parse_single_table

        with {file.clause}:
            table = parse_single_table(file).to_table(use_names_over_ids=True)
        table.info()
        table
        """)


def _geotiff(url: str, seen: FileFormat) -> str:
    return _code(f"""
        import fsspec
        import matplotlib.pyplot as plt
        import rasterio

        files = fsspec.filesystem("perijove")
        # files that may lie beside it (.ovr, .aux.xml) are not asked for: that would be a hundred requests
        alone = rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR")
        with alone, rasterio.open({url!r}, opener=files.open) as raster:
            print(raster.profile, raster.bounds, sep="\\n")
            # about 1,000 pixels across, from an overview if the file has one; raster.read(1, window=...) reads a part
            step = max(1, max(raster.shape) // 1000)
            shape = (max(1, raster.height // step), max(1, raster.width // step))
            band = raster.read(1, out_shape=shape, masked=True)
            left, bottom, right, top = raster.bounds

        plt.imshow(band, extent=(left, right, bottom, top), cmap="gray")
        plt.colorbar()
        plt.show()
        """)


def _picture(url: str, seen: FileFormat) -> str:
    return _code(f"""
        import matplotlib.pyplot as plt
        import perijove
        from PIL import Image, ImageOps

        with perijove.open({url!r}) as file:
            image = ImageOps.exif_transpose(Image.open(file)).convert("RGB")

        plt.imshow(image)
        plt.show()
        """)


def _json(url: str, seen: FileFormat) -> str:
    file = opened(url, seen.compression)
    return file.imports("import json") + _code(f"""
        import perijove

        with {file.clause}:
            data = json.load(file)
        data
        """)


def _notebook(url: str, seen: FileFormat) -> str:
    return _code(f"""
        import nbformat
        import perijove

        with perijove.open({url!r}, "r", encoding="utf-8") as file:
            notebook = nbformat.read(file, as_version=4)
        for cell in notebook.cells:
            print(f"--- {{cell.cell_type}}", cell.source, sep="\\n")
        """)


#: By the name of the format.
SNIPPETS: dict[str, Callable[[str, FileFormat], str]] = {
    "parquet": _parquet,
    "csv": _csv,
    "ecsv": _ecsv,
    "votable": _votable,
    "geotiff": _geotiff,
    "picture": _picture,
    "json": _json,
    "notebook": _notebook,
}
