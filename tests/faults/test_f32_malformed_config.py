"""F32: a wrong platform file keeps every process from starting, and a running one from changing; the fault is named."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.bed import PLATFORM, Bed

WRONG = {
    "an unknown key": (
        PLATFORM.replace("cpu: 40", "cpus: 40", 1),
        ["sites.near.capacity.cpus: unknown key", "sites.near.capacity.cpu: missing"],
    ),
    "a limit over time without a window": (
        PLATFORM.replace("resource: sessions, limit: 2", "resource: cpu_hours, limit: 2"),
        ["cpu_hours are used over time"],
    ),
    "no YAML": (PLATFORM + "\n  - [", []),
}


@pytest.mark.parametrize("what", list(WRONG))
@pytest.mark.parametrize("process", ["control", "controller"])
def test_a_process_refuses_to_start_and_names_file_line_and_key(tmp_path: Path, process: str, what: str) -> None:
    text, faults = WRONG[what]
    path = tmp_path / "perijove.yaml"
    path.write_text(text)
    (tmp_path / "secrets").mkdir()
    command = [sys.executable, "-m", "perijove_hub", process, "--platform", str(path)]
    command += ["--database", f"sqlite+aiosqlite:///{tmp_path}/control.sqlite"]
    command += ["--secrets-dir", str(tmp_path / "secrets"), "--port", "0"] if process == "control" else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert not (tmp_path / "control.sqlite").exists(), "nothing was begun"
    lines = done.stderr.splitlines()
    assert lines
    assert all(line.startswith(f"{path}:") and line.split(":")[1].isdigit() for line in lines), done.stderr
    assert all(fault in done.stderr for fault in faults), done.stderr
    assert "Traceback" not in done.stderr


def test_a_hub_refuses_to_start_and_names_file_line_and_key(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    try:
        (tmp_path / "perijove.yaml").write_text(WRONG["an unknown key"][0])
        bed.launch("hub")
        bed.wait("the hub to end", lambda: bed.has_ended("hub"), 60)
        assert f"{tmp_path}/perijove.yaml:" in bed.log("hub")
        assert "sites.near.capacity.cpus: unknown key" in bed.log("hub")
    finally:
        bed.stop()


def test_a_wrong_reload_leaves_the_file_in_force_and_says_why(bed: Bed) -> None:
    bed.add_user("ana")
    path = bed.directory / "perijove.yaml"
    right = path.read_text()
    path.write_text(WRONG["an unknown key"][0])
    for process in ("control", "controller"):
        bed.signal(process, signal.SIGHUP)
        bed.wait(f"{process} refuses", lambda name=process: "platform file refused" in bed.log(name))
    # the first line of the capacity of `near`
    line = next(number for number, text in enumerate(right.splitlines(), 1) if "cpu: 40" in text)
    assert f"{path}:{line}: sites.near.capacity.cpus: unknown key" in bed.log("control")
    assert bed.ask("ana", profile="small").status_code in (201, 202)
    bed.wait("a session", lambda: len(bed.session_processes()) == 1 and bed.settled())
    # and a right one is taken
    path.write_text(right.replace("limit: 2", "limit: 1"))
    bed.signal("control", signal.SIGHUP)
    bed.wait("control reloads", lambda: "platform file reloaded" in bed.log("control"))
    refused = bed.ask("ana", "second", profile="small")
    assert refused.status_code == 403
    assert "1 of 1 sessions used" in refused.json()["message"]
