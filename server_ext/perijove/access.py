"""How much of a file to read at a time, by its format and by how it is read. Pure.

Block sizes are a trade: headers, footers and B-trees want small ones, rows of pixels larger ones; s3fs's 50 MiB moves
100 MB for a cutout of 256 × 256 pixels. What reads on gets more ahead the longer it does; what jumps gets what it
asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1 << 10
MIB = 1 << 20


@dataclass(frozen=True)
class Access:
    """``block_bytes`` is the least that is fetched; ``ahead_bytes`` the most that is fetched before it is asked for."""

    block_bytes: int
    ahead_bytes: int


#: So many times as much as was read in one go is read ahead.
AHEAD_SHARE = 2
#: A first read of so much from the beginning is that of a copy, which goes on.
COPY_BYTES = 4 * MIB
#: Who has read on for so long goes on for as much again.
LONG_RUN_BYTES = 16 * MIB

#: Rows of an image, strided or not, and rows of tables.
FITS = Access(1 * MIB, 16 * MIB)
#: Metadata lies scattered in small pieces; chunks are read whole and jump.
HDF5 = Access(256 * KIB, 8 * MIB)
#: Single chunks, inner ones of shards.
ZARR = Access(256 * KIB, 8 * MIB)
#: The readers plan their own ranges: what is ahead is not theirs.
PARQUET = Access(64 * KIB, 0)
#: Read from the front, perhaps only the first lines.
TEXT = Access(256 * KIB, 64 * MIB)
#: Messages are walked by their headers, one is decoded at a time.
GRIB = Access(256 * KIB, 4 * MIB)
#: Tiles of overviews.
TIFF = Access(128 * KIB, 4 * MIB)
OTHER = Access(1 * MIB, 64 * MIB)

_BY_ENDING = {
    **dict.fromkeys(("fits", "fit", "fts", "fz"), FITS),
    **dict.fromkeys(("h5", "hdf5", "hdf", "he5", "nc", "nc4", "cdf", "asdf"), HDF5),
    **dict.fromkeys(("parquet", "parq", "feather", "arrow", "orc"), PARQUET),
    **dict.fromkeys(("csv", "tsv", "txt", "ecsv", "dat", "json", "jsonl", "xml", "vot", "md"), TEXT),
    **dict.fromkeys(("grib", "grb", "grib2", "grb2"), GRIB),
    **dict.fromkeys(("tif", "tiff"), TIFF),
}


def access_for(path: str) -> Access:
    """How to read the file ``path``, going by its name; a chunk within a Zarr store is known by the store's name."""
    lower = path.lower()
    if ".zarr/" in lower:
        return ZARR
    return _BY_ENDING.get(lower.rsplit("/", 1)[-1].rpartition(".")[2], OTHER)


class Pattern:
    """Tells, read by read, which blocks to fetch: those asked for, and more ahead while reads go on from each other."""

    def __init__(self, access: Access, size_bytes: int) -> None:
        self._ahead_max = access.ahead_bytes // access.block_bytes
        self._blocks = -(-size_bytes // access.block_bytes)
        self._block_bytes = access.block_bytes
        #: How many blocks were read on from each other.
        self._run = 0
        self._last: int | None = None
        self._is_copy = False

    @property
    def is_long_run(self) -> bool:
        """Whether the reader will hardly stop soon: so much was read on, or it began as a copy does."""
        return self._run * self._block_bytes >= (COPY_BYTES if self._is_copy else LONG_RUN_BYTES)

    def next_read(self, start: int, stop: int) -> tuple[range, range]:
        """The blocks that hold ``start`` up to ``stop`` (not empty), and the blocks to fetch beside them.

        Reads within one block change nothing. What is ahead is in proportion to what was read on from each other, so
        that what is read in vain is, too; a read that jumps ends it. The first read reads ahead only when it is plainly
        that of a copy: many a reader only looks at a header.
        """
        first, last = start // self._block_bytes, (stop - 1) // self._block_bytes
        if self._last is None:
            self._is_copy = start == 0 and stop >= COPY_BYTES
            self._run = last + 1 if self._is_copy else 0
        elif not self._last <= first <= self._last + 1:
            self._run, self._is_copy = 0, False
        elif last > self._last:
            self._run += last - self._last
        self._last = last
        ahead = min(AHEAD_SHARE * self._run, self._ahead_max)
        return range(first, last + 1), range(last + 1, min(last + 1 + ahead, self._blocks))
