"""The store that is read in measurements, with a control that vends its keys: ``python -m benchmarks.data_store``.

Both in one process of its own, which is not measured. It prints one line of JSON that says where they are.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
from pathlib import Path

import numpy as np

from benchmarks.previews_peers import PEERS
from tests.support.control import TOKEN, FakeReplica, threaded_control
from tests.support.s3 import S3Bed

LARGE = "large.bin"
#: One part in so many of it, for clients that would take minutes for all.
PART, PART_SHARE = "part.bin", 16
SMALL_BYTES = 20_000
#: Directories of empty files.
FEW, MANY = "few", "many"
SMALL_PREVIEW_BYTES = 4 << 20
#: jupyter-drives sends a file that is not text only where its name is that of a picture.
AS_PICTURE = ".tif"


def small(number: int) -> str:
    """The path of a small file."""
    return f"small/{number:05}.dat"


def as_picture(path: str) -> str:
    """The path at which the same bytes are named as a picture."""
    return f"pictures/{path.rpartition('.')[0]}{AS_PICTURE}"


def copy_of(name: str, copy: int) -> str:
    """The path of one of several copies of a file to look at: they are versions of their own, of the same bytes."""
    return f"copy-{copy}/{name}"


def small_copy_of(name: str) -> str:
    """The path of a file of the same form that is small."""
    return f"small-copy/{name}"


def fill_for_reading(bed: S3Bed, large_bytes: int, small_files: int, keys: int) -> None:
    """One large file, small ones, each also under the name of a picture, and directories of empty ones."""
    noise = np.random.default_rng(1)
    sizes = {LARGE: large_bytes, PART: large_bytes // PART_SHARE} | {
        small(number): SMALL_BYTES for number in range(small_files)
    }
    for path, size_bytes in sizes.items():
        stored = bed.put("data", path, noise.bytes(size_bytes))
        bed.make_bucket("data").put(as_picture(path), stored)
    bed.put_many("data", [f"{FEW}/{number}.dat" for number in range(3)])
    bed.put_many("data", (f"{MANY}/{number:07}.dat" for number in range(keys)))


def fill_for_previews(bed: S3Bed, directory: Path, size_bytes: int, copies: int) -> None:
    """Copies of a file of each format; what has to be made as a whole is kept in ``directory`` for the next store."""
    from benchmarks.previews_files import made  # the libraries of all formats take seconds to load

    bucket = bed.make_bucket("data")
    (directory / "small").mkdir(exist_ok=True)
    for sample in PEERS:
        for path, stored in made(sample, directory / "small", SMALL_PREVIEW_BYTES).items():
            bucket.put(small_copy_of(path), stored)
        for path, stored in made(sample, directory, size_bytes).items():
            for copy in range(copies):
                version = dataclasses.replace(stored, etag=f"{stored.etag}-{copy + 2}")
                bucket.put(copy_of(path, copy), version)


async def main() -> None:
    """Serve until the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0.0, help="waited before each answer of the store")
    parser.add_argument("--large-bytes", type=int, default=0)
    parser.add_argument("--small-files", type=int, default=0)
    parser.add_argument("--keys", type=int, default=0, help="how many empty keys lie in one directory")
    parser.add_argument("--previews", type=Path, metavar="DIR", help="have files to look at, made there")
    parser.add_argument("--preview-bytes", type=int, default=0, help="how large each of them is")
    parser.add_argument("--copies", type=int, default=1, help="how many there are of each")
    told = parser.parse_args()
    bed = S3Bed(latency_seconds=told.latency_ms / 1000)
    bed.make_bucket("data")
    fill_for_reading(bed, told.large_bytes, told.small_files, told.keys)
    if told.previews:
        fill_for_previews(bed, told.previews, told.preview_bytes, told.copies)
    with threaded_control() as control:
        async with bed:
            for delivery in ("direct", "proxied"):
                control.add(delivery, FakeReplica("near", bed, "data"), delivery=delivery)
            print(json.dumps({"endpoint": bed.endpoint, "control": control.url, "token": TOKEN}), flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
