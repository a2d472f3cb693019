"""Builds the demo's data under ``STATE_DIR/build/`` and brings them to the clouds, unless they are there."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

import httpx
import obstore.exceptions

from perijove_demo.clouds import Cloud
from perijove_demo.data.catalogue import ARRAYS_DATASET, SKY_DATASET, TABLES_DATASET, copies, load_datasets
from perijove_demo.data.generated import build_sky
from perijove_demo.data.mosaic import MosaicSpec
from perijove_demo.data.readme import readme_text
from perijove_demo.data.samples import copy_samples, samples_version
from perijove_demo.data.upload import Shelf, shelf
from perijove_demo.problem import DemoProblem

#: Raised when what is built changes, so that states from before are built anew.
BUILD_VERSION = 1
#: As above, for what ``derived`` and ``arrays`` make.
TABLES_VERSION = 2
ARRAYS_VERSION = 3

#: Left free on the disk, for everything else that the demo writes.
_RESERVE_BYTES = 256 << 20
#: Above this, people see the progress of one step.
_LARGE_BYTES = 64 << 20
_GIB = 1 << 30


async def build_demo_data(
    state_dir: Path,
    clouds: Mapping[str, Cloud],
    report: Callable[[str], None],
    *,
    sky: MosaicSpec | None = None,
) -> None:
    """Sees to it that every replica of the catalogue is on its cloud, whole. The clouds run and are provisioned.

    It may be stopped at any time and goes on at the next call. ``report`` is given lines such as "generating the sky:
    40 %", on the caller's loop. ``sky`` is smaller in tests.

    Raises:
        DemoProblem: the disk is too full, or a cloud does not take the data.
    """
    loop = asyncio.get_running_loop()

    def report_on_loop(line: str) -> None:
        loop.call_soon_threadsafe(report, line)

    builder = _Builder(state_dir / "build", clouds, report_on_loop, sky or MosaicSpec())
    work = asyncio.ensure_future(asyncio.to_thread(builder.run))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        builder.stop.set()
        await asyncio.wait([work])
        raise


class _Stopped(Exception):
    """The caller wants to end; unwinds the builder's thread."""


class _Builder:
    """The work, in a thread of its own; ``stop`` ends it at the next step of progress."""

    def __init__(
        self, build_dir: Path, clouds: Mapping[str, Cloud], report: Callable[[str], None], sky: MosaicSpec
    ) -> None:
        self.stop = threading.Event()
        self._build_dir = build_dir
        self._clouds = clouds
        self._report = report
        self._sky = sky
        self._datasets = load_datasets()

    def run(self) -> None:
        try:
            missing = self._missing()
            if not missing:
                return
            self._check_disk(missing)
            for dataset_id, shelves in missing.items():
                folder = self._build(dataset_id)
                for place in shelves:
                    steps = self._steps(f"uploading {dataset_id} to {place.copy.site}", self._size_bytes(dataset_id))
                    place.fill(folder, self._version(dataset_id), steps)
                shutil.rmtree(folder)
        except _Stopped:
            return
        except (obstore.exceptions.BaseError, httpx.HTTPError, OSError) as error:
            raise DemoProblem(f"The demo's data cannot be brought to the clouds: {_first_line(error)}") from error

    def _missing(self) -> dict[str, list[Shelf]]:
        """The replicas that are not there or not whole, by dataset."""
        missing: dict[str, list[Shelf]] = {}
        for copy in copies():
            place = shelf(self._clouds[copy.site], copy)
            manifest = place.manifest()
            if manifest is None or not manifest.complete or manifest.version != self._version(copy.dataset_id):
                missing.setdefault(copy.dataset_id, []).append(place)
        return missing

    def _build(self, dataset_id: str) -> Path:
        """A folder with the dataset's files. One of another version is thrown away; a mosaic that is whole is kept."""
        folder = self._build_dir / f"{dataset_id}-{self._version(dataset_id)}"
        for other in self._build_dir.glob(f"{dataset_id}-*"):
            if other != folder:
                shutil.rmtree(other)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "README.txt").write_text(readme_text(dataset_id, self._datasets[dataset_id]), encoding="utf-8")
        if dataset_id == SKY_DATASET:
            build_sky(folder, self._sky, self._steps("generating the sky", self._size_bytes(dataset_id)))
        elif dataset_id == TABLES_DATASET:
            from perijove_demo.data.derived import build_tables  # its libraries take a second, once for all starts

            build_tables(folder)
        elif dataset_id == ARRAYS_DATASET:
            from perijove_demo.data.arrays import build_arrays  # likewise

            build_arrays(folder)
        else:
            copy_samples(dataset_id, folder)
        return folder

    def _version(self, dataset_id: str) -> str:
        """Names what would be built now."""
        if (made := {TABLES_DATASET: TABLES_VERSION, ARRAYS_DATASET: ARRAYS_VERSION}.get(dataset_id)) is not None:
            made_of = f"{made} of iris-sample-data {version('iris-sample-data')}"
        else:
            made_of = repr(self._sky) if dataset_id == SKY_DATASET else samples_version(dataset_id)
        text = f"{BUILD_VERSION} {made_of} {readme_text(dataset_id, self._datasets[dataset_id])}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _check_disk(self, missing: Mapping[str, list[Shelf]]) -> None:
        """Each dataset is on the disk once while it is built, and once on each cloud."""
        self._build_dir.mkdir(parents=True, exist_ok=True)
        sizes_bytes = {dataset_id: self._size_bytes(dataset_id) for dataset_id in missing}
        needed_bytes = _RESERVE_BYTES + max(sizes_bytes.values())
        needed_bytes += sum(sizes_bytes[dataset_id] * len(shelves) for dataset_id, shelves in missing.items())
        built = (path for path in self._build_dir.rglob("*") if path.is_file() and path.suffix != ".part")
        needed_bytes -= sum(path.stat().st_size for path in built)
        free_bytes = shutil.disk_usage(self._build_dir).free
        if free_bytes < needed_bytes:
            raise DemoProblem(
                f"The demo's data need {needed_bytes / _GIB:.1f} GiB of disk at {self._build_dir.parent} and only "
                f"{free_bytes / _GIB:.1f} GiB are free; free some, or name another place with --state-dir."
            )

    def _size_bytes(self, dataset_id: str) -> int:
        full = int(self._datasets[dataset_id]["size_bytes"])
        return full * self._sky.size_px**2 // MosaicSpec().size_px ** 2 if dataset_id == SKY_DATASET else full

    def _steps(self, what: str, size_bytes: int) -> Callable[[float], None]:
        """Turns shares into lines, one every 10 % if the data are large, and ends the work when asked to."""
        every = 1 if size_bytes > _LARGE_BYTES else 10
        said = -1

        def step(share: float) -> None:
            nonlocal said
            if self.stop.is_set():
                raise _Stopped
            if (tenths := int(share * 10 + 1e-9)) > said and tenths % every == 0:
                said = tenths
                self._report(f"{what}: {tenths * 10} %")

        return step


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
