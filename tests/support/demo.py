"""The demo as a process, started and stopped as a person would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class DemoProcess:
    """``perijove demo`` on a state directory; ready on entry, stopped on exit."""

    def __init__(self, state_dir: Path, *arguments: str, ready_seconds: float = 300) -> None:
        self.state_dir = state_dir
        self.json_path = state_dir / "demo.json"
        self._arguments = arguments
        self._ready_seconds = ready_seconds
        self.lines: list[str] = []

    def __enter__(self) -> DemoProcess:
        self.lines = []
        command = [sys.executable, "-m", "perijove_hub", "demo", "--port", "0", "--no-build"]
        self.process = subprocess.Popen(
            [*command, "--state-dir", str(self.state_dir), *self._arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # a test run that was started with nohup passes an ignored SIGHUP on; a person's terminal does not
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )
        begun = time.monotonic()
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            if line.startswith("Perijove is ready at ") or time.monotonic() - begun > self._ready_seconds:
                break
        self.ready_after_seconds = time.monotonic() - begun
        if self.process.poll() is not None or not self.lines[-1].startswith("Perijove is ready"):
            self.process.kill()
            raise AssertionError("the demo did not come up:\n" + "\n".join(self.lines))
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self, number: int = signal.SIGINT) -> float:
        """Stop it as Ctrl-C does; the result is how many seconds that took."""
        begun = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                # the tests that follow must not meet it; the next demo on its state ends what it leaves
                self.process.kill()
                raise
        if self.process.stdout is not None:
            self.process.stdout.close()
        return time.monotonic() - begun

    @property
    def told(self) -> dict[str, Any]:
        """What ``demo.json`` says now."""
        told: dict[str, Any] = json.loads(self.json_path.read_text())
        return told
