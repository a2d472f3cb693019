"""Which files and directories of a home take the most room. Links and mounts are not followed."""

from __future__ import annotations

import heapq
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: ``st_blocks`` counts in these, whatever the file system's own blocks are.
BLOCK_BYTES = 512

#: A directory is left out when one directory in it holds this share of its bytes: that one says more.
SAME_SHARE = 0.99


@dataclass(frozen=True, order=True)
class Item:
    """One file or directory; ``path`` is below the home. ``files`` counts those in a directory, all levels."""

    size_bytes: int
    path: str
    files: int = 1
    modified: float = 0.0


@dataclass(frozen=True)
class Bounds:
    """When to stop looking."""

    entries: int = 1_000_000
    seconds: float = 20.0
    shown: int = 40


@dataclass
class HomeSizes:
    """What was found, largest first. ``complete`` is false when the bounds were reached or something was unreadable."""

    files: list[Item] = field(default_factory=list)
    directories: list[Item] = field(default_factory=list)
    total_bytes: int = 0
    looked_at: int = 0
    complete: bool = True


@dataclass
class _Folder:
    """A directory on the way from the home to where we are."""

    path: str
    entries: Iterator[os.DirEntry[str]]
    close: Callable[[], None]
    size_bytes: int
    files: int = 0
    largest_child_bytes: int = 0


def measure_home(home: Path, bounds: Bounds, clock: Callable[[], float] = time.monotonic) -> HomeSizes:
    """Walk through ``home`` within ``bounds``; sizes are what the files take on the disk.

    A file with several names is counted once. Takes up to ``bounds.seconds``: run it in a thread.

    Raises:
        OSError: the home itself cannot be read.
    """
    return _Walk(home, bounds, clock).run()


class _Walk:
    def __init__(self, home: Path, bounds: Bounds, clock: Callable[[], float]) -> None:
        self._home = home
        self._bounds = bounds
        self._clock = clock
        self._deadline = clock() + bounds.seconds
        self._device = home.stat().st_dev
        self._seen: set[tuple[int, int]] = set()
        self._found = HomeSizes()

    def run(self) -> HomeSizes:
        found = self._found
        folders = [_open("", self._home, self._home.stat())]
        while folders:
            entry = None if self._is_over() else self._next_of(folders[-1])
            if entry is None:
                self._leave(folders)
            else:
                found.looked_at += 1
                self._look_at(entry, folders)
        found.files.sort(reverse=True)
        found.directories.sort(reverse=True)
        return found

    def _is_over(self) -> bool:
        over = self._found.looked_at >= self._bounds.entries or self._clock() > self._deadline
        if over:
            self._found.complete = False
        return over

    def _next_of(self, folder: _Folder) -> os.DirEntry[str] | None:
        try:
            return next(folder.entries, None)
        except OSError:  # as a file system that is far away may have it
            self._found.complete = False
            return None

    def _look_at(self, entry: os.DirEntry[str], folders: list[_Folder]) -> None:
        folder = folders[-1]
        path = f"{folder.path}/{entry.name}" if folder.path else entry.name
        try:
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                if status.st_dev == self._device:
                    folders.append(_open(path, entry.path, status))
                return
        except OSError:  # gone meanwhile, or not to be read
            self._found.complete = False
            return
        if status.st_nlink > 1:
            if (status.st_dev, status.st_ino) in self._seen:
                return
            self._seen.add((status.st_dev, status.st_ino))
        size_bytes = disk_bytes(status)
        folder.size_bytes += size_bytes
        folder.files += 1
        if stat.S_ISREG(status.st_mode):
            self._keep(self._found.files, Item(size_bytes, path, 1, status.st_mtime))

    def _leave(self, folders: list[_Folder]) -> None:
        """The directory has been gone through: it counts for the one that it is in."""
        folder = folders.pop()
        folder.close()
        if not folders:
            self._found.total_bytes = folder.size_bytes
            return
        parent = folders[-1]
        parent.size_bytes += folder.size_bytes
        parent.files += folder.files
        parent.largest_child_bytes = max(parent.largest_child_bytes, folder.size_bytes)
        if folder.largest_child_bytes < folder.size_bytes * SAME_SHARE:
            self._keep(self._found.directories, Item(folder.size_bytes, folder.path, folder.files))

    def _keep(self, heap: list[Item], item: Item) -> None:
        if len(heap) < self._bounds.shown:
            heapq.heappush(heap, item)
        else:
            heapq.heappushpop(heap, item)


def _open(path: str, place: Path | str, status: os.stat_result) -> _Folder:
    entries = os.scandir(place)
    return _Folder(path, entries, entries.close, disk_bytes(status))


def disk_bytes(status: os.stat_result) -> int:
    """What a file takes on the disk."""
    return status.st_blocks * BLOCK_BYTES
