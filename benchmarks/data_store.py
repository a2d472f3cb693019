"""The store that is read in measurements, with a control that vends its keys: ``python -m benchmarks.data_store``.

Both in one process of its own, which is not measured. It prints one line of JSON that says where they are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random

from tests.support.control import TOKEN, FakeReplica, threaded_control
from tests.support.s3 import S3Bed

LARGE = "large.bin"
SMALL_BYTES = 20_000


def small(number: int) -> str:
    """The path of a small file."""
    return f"small/{number:05}.dat"


async def main() -> None:
    """Serve until the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-ms", type=float, default=0.0, help="waited before each answer of the store")
    parser.add_argument("--large-bytes", type=int, required=True)
    parser.add_argument("--small-files", type=int, required=True)
    parser.add_argument("--keys", type=int, required=True, help="how many empty keys lie in one directory")
    told = parser.parse_args()
    bed = S3Bed(latency_seconds=told.latency_ms / 1000)
    bed.make_bucket("data")
    noise = random.Random(1)  # noqa: S311 - no secret
    bed.put("data", LARGE, noise.randbytes(told.large_bytes))
    for number in range(told.small_files):
        bed.put("data", small(number), noise.randbytes(SMALL_BYTES))
    bed.put_many("data", (f"many/{number:07}.dat" for number in range(told.keys)))
    with threaded_control() as control:
        async with bed:
            for delivery in ("direct", "proxied"):
                control.add(delivery, FakeReplica("near", bed, "data"), delivery=delivery)
            print(json.dumps({"endpoint": bed.endpoint, "control": control.url, "token": TOKEN}), flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
