"""F5: a ledger that is restored from an old copy is reconciled with what runs, and the difference is told."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from perijove_hub.cli import main
from tests.support.bed import Bed


def ledger(bed: Bed, *arguments: str) -> str:
    """What `perijove ledger` says; it must succeed."""
    database = f"sqlite+aiosqlite:///{bed.directory}/control.sqlite"
    command = [sys.executable, "-m", "perijove_hub", "ledger", arguments[0], "--database", database, *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_began_since_is_taken_up_what_ended_since_is_closed_and_both_are_told(bed: Bed, tmp_path: Path) -> None:
    for user in ("ana", "bob", "eva"):
        bed.add_user(user)
    for user in ("ana", "bob"):
        assert bed.ask(user, profile="small").status_code in (201, 202)
    bed.wait("two sessions", lambda: len(bed.session_processes()) == 2 and bed.settled())
    copy = tmp_path / "copy"
    ledger(bed, "backup", str(copy))
    ended = next(attempt for attempt in bed.open_leases() if _owner(bed, attempt) == "ana")

    assert bed.api.delete("users/ana/server").status_code in (202, 204)
    assert bed.ask("eva", profile="small").status_code in (201, 202)
    bed.wait("bob and eva", lambda: len(bed.session_processes()) == 2 and bed.settled())
    running = set(bed.session_processes())
    bed.kill("control")
    bed.kill("controller")
    restored = datetime.now(UTC)
    ledger(bed, "restore", str(copy))
    # the copy knows of ana, who has gone, and not of eva, who works
    assert set(bed.open_leases()) != running

    bed.launch("control")
    bed.launch("controller")
    bed.wait("ledger equals reality", lambda: set(bed.open_leases()) == running and bed.settled(), 60)
    assert set(bed.session_processes()) == running, "nobody's work has ended"
    told = ledger(bed, "difference", "--since", restored.isoformat()).splitlines()
    assert [line.split(" at ")[0] for line in told[:-1]] == ["closed: ana's session", "taken up: eva's session"] or [
        line.split(" at ")[0] for line in told[:-1]
    ] == ["taken up: eva's session", "closed: ana's session"]
    assert told[-1].startswith("1 taken up, 1 closed, ")
    assert "runs it no longer" in "\n".join(told)
    assert ended not in bed.open_leases()
    # what was taken up pays like everybody else, and the hub ends it like any other
    assert bed.api.delete("users/eva/server").status_code in (202, 204)
    bed.wait("eva's lease is over", lambda: len(bed.open_leases()) == 1 and bed.settled())


def test_the_time_since_which_it_is_asked_needs_a_zone(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["ledger", "difference", "--database", "sqlite+aiosqlite:///none.db", "--since", "2026-01-31T12:00"]
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "a time needs its zone, as 2026-01-31T12:00Z" in capsys.readouterr().err


def _owner(bed: Bed, attempt: str) -> str:
    return bed.session_processes()[attempt].environ()["JUPYTERHUB_USER"]
