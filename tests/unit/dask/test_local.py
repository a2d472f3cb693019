"""The local backend: which processes are those of its clusters, and what is read of what they leave."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dask_gateway_server.app import DaskGateway

from perijove.models import Explanation, LeaseOffer, Resources, SpawnSpec
from perijove_hub.dask.governed import GovernedBackend
from perijove_hub.dask.local import PerijoveLocalBackend
from perijove_hub.dask.marks import marked
from perijove_hub.dask.sizes import GIB
from perijove_hub.dask.standing import standing_of
from perijove_hub.dask.times import now

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def backend(tmp_path: Path) -> PerijoveLocalBackend:
    made = PerijoveLocalBackend(parent=DaskGateway())
    made.sigint_timeout = 5
    made._directory, made.standings = tmp_path.resolve(), {}
    return made


@contextlib.contextmanager
def sleeping(where: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works there, with this in its environment."""
    process = subprocess.Popen(SLEEP, cwd=where, env={**os.environ, **environment})
    try:
        # Popen returns in the middle of exec: for a moment the process shows no environment at all
        while not Path(f"/proc/{process.pid}/environ").read_bytes():
            time.sleep(0.001)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    with sleeping(Path("/")) as process:
        yield process


async def test_a_process_that_has_the_number_of_one_of_ours_is_left_alone(
    backend: PerijoveLocalBackend, stranger: subprocess.Popen[bytes]
) -> None:
    assert not backend._runs(stranger.pid)
    await backend.stop_process(stranger.pid)
    assert stranger.poll() is None


@pytest.mark.parametrize("by", ["its environment", "its directory"])
async def test_a_process_of_a_cluster_is_known_and_ended(
    backend: PerijoveLocalBackend, tmp_path: Path, by: str
) -> None:
    (tmp_path / "c1").mkdir()
    where, mark = (Path("/"), {"DASK_GATEWAY_CLUSTER_NAME": "c1"}) if by == "its environment" else (tmp_path / "c1", {})
    with sleeping(where, **mark) as process:
        assert backend._runs(process.pid)
        await backend.stop_process(process.pid)
        assert process.wait(5) != 0
        assert not backend._runs(process.pid)


async def test_who_says_anything_lives_while_control_is_asked_what_it_may_have(
    backend: PerijoveLocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = SimpleNamespace(last_heartbeat=0)
    backend.db = SimpleNamespace(get_cluster=lambda name: record)
    seen: list[int] = []

    async def slow(*args: Any) -> None:
        seen.append(record.last_heartbeat)

    monkeypatch.setattr(GovernedBackend, "on_cluster_heartbeat", slow)
    await backend.on_cluster_heartbeat("c1", {})
    assert seen[0] > 0


def test_logs_are_read_without_waiting_for_what_is_none(backend: PerijoveLocalBackend, tmp_path: Path) -> None:
    offer = LeaseOffer(
        id="a" * 32, attempt_id="b" * 32, candidates=[], explanation=Explanation(summary=""), token="secret",
        spawn=SpawnSpec(resources=Resources(cpu=1, memory_gib=1), policy_version="1"),
    )  # fmt: skip
    config = {"environment": marked({}, offer, "esac", "https://x.example", 0), "worker_cores": 1}
    config |= {"scheduler_cores": 1, "scheduler_memory": GIB, "worker_memory": GIB}
    standing = standing_of(config, now())
    assert standing is not None
    backend.standings["c1"] = standing
    logs = tmp_path / "c1" / "logs"
    logs.mkdir(parents=True)
    os.mkfifo(logs / "worker-pipe.log")  # whoever opens it waits for a writer
    (tmp_path / "elsewhere").write_text("what is nobody's business")
    (logs / "worker-link.log").symlink_to(tmp_path / "elsewhere")
    (logs / "scheduler.log").write_text("the scheduler said secret")
    for number in range(20):
        (logs / f"worker-{number:02}.log").write_text(f"worker {number:02}")
        os.utime(logs / f"worker-{number:02}.log", (number, number))
    backend.cleanup_working_directory(str(tmp_path / "c1"))
    assert standing.log_tail is not None
    assert standing.log_tail.endswith("the scheduler said …")
    assert "worker 19" in standing.log_tail
    assert "worker 00" not in standing.log_tail
    assert "business" not in standing.log_tail
    assert not logs.exists()
