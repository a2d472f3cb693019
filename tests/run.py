"""Every check and test, tier by tier. A tier that fails does not keep the next from running; the summary tells.

``python tests/run.py`` runs all, ``python tests/run.py lint unit`` some. The exit code is 0 when all of them passed.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
#: Two at a time, a file in one of them as a whole: most of these tests wait, for servers, sweeps and graces.
IN_PAIRS = ["-n", "2", "--dist", "loadfile"]
OURS = ["hub_ext", "server_ext", "demo", "docs", "tests", "benchmarks"]

TIERS: dict[str, list[list[str]]] = {
    "lint": [
        [str(BIN / "ruff"), "check", *OURS],
        [str(BIN / "ruff"), "format", "--check", *OURS],
        [str(BIN / "mypy")],
        ["npm", "run", "--silent", "lint"],
    ],
    # --fail-on-warning: a link that leads nowhere is an error
    "docs": [[sys.executable, "-m", "sphinx", "-q", "--fail-on-warning", "--keep-going", "docs", "docs/_build"]],
    "unit": [[sys.executable, "-m", "pytest", "-q", *IN_PAIRS, "tests/unit"], ["npm", "test", "--silent"]],
    "server": [[sys.executable, "-m", "pytest", "-q", *IN_PAIRS, "tests/server"]],
    "hub": [[sys.executable, "-m", "pytest", "-q", *IN_PAIRS, "tests/hub"]],
    "faults": [[sys.executable, "-m", "pytest", "-q", *IN_PAIRS, "tests/faults"]],
    "soak": [[sys.executable, "-m", "pytest", "-q", "-s", "tests/soak"]],
    "demo": [[sys.executable, "-m", "pytest", "-q", "tests/demo"]],
    "integration": [[sys.executable, "-m", "pytest", "-q", "tests/integration"]],
    "ui": [[sys.executable, "ui-tests/run.py"]],
}


def main(names: list[str]) -> int:
    """Run the tiers and print the summary."""
    unknown = set(names) - set(TIERS)
    if unknown:
        print(f"no such tier: {', '.join(sorted(unknown))}; there are {', '.join(TIERS)}", file=sys.stderr)
        return 2
    rows: list[tuple[str, bool, float]] = []
    for tier in names or TIERS:
        for command in TIERS[tier]:
            shown = " ".join(Path(part).name if part.startswith("/") else part for part in command)
            print(f"\n=== {tier}: {shown}", flush=True)
            begun = time.monotonic()
            code = subprocess.run(command, cwd=ROOT, check=False).returncode
            rows.append((f"{tier}: {shown}", code == 0, time.monotonic() - begun))
    print("\n=== summary")
    for name, passed, seconds in rows:
        print(f"{'passed' if passed else 'FAILED':8}{seconds:7.1f} s  {name}")
    failed = sum(not passed for _, passed, _ in rows)
    print(f"\nchecks: {len(rows) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
