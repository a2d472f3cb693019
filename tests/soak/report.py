"""What a soak found, for people: one section for each database, the last run of each."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.soak.invariants import Rows
from tests.soak.plan import FAULTS
from tests.soak.player import History

TITLE = "# The soak\n\nWritten by `make soak`; a run that breaks an invariant writes nothing here.\n"


@dataclass(frozen=True)
class Report:
    """One run on one database."""

    database: str
    seed: int
    operations: int
    seconds: float
    quiet_points: int
    history: History
    rows: Rows

    def markdown(self) -> str:
        """Its section."""
        counted = self.history.counted
        faults = {name: counted[name] for name in FAULTS if counted[name]}
        others = {name: count for name, count in counted.items() if name not in FAULTS}
        return "\n".join(
            [
                f"## {self.database}",
                "",
                f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, `SEED={self.seed}`: {self.operations} operations in "
                f"{self.seconds:.0f} s, {self.quiet_points + 1} quiet points, every invariant held at each.",
                "",
                f"- operations: {_told(others)}",
                f"- faults: {_told(faults)}",
                f"- answers to starts: {_told(Counter(answer.outcome for answer in self.history.answers))}",
                f"- leases: {_told(Counter(row['state'] for row in self.rows))}",
                "",
            ]
        )


def write_report(path: Path, report: Report) -> None:
    """Put the section of this database in the place of the last one."""
    before = path.read_text() if path.exists() else TITLE
    rest = re.sub(rf"## {report.database}\n.*?(?=## |\Z)", "", before, flags=re.DOTALL)
    path.write_text(f"{rest.rstrip()}\n\n{report.markdown()}")


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items())) or "none"
