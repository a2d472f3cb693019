"""Files of each format that previews show, made on the fly."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy import units as u
from astropy.io.votable import from_table
from astropy.table import MaskedColumn, Table
from numpy.typing import NDArray
from PIL import Image
from rasterio import Affine
from rasterio.io import MemoryFile


def stars(rows: int = 250) -> Table:
    """A table with numbers, a text, a unit, a description, a vector and masked values."""
    number = np.arange(rows)
    table = Table(
        {
            "id": number,
            "flux": np.where(number == 1, np.nan, number / 4) * u.Jy,
            "name": [f"star {row}" for row in number],
            "count": MaskedColumn(number, mask=number == 2),
        }
    )
    table["flux"].description = "total flux"
    return table


def parquet(rows: int = 250, columns: dict[str, Any] | None = None, **how: Any) -> bytes:
    """A Parquet of these columns, or of ``stars``."""
    table = pa.table(columns) if columns else pa.Table.from_pandas(stars(rows).to_pandas(), preserve_index=False)
    file = io.BytesIO()
    pq.write_table(table, file, **how)
    return file.getvalue()


def ecsv(rows: int = 250) -> bytes:
    """An ECSV of ``stars``."""
    table = stars(rows)
    table.meta["author"] = "Caroline Herschel"
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue().encode()


def votable(rows: int = 250, serialisation: str = "tabledata") -> bytes:
    """A VOTable of ``stars``; ``serialisation`` is tabledata, binary or binary2."""
    table = stars(rows)
    if serialisation == "binary":
        table.remove_column("count")  # its whole numbers cannot be masked there
    file = io.BytesIO()
    made = from_table(table)
    made.description = "Stars"
    made.to_xml(file, tabledata_format=serialisation)
    return file.getvalue()


def geotiff(pixels: NDArray[Any], driver: str = "COG", **how: Any) -> bytes:
    """A GeoTIFF of rows × columns or bands × rows × columns: hundredths of a degree from 10° W, 50° N."""
    bands = pixels if pixels.ndim == 3 else pixels[None]
    count, height, width = bands.shape
    place = {"crs": "EPSG:4326", "transform": Affine(0.01, 0, -10, 0, -0.01, 50)}
    with MemoryFile() as memory:
        with memory.open(
            driver=driver, count=count, height=height, width=width, dtype=bands.dtype, **place, **how
        ) as file:
            file.write(bands)
        data: bytes = memory.read()
    return data


def picture(kind: str = "PNG", size: tuple[int, int] = (60, 40), mode: str = "RGB", **how: Any) -> bytes:
    """A picture that is red at its left and blue at its right half."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    file = io.BytesIO()
    image.convert(mode).save(file, kind, **how)
    return file.getvalue()


def notebook(*cells: dict[str, Any]) -> bytes:
    """A notebook of these cells, or of a title and a sum."""
    code = {"cell_type": "code", "execution_count": 3, "metadata": {}, "source": "1 + 1", "outputs": [
        {"output_type": "execute_result", "execution_count": 3, "metadata": {},
         "data": {"text/plain": "2", "text/html": "<b>2</b>"}},
    ]}  # fmt: skip
    title = {"cell_type": "markdown", "metadata": {}, "source": ["# A sum\n", "of two"]}
    listed = list(cells) or [title, code]
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": listed}).encode()


def every_format() -> dict[str, bytes]:
    """One good file of each, by its name."""
    rows, columns = np.mgrid[:300, :400].astype("f4")
    return {
        "stars.parquet": parquet(),
        "stars.csv": b"id,name,flux\n" + b"".join(b"%d,star %d,%g\n" % (row, row, row / 4) for row in range(250)),
        "stars.tsv": b"# by hand\n1\tone\n2\ttwo\n",
        "stars.ecsv": ecsv(),
        "stars.vot": votable(),
        "stars-2.xml": votable(serialisation="binary2"),
        "map.tif": geotiff(rows + columns),
        "picture.png": picture(),
        "photo.jpg": picture("JPEG"),
        "moving.gif": picture("GIF", mode="P"),
        "facts.json": json.dumps({"pi": math.pi, "primes": [2, 3, 5]}).encode(),
        "sum.ipynb": notebook(),
    }
