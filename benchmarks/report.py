"""The report: a table of what was promised, what was measured, and what the peer needed, as Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchmarks.measure import Samples

RESULTS = Path(__file__).parent / "results"

HEAD = ["what", "runs", "median", "p95", "goal", "reached", "peer", "peer's median", "ratio"]


@dataclass(frozen=True)
class Goal:
    """What was promised: ``judged`` of the samples is at most ``value``, or each of them is exactly that."""

    value: float
    judged: Literal["median", "p95", "greatest", "ratio", "each"] = "p95"

    @property
    def text(self) -> str:
        """In the words of the table."""
        return f"{'=' if self.judged == 'each' else '≤'} {number(self.value)} ({self.judged})"


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``peer`` names what ``peer_samples`` were taken of, in the same run and by turns."""

    what: str
    samples: Samples
    goal: Goal | None = None
    peer: str = ""
    peer_samples: Samples | None = None

    @property
    def ratio(self) -> float | None:
        """Our median over the peer's."""
        if self.peer_samples is None or not self.peer_samples.median:
            return None
        return self.samples.median / self.peer_samples.median

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        if self.goal.judged == "each":
            return all(value == self.goal.value for value in self.samples.values)
        value = self.ratio if self.goal.judged == "ratio" else getattr(self.samples, self.goal.judged)
        return None if value is None else bool(value <= self.goal.value)

    def row(self) -> list[str]:
        """The cells of the table."""
        unit, ratio = self.samples.unit, self.ratio
        return [
            self.what,
            str(len(self.samples.values)),
            f"{number(self.samples.median)} {unit}",
            f"{number(self.samples.p95)} {unit}",
            f"{self.goal.text}" if self.goal else "",
            {True: "yes", False: "**no**", None: ""}[self.reached],
            self.peer,
            f"{number(self.peer_samples.median)} {self.peer_samples.unit}" if self.peer_samples else "",
            number(ratio) if ratio is not None else "",
        ]

    def data(self) -> dict[str, Any]:
        """All of it, for other programs."""
        return {
            "what": self.what,
            "unit": self.samples.unit,
            "median": self.samples.median,
            "p95": self.samples.p95,
            "values": [round(value, 4) for value in self.samples.values],
            "goal": {"value": self.goal.value, "judged": self.goal.judged} if self.goal else None,
            "reached": self.reached,
            "peer": self.peer or None,
            "peer_values": [round(value, 4) for value in self.peer_samples.values] if self.peer_samples else None,
            "ratio": self.ratio,
        }


@dataclass(frozen=True)
class Table:
    """Medians beside each other that no goal is set for."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def lines(self) -> list[str]:
        """Of Markdown."""
        return [f"**{self.title}**", "", _line(self.head), _line(["---"] * len(self.head)), *map(_line, self.rows)]


@dataclass
class Section:
    """What one module measured: on which data, with which figures, and what has to be said about them."""

    title: str
    data: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    machine_was: str = ""
    tables: list[Table] = field(default_factory=list)

    def markdown(self) -> str:
        """The section with its table."""
        lines = [f"## {self.title}", "", f"{self.data} Machine: {self.machine_was}."]
        if self.figures:
            lines += ["", _line(HEAD), _line(["---"] * len(HEAD)), *(_line(figure.row()) for figure in self.figures)]
        for table in self.tables:
            lines += ["", *table.lines()]
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Report:
    """All sections of one run, with the machine that they were taken on and the size that was asked for."""

    sections: Sequence[Section]
    machine: Mapping[str, str]
    size: str
    taken: datetime = field(default_factory=lambda: datetime.now(UTC))

    def markdown(self) -> str:
        """For people."""
        lines = [
            "# Measurements",
            "",
            f"Taken {self.taken:%Y-%m-%d %H:%M} UTC by `make bench`, {self.size} size. Runs of ours and of the peer "
            "take turns. A goal that this machine does not show stays in the table with its figure.",
            "",
            *(f"- {name}: {value}" for name, value in self.machine.items()),
            "",
            *(section.markdown() for section in self.sections),
        ]
        return "\n".join(lines)

    def write(self, into: Path) -> None:
        """Write ``bench.md``, and ``bench.json`` with every run, into a directory."""
        data = {
            "taken": self.taken.isoformat(timespec="seconds"),
            "size": self.size,
            "machine": dict(self.machine),
            "sections": [
                {
                    "title": section.title,
                    "data": section.data,
                    "machine_was": section.machine_was,
                    "notes": section.notes,
                    "figures": [figure.data() for figure in section.figures],
                    "tables": [vars(table) for table in section.tables],
                }
                for section in self.sections
            ],
        }
        into.mkdir(parents=True, exist_ok=True)
        (into / "bench.md").write_text(self.markdown())
        (into / "bench.json").write_text(json.dumps(data, indent=1) + "\n")


def number(value: float) -> str:
    """Three digits that matter, without an exponent."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.3g}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
