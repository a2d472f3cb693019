"""Files to look at in measurements, large and quickly made: real headers and indexes around data that repeat."""

from __future__ import annotations

import gzip
import hashlib
import io
import math
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import eccodes  # type: ignore[import-untyped] # published without types
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

from tests.support.s3.index import SYNTHETIC_MODIFIED, Body, BytesBody, FileBody, StoredObject

#: By number: the form of its values as of ``struct``, and these.
TiffTags = dict[int, tuple[str, Sequence[float]]]

FITS_BLOCK_BYTES = 2880
TILE_SIDE = 256
#: Of the fields of a globe at a quarter of a degree.
LATITUDES, LONGITUDES = 720, 1440
#: Of a picture of 64 Mi pixels, which a preview may unpack: half a gibibyte.
PNG_SIDE = 8192


class PiecesBody:
    """A body of pieces that repeat, each so many times: bytes like any, of which few are kept."""

    def __init__(self, *pieces: tuple[bytes, int]) -> None:
        self._pieces = [(data, times) for data, times in pieces if data and times]
        self._ends = list(accumulate(len(data) * times for data, times in self._pieces))

    @property
    def size_bytes(self) -> int:
        """How many there are."""
        return self._ends[-1] if self._ends else 0

    def read(self, start: int, stop: int) -> bytes:
        """Bytes ``start`` to ``stop`` (exclusive)."""
        parts: list[bytes] = []
        for (data, times), end in zip(self._pieces, self._ends, strict=True):
            first = end - len(data) * times
            at, until = max(start, first) - first, min(stop, end) - first
            while at < until:
                begins = at % len(data)
                parts.append(data[begins : begins + until - at])
                at += len(parts[-1])
        return b"".join(parts)


def _noise(*shape: int) -> NDArray[np.float32]:
    """Noise around a slope, so that it compresses as observations do: hardly."""
    slope = np.linspace(250, 300, shape[-1], dtype=np.float32)
    noisy: NDArray[np.float32] = np.random.default_rng(1).normal(0, 5, shape).astype(np.float32) + slope
    return noisy


def _to_block(size_bytes: int) -> tuple[bytes, int]:
    return b"\0" * (-size_bytes % FITS_BLOCK_BYTES), 1


def _written(*hdus: Any) -> bytes:
    file = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(file)
    return file.getvalue()


def _primary() -> bytes:
    return _written(fits.PrimaryHDU())


def _sky(side: int) -> dict[str, Any]:
    middle = side / 2 + 0.5
    return {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": middle, "CRPIX2": middle, "CRVAL1": 150.0, "CRVAL2": 2.0,
        "CDELT1": -1e-5, "CDELT2": 1e-5,
    }  # fmt: skip


