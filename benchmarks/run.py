"""Run the measurements and write the report: ``python -m benchmarks.run [CLAIM …] [--quick]``."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import uvloop

from benchmarks.measure import busy_share, machine, others_note
from benchmarks.report import RESULTS, Report, Section
from benchmarks.world import POSTGRES
from tests.support.postgres import PostgresServer

#: Each is a module of this package with a coroutine ``measure(bench)``, which returns a section of the report.
CLAIMS = ("decision", "rush", "ledger", "spawn", "restart", "reading", "previews", "compute", "clusters")


@dataclass
class Bench:
    """What a measurement works with. ``quick`` asks for a small size: to see that it runs, not for its figures."""

    directory: Path
    quick: bool

    @cached_property
    def postgres(self) -> PostgresServer:
        """A server of our own, made when the first measurement asks for it."""
        return PostgresServer(POSTGRES)

    def close(self) -> None:
        """End what was started."""
        if "postgres" in self.__dict__:
            self.postgres.close()

    def new_directory(self, name: str) -> Path:
        """An empty directory for the processes of a measurement."""
        path = self.directory / name
        path.mkdir()
        return path


@contextmanager
def open_bench(*, quick: bool) -> Iterator[Bench]:
    """A bench in a directory that goes away afterwards."""
    with tempfile.TemporaryDirectory(prefix="perijove-bench-") as directory:
        bench = Bench(Path(directory), quick)
        try:
            yield bench
        finally:
            bench.close()


async def run(claims: Sequence[str], *, quick: bool) -> list[Section]:
    """Measure one claim after the other."""
    sections = []
    with open_bench(quick=quick) as bench:
        for claim in claims:
            begun, others = time.monotonic(), busy_share()
            print(f"measuring {claim} …", file=sys.stderr, flush=True)
            try:
                section: Section = await importlib.import_module(f"benchmarks.{claim}").measure(bench)
            except Exception as error:  # noqa: BLE001 - the other claims are measured all the same
                traceback.print_exc()
                section = Section(claim, "It could not be measured.", notes=[f"{type(error).__name__}: {error}"[:500]])
            section.machine_was = others_note(others)
            sections.append(section)
            print(f"measured {claim} in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    return sections


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write the report when all of it was measured in full size.

    Never fails because of a figure: it is no test. Fails when something could not be measured.
    """
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=f"of {', '.join(CLAIMS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it runs, not for its figures")
    parser.add_argument("--into", type=Path, metavar="DIR", help="where the report is written, whatever is in it")
    options = parser.parse_args(arguments)
    unknown = set(options.claims) - set(CLAIMS)
    if unknown:
        parser.error(f"no such claim: {', '.join(sorted(unknown))}; there are {', '.join(CLAIMS)}")
    # the loop that control runs in
    sections = uvloop.run(run(options.claims or CLAIMS, quick=options.quick))
    report = Report(sections, machine(), "quick" if options.quick else "full")
    print(report.markdown())
    if options.into or not (options.claims or options.quick):
        report.write(options.into or RESULTS)
    return 0 if all(section.figures for section in sections) else 1


if __name__ == "__main__":
    raise SystemExit(main())
