"""``python -m tests.support.s3``: the bed as a process. Ctrl-C ends it; counters are at ``/-/stats``."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from .bed import S3Bed


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.s3", description="An S3 server for tests.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--user", action="append", metavar="KEY:SECRET", help="may be repeated")
    parser.add_argument("--directory", type=Path, help="each folder in it is served as a bucket")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="waited before every answer")
    parser.add_argument("--stream-mbs", type=float, default=0.0, help="cap of each stream in MB/s; 0 for none")
    return parser.parse_args()


def _load(bed: S3Bed, directory: Path) -> None:
    for folder in sorted(path for path in directory.iterdir() if path.is_dir()):
        bed.make_bucket(folder.name)
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            bed.put_file(folder.name, path.relative_to(folder).as_posix(), path)


async def _main() -> None:
    arguments = _arguments()
    users = dict(user.split(":", 1) for user in arguments.user) if arguments.user else None
    bed = S3Bed(
        users,
        port=arguments.port,
        latency_seconds=arguments.latency_ms / 1000,
        stream_bytes_per_second=arguments.stream_mbs * 1e6 or None,
    )
    if arguments.directory:
        await asyncio.to_thread(_load, bed, arguments.directory)
    async with bed:
        print(f"S3 at {bed.endpoint}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(_main())
    except KeyboardInterrupt:
        print("ended")
