"""A ledger that was restored from a backup takes up the sessions that it has forgotten."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

from tests.support.bed import Bed
from tests.support.killing import new_user


def _copy(source: Path, target: Path) -> None:
    with sqlite3.connect(source) as live, sqlite3.connect(target) as copy:
        live.backup(copy)


def _restore(bed: Bed, backup: Path) -> None:
    for name in ("control", "controller"):
        bed.kill(name)
    for path in bed.directory.glob("control.sqlite*"):
        path.unlink()
    shutil.copy(backup, bed.directory / "control.sqlite")
    for name in ("control", "controller"):
        bed.launch(name)


def test_sessions_that_the_ledger_forgot_are_put_on_record_once_each(bed: Bed, tmp_path: Path) -> None:
    user, known = new_user(bed), new_user(bed)
    bed.add_user(user, ("staff",))
    assert bed.ask(known).status_code == 201
    _copy(bed.directory / "control.sqlite", tmp_path / "backup.sqlite")
    before = set(bed.session_processes())
    assert bed.ask(user, "mine", profile="for-staff", site="far").status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    with bed.control_as(user) as control:
        (lost,) = control.get("leases").json()["items"]
    running = set(bed.session_processes())
    _restore(bed, tmp_path / "backup.sqlite")
    bed.wait("it to be on record again", lambda: bed.open_leases().get(attempt) == "active")
    bed.wait("open leases = live servers", bed.settled)
    assert set(bed.session_processes()) == running, "nothing that runs was taken for an orphan"
    with bed.control_as(user) as control:
        (found,) = control.get("leases").json()["items"]
    same = ("attempt_id", "owner", "kind", "name", "profile", "charge_to", "site", "state", "resources", "started")
    assert {key: found[key] for key in same} == {key: lost[key] for key in same}
    assert found["id"] != lost["id"]
    # the hub has learnt of the new lease, and ends it with the session
    assert bed.api.delete(f"users/{user}/servers/mine").status_code == 204
    with bed.control_as(user) as control:
        ended = control.get(f"leases/{found['id']}").json()
    assert (ended["state"], ended["reason"]) == ("ended", "stopped")
