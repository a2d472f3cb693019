"""What reading has moved, counted for each dataset and each opened object of this process.

Counters are plain numbers that one event loop adds to; other threads only look.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from .catalogue import size_text


@dataclass(slots=True)
class Counts:
    """What was asked of stores and what did not have to be.

    Attributes:
        bytes: that came from stores.
        requests: sent to stores; what is sent again after a stumble counts once.
        cache_hits: reads that the block cache on disk answered.
        cache_bytes: that came from it.
        fail_overs: how often an opened object went on from another replica.
    """

    bytes: int = 0
    requests: int = 0
    cache_hits: int = 0
    cache_bytes: int = 0
    fail_overs: int = 0

    def add(self, more: Counts) -> None:
        """Count ``more`` in."""
        self.bytes += more.bytes  # by name: this is done at every read
        self.requests += more.requests
        self.cache_hits += more.cache_hits
        self.cache_bytes += more.cache_bytes
        self.fail_overs += more.fail_overs

    def __add__(self, other: Counts) -> Counts:
        """The sum of both."""
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


class Stats(Mapping[str, Counts]):
    """Counts by dataset, as they were when asked for; ``total`` is their sum. Shows itself as a table."""

    def __init__(self, by_dataset: Mapping[str, Counts]) -> None:
        self._by_dataset = {name: counts + Counts() for name, counts in sorted(by_dataset.items())}
        self.total = sum(self._by_dataset.values(), Counts())

    def __getitem__(self, dataset_id: str) -> Counts:
        """The counts of one dataset."""
        return self._by_dataset[dataset_id]

    def __iter__(self) -> Iterator[str]:
        """The ids of the datasets that were read."""
        return iter(self._by_dataset)

    def __len__(self) -> int:
        """How many datasets were read."""
        return len(self._by_dataset)

    def __repr__(self) -> str:
        """One line for each dataset, and one for the sum of several."""
        rows = self._rows()
        if not rows:
            return "nothing has been read yet"
        lines = [_HEAD, *rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
        return "\n".join(
            "  ".join(
                text.ljust(width) if column == 0 else text.rjust(width)
                for column, (text, width) in enumerate(zip(line, widths, strict=True))
            )
            for line in lines
        )

    def _repr_html_(self) -> str:
        """The same as a table."""
        head = "".join(f"<th>{text}</th>" for text in _HEAD)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in self._rows()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _rows(self) -> list[tuple[str, ...]]:
        rows = list(self._by_dataset.items())
        if len(rows) > 1:
            rows.append(("total", self.total))
        return [
            (
                name,
                size_text(counts.bytes),
                str(counts.requests),
                str(counts.cache_hits),
                size_text(counts.cache_bytes),
                str(counts.fail_overs),
            )
            for name, counts in rows
        ]


_HEAD = ("dataset", "read", "requests", "cache hits", "from cache", "fail-overs")

_by_dataset: dict[str, Counts] = {}


def counts_of(dataset_id: str) -> Counts:
    """The counters of one dataset in this process, to add to."""
    return _by_dataset.setdefault(dataset_id, Counts())


def stats() -> Stats:
    """What this process has read so far, by dataset: bytes, requests, hits of the cache, fail-overs.

    A file that is open tells its own: ``file.counts``.
    """
    return Stats(dict(_by_dataset))