def _fits_image(_: Path, size_bytes: int) -> Mapping[str, Body]:
    rows = 64
    side = max(1, math.isqrt(size_bytes // 4) // rows) * rows
    header = fits.PrimaryHDU(np.zeros((1, 1), np.float32)).header
    header["NAXIS1"] = header["NAXIS2"] = side
    header.update(_sky(side))
    block = _noise(rows, side).astype(">f4").tobytes()
    return {
        "image.fits": PiecesBody((header.tostring().encode(), 1), (block, side // rows), _to_block(side * side * 4))
    }


def _catalogue(rows: int) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(2)
    columns = {"id": np.arange(rows), "ra": random.uniform(0, 360, rows), "dec": random.uniform(-90, 90, rows)}
    return columns | {f"flux_{band}": random.normal(20, 3, rows) for band in "grizy"}


def _fits_table(_: Path, size_bytes: int) -> Mapping[str, Body]:
    columns = _catalogue(10_000)
    formats = {"id": "K"}
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column(name, formats.get(name, "D"), array=values) for name, values in columns.items()]
    )
    written = _written(fits.PrimaryHDU(), hdu)
    header, data_start = hdu.header, len(_primary()) + len(hdu.header.tostring())
    block = written[data_start : data_start + header["NAXIS1"] * header["NAXIS2"]]
    times = max(1, size_bytes // len(block))
    header["NAXIS2"] *= times
    begins = _primary() + header.tostring().encode()
    return {"table.fits": PiecesBody((begins, 1), (block, times), _to_block(len(block) * times))}


def _fits_compressed(_: Path, size_bytes: int) -> Mapping[str, Body]:
    tiles = np.rint(_noise(TILE_SIDE, 4 * TILE_SIDE) * 50).astype(np.int16)
    small = _written(
        fits.PrimaryHDU(), fits.CompImageHDU(tiles, tile_shape=(TILE_SIDE, TILE_SIDE), compression_type="RICE_1")
    )
    with fits.open(io.BytesIO(small), disable_image_compression=True) as opened:
        header, data_start = opened[1].header, opened[1].fileinfo()["datLoc"]
    table_bytes = header["NAXIS1"] * header["NAXIS2"]
    places = np.frombuffer(small, ">i4", table_bytes // 4, data_start).reshape(-1, 2)  # length and offset of each tile
    heap_start = data_start + header.get("THEAP", table_bytes)
    heap = small[heap_start : heap_start + header["PCOUNT"]]
    across = max(1, math.isqrt(4 * size_bytes // len(heap)) // 2) * 2
    times = across * across // 4
    table = np.tile(places, (times, 1))
    table[:, 1] += np.repeat(np.arange(times, dtype=np.int32) * len(heap), 4)
    header.update({"NAXIS2": across * across, "PCOUNT": len(heap) * times, **_sky(across * TILE_SIDE)})
    header["ZNAXIS1"] = header["ZNAXIS2"] = across * TILE_SIDE
    rows = table.astype(">i4").tobytes()
    begins = _primary() + header.tostring().encode() + rows
    return {"tiles.fits": PiecesBody((begins, 1), (heap, times), _to_block(len(rows) + len(heap) * times))}


def _coordinates() -> dict[str, NDArray[Any]]:
    return {
        "latitude": 89.875 - 180 / LATITUDES * np.arange(LATITUDES),
        "longitude": -179.875 + 360 / LONGITUDES * np.arange(LONGITUDES),
    }


def _netcdf4(directory: Path, size_bytes: int) -> Mapping[str, Body]:
    path = directory / "field.nc"
    if not path.exists():
        chunk_shape = (1, LATITUDES // 2, LONGITUDES // 2)
        how = {"shuffle": True, "compression": 1, "chunks": chunk_shape}
        field = _noise(*chunk_shape)
        with h5py.File(io.BytesIO(), "w") as small:
            _, chunk = small.create_dataset("x", data=field, **how).id.read_direct_chunk((0, 0, 0))
        times = max(1, size_bytes // (4 * len(chunk)))
        with h5py.File(path, "w") as file:
            axes = {"time": np.arange(float(times)), **_coordinates()}
            for name, values in axes.items():
                file[name] = values
                file[name].make_scale(name)
            variable = file.create_dataset("t2m", (times, LATITUDES, LONGITUDES), "f4", **how)
            for axis, name in enumerate(axes):
                variable.dims[axis].attach_scale(file[name])
            for time in range(times):
                for at in ((0, 0), (0, chunk_shape[2]), (chunk_shape[1], 0), (chunk_shape[1], chunk_shape[2])):
                    variable.id.write_direct_chunk((time, *at), chunk)
    return {"field.nc": FileBody(path, path.stat().st_size)}


def _zarr(directory: Path, size_bytes: int) -> Mapping[str, Body]:
    folder = directory / "field.zarr"
    field = _noise(1, LATITUDES, LONGITUDES)
    times = max(1, size_bytes // field.nbytes)
    if not folder.exists():
        group = zarr.create_group(folder)
        for name, values in {"time": np.arange(float(times)), **_coordinates()}.items():
            group.create_array(name, data=values, dimension_names=[name])
        array = group.create_array(
            "t2m", shape=(times, *field.shape[1:]), chunks=field.shape, dtype="f4",
            dimension_names=["time", "latitude", "longitude"], compressors=None,
        )  # fmt: skip
        array[0] = field[0]
        zarr.consolidate_metadata(folder)
    bodies = {
        f"field.zarr/{path.relative_to(folder).as_posix()}": BytesBody(path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }
    return bodies | {f"field.zarr/t2m/c/{time}/0/0": bodies["field.zarr/t2m/c/0/0/0"] for time in range(times)}


def _grib(_: Path, size_bytes: int) -> Mapping[str, Body]:
    messages = []
    for day in range(8):
        handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib2")
        keys: dict[str, float] = {"Ni": LONGITUDES, "Nj": LATITUDES, "latitudeOfFirstGridPointInDegrees": 89.875,
                "latitudeOfLastGridPointInDegrees": -89.875, "longitudeOfFirstGridPointInDegrees": 0.125,
                "longitudeOfLastGridPointInDegrees": 359.875, "iDirectionIncrementInDegrees": 0.25,
                "jDirectionIncrementInDegrees": 0.25, "bitsPerValue": 16, "dataDate": 20260101 + day}  # fmt: skip
        for key, value in keys.items():
            eccodes.codes_set(handle, key, value)
        eccodes.codes_set(handle, "shortName", "2t")
        eccodes.codes_set_values(handle, _noise(LATITUDES, LONGITUDES).ravel().astype(np.float64))
        messages.append(eccodes.codes_get_message(handle))
        eccodes.codes_release(handle)
    block = b"".join(messages)
    return {"field.grib2": PiecesBody((block, max(1, size_bytes // len(block))))}


def _parquet(_: Path, size_bytes: int) -> Mapping[str, Body]:
    """Groups of rows whose index leads to the bytes of the first of them."""
    groups, file = 16, io.BytesIO()
    table = pa.table(_catalogue(max(1, size_bytes // 64 // groups)))
    pq.write_table(table, file, row_group_size=table.num_rows, compression="NONE", use_dictionary=False)
    one = file.getvalue()
    footer_bytes = int.from_bytes(one[-8:-4], "little") + 8
    index, more = pq.read_metadata(file), pq.read_metadata(file)
    for _more in range(groups - 1):
        index.append_row_groups(more)
    footer = io.BytesIO()
    index.write_metadata_file(footer)
    return {"table.parquet": PiecesBody((one[:-footer_bytes], groups), (footer.getvalue()[4:], 1))}


def _cells() -> tuple[list[str], list[list[str]]]:
    """The names of the columns of a catalogue, and ten thousand rows in words."""
    columns = _catalogue(10_000)
    return [*columns], [[f"{value:.9g}" for value in row] for row in zip(*columns.values(), strict=True)]


def _rows_between(begins: str, rows: str, ends: str, size_bytes: int) -> PiecesBody:
    """A text of rows that repeat."""
    return PiecesBody((begins.encode(), 1), (rows.encode(), size_bytes // len(rows) or 1), (ends.encode(), 1))


def _csv(_: Path, size_bytes: int) -> Mapping[str, Body]:
    names, rows = _cells()
    lines = "".join(",".join(row) + "\n" for row in rows)
    return {"table.csv": _rows_between(",".join(names) + "\n", lines, "", size_bytes)}


def _csv_packed(_: Path, size_bytes: int) -> Mapping[str, Body]:
    """Members of gzip, which are one text one behind the other."""
    names, rows = _cells()
    lines = gzip.compress("".join(",".join(row) + "\n" for row in rows).encode())
    begins = gzip.compress((",".join(names) + "\n").encode())
    return {"packed.csv.gz": PiecesBody((begins, 1), (lines, size_bytes // len(lines) or 1))}


def _ecsv(_: Path, size_bytes: int) -> Mapping[str, Body]:
    names, rows = _cells()
    few = Table({name: values[:1] for name, values in _catalogue(1).items()})
    for name in ("ra", "dec"):
        few[name].unit = "deg"
    written = io.StringIO()
    few.write(written, format="ascii.ecsv")
    begins = "".join(line for line in written.getvalue().splitlines(keepends=True) if line.startswith("#"))
    lines = "".join(" ".join(row) + "\n" for row in rows)
    return {"table.ecsv": _rows_between(f"{begins}{' '.join(names)}\n", lines, "", size_bytes)}


def _votable(_: Path, size_bytes: int) -> Mapping[str, Body]:
    names, rows = _cells()
    fields = "".join(f'<FIELD name="{name}" datatype="double"/>\n' for name in names)
    begins = f"""<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results"><TABLE>
{fields}<DATA><TABLEDATA>
"""
    lines = "".join("<TR>" + "".join(f"<TD>{value}</TD>" for value in row) + "</TR>\n" for row in rows)
    ends = "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>\n"
    return {"table.vot": _rows_between(begins, lines, ends, size_bytes)}


def _json(_: Path, size_bytes: int) -> Mapping[str, Body]:
    names, rows = _cells()
    records = ["{" + ", ".join(f'"{name}": {value}' for name, value in zip(names, row, strict=True)) for row in rows]
    return {"records.json": _rows_between("[\n", "},\n".join([*records, ""]), f"{records[0]}}}\n]\n", size_bytes)}


def _png(_: Path, size_bytes: int) -> Mapping[str, Body]:
    """Rows of four channels of 16 bits, one part of the stream like the other: no preview unpacks more pixels.

    Source: W3C, "Portable Network Graphics", third edition; RFC 1950, whose streams end in a sum of all that they hold.
    """
    rows, side = 64, min(PNG_SIDE, max(1, math.isqrt(size_bytes // 8) // 64) * 64)
    values = np.random.default_rng(3).integers(0, 2**16, (rows, side * 4), "u2").astype(">u2")
    lines = np.hstack([np.zeros((rows, 1), np.uint8), values.view(np.uint8)]).tobytes()
    packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    part = packer.compress(lines) + packer.flush(zlib.Z_FULL_FLUSH)
    total = 1
    for _part in range(side // rows):
        total = zlib.adler32(lines, total)
    begins = b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 0))
    ends = _png_chunk(b"IDAT", zlib.compressobj(wbits=-zlib.MAX_WBITS).flush() + struct.pack(">I", total))
    return {
        "picture.png": PiecesBody(
            (begins + _png_chunk(b"IDAT", b"\x78\x01"), 1),
            (_png_chunk(b"IDAT", part), side // rows),
            (ends + _png_chunk(b"IEND", b""), 1),
        )
    }


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _cog(_: Path, size_bytes: int) -> Mapping[str, Body]:
    """Directories first, then the levels from the smallest on, each of one tile that repeats.

    Source: "TIFF", revision 6.0, Adobe, 1992; "OGC GeoTIFF standard", version 1.1.
    """
    tile_side, full_side = 512, 1 << max(10, ((size_bytes // 4).bit_length() - 1) // 2)
    tile = _noise(tile_side, tile_side).astype("<f4").tobytes()
    sides = [full_side >> level for level in range(full_side.bit_length() - tile_side.bit_length() + 1)]

    def directories(data_end: int) -> bytes:
        made = b""
        for side in sides:
            data_end -= (side // tile_side) ** 2 * len(tile)
            tags = _level_tags(side, tile_side, data_end, len(tile), side == full_side)
            made += _tiff_directory(8 + len(made), tags, is_last=side == sides[-1])
        return made

    tiles = sum((side // tile_side) ** 2 for side in sides)
    begins = directories(8 + len(directories(tiles * len(tile))) + tiles * len(tile))
    return {"map.tif": PiecesBody((struct.pack("<2sHI", b"II", 42, 8) + begins, 1), (tile, tiles))}


def _level_tags(side: int, tile_side: int, data_start: int, tile_bytes: int, is_full: bool) -> TiffTags:
    count = (side // tile_side) ** 2
    tags: TiffTags = {
        254: ("I", [0 if is_full else 1]), 256: ("I", [side]), 257: ("I", [side]), 258: ("H", [32]), 259: ("H", [1]),
        262: ("H", [1]), 277: ("H", [1]), 322: ("H", [tile_side]), 323: ("H", [tile_side]),
        324: ("I", range(data_start, data_start + count * tile_bytes, tile_bytes)), 325: ("I", [tile_bytes] * count),
        339: ("H", [3]),
    }  # fmt: skip
    if is_full:  # of the globe's western half, in degrees
        keys = [1, 1, 0, 3, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326]
        tags |= {33550: ("d", [180 / side, 180 / side, 0]), 33922: ("d", [0, 0, 0, -180, 90, 0]), 34735: ("H", keys)}
    return tags


def _tiff_directory(at: int, tags: TiffTags, *, is_last: bool) -> bytes:
    """A directory at byte ``at`` with its arrays; the next one follows."""
    arrays_at, entries, arrays = at + 2 + 12 * len(tags) + 4, b"", b""
    for tag, (form, values) in sorted(tags.items()):
        data = struct.pack(f"<{len(values)}{form}", *values)
        place = data.ljust(4, b"\0")
        if len(data) > 4:
            place, arrays = struct.pack("<I", arrays_at + len(arrays)), arrays + data
        entries += struct.pack("<HHI", tag, {"H": 3, "I": 4, "d": 12}[form], len(values)) + place
    following = 0 if is_last else arrays_at + len(arrays)
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", following) + arrays


_MADE_BY: Mapping[str, Callable[[Path, int], Mapping[str, Body]]] = {
    "image.fits": _fits_image,
    "table.fits": _fits_table,
    "tiles.fits": _fits_compressed,
    "field.nc": _netcdf4,
    "field.zarr": _zarr,
    "field.grib2": _grib,
    "table.parquet": _parquet,
    "table.csv": _csv,
    "packed.csv.gz": _csv_packed,
    "table.ecsv": _ecsv,
    "table.vot": _votable,
    "records.json": _json,
    "map.tif": _cog,
    "picture.png": _png,
}


def made(sample: str, directory: Path, size_bytes: int) -> dict[str, StoredObject]:
    """The objects of a sample of about so many bytes, by their paths; some are files in ``directory``, made once."""
    return {
        path: StoredObject(body, hashlib.md5(path.encode(), usedforsecurity=False).hexdigest(), SYNTHETIC_MODIFIED)
        for path, body in _MADE_BY[sample](directory, size_bytes).items()
    }
