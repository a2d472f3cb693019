from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager

from perijove_server.activity.idleness import Idleness, KernelActivity
from perijove_server.activity.watch import KernelWatch

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class RemoteKernel:
    """A kernel behind a gateway: it has a state, and no sockets to listen at."""

    execution_state: str


@dataclass
class Kernels:
    kernels: dict[str, RemoteKernel] = field(default_factory=dict)

    def list_kernel_ids(self) -> list[str]:
        return list(self.kernels)

    def get_kernel(self, kernel_id: str) -> RemoteKernel:
        return self.kernels[kernel_id]


def test_a_busy_kernel_that_was_not_heard_counts_after_a_while() -> None:
    now = [START]
    kernels = Kernels({"k": RemoteKernel("busy")})
    watch = KernelWatch(kernels, Idleness(START), lambda: now[0])
    watch.sync()

    assert not watch.unheard_busy()
    now[0] += timedelta(seconds=60)
    assert watch.unheard_busy()
    kernels.kernels["k"].execution_state = "idle"
    assert not watch.unheard_busy()
    kernels.kernels["k"].execution_state = "busy"
    assert not watch.unheard_busy()


def test_a_busy_kernel_that_is_heard_is_left_to_what_it_says() -> None:
    now = [START]
    idleness = Idleness(START)
    watch = KernelWatch(Kernels({"k": RemoteKernel("busy")}), idleness, lambda: now[0])
    idleness.kernels["k"] = KernelActivity()
    idleness.kernels["k"].hear("busy", {"msg_type": "comm_msg", "msg_id": "1"}, START)

    watch.unheard_busy()
    now[0] += timedelta(seconds=60)
    assert not watch.unheard_busy()


class Bench:
    """A real kernel and what is heard of it; the clock stands unless it is moved."""

    def __init__(self, manager: Any, kernel_id: str, client: AsyncKernelClient) -> None:
        self.client = client
        self.now = START
        self.kernel = manager.get_kernel(kernel_id)
        self.idleness = Idleness(START - timedelta(minutes=1))
        self.watch = KernelWatch(manager, self.idleness, lambda: self.now)
        self.watch.sync()
        self.activity = self.idleness.kernels[kernel_id]

    async def is_heard(self) -> None:
        """Until what the kernel says comes through, to the server too: a subscription takes a moment."""
        while self.idleness.last_activity < START or self.kernel.execution_state == "starting":
            self.client.execute("pass")
            await self.client.get_shell_msg(timeout=30)
        await self.until(lambda: self.kernel.execution_state == "idle" and not self.activity.knows_something)

    def look_twice(self) -> bool:
        """As two beats of the pulse, a minute apart; false, for use in conditions."""
        self.watch.sync()
        self.now += timedelta(minutes=1)
        self.watch.sync()
        return False

    async def ask_control(self, kind: str) -> dict[str, Any]:
        """Have something done beside the cells; the answer."""
        self.client.control_channel.send(self.client.session.msg(kind))
        content: dict[str, Any] = (await self.client.control_channel.get_msg(timeout=30))["content"]
        return content

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - a kernel is another process
                await asyncio.sleep(0.02)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    manager: Any = AsyncMappingKernelManager()
    kernel_id = await manager.start_kernel()
    client = manager.get_kernel(kernel_id).client()
    client.start_channels()
    await client.wait_for_ready(timeout=30)
    bench = Bench(manager, kernel_id, client)
    await bench.is_heard()
    yield bench
    bench.watch.close()
    client.stop_channels()
    await manager.shutdown_all(now=True)


@pytest.mark.parametrize("is_beside", [False, True])
async def test_what_ended_unheard_is_over_when_the_kernel_says_so(bench: Bench, *, is_beside: bool) -> None:
    shell = (await bench.ask_control("create_subshell_request"))["subshell_id"] if is_beside else None
    bench.activity.hear("busy", {"msg_type": "execute_request", "msg_id": "1", "subshell_id": shell}, START)

    noticed = bench.now = START + timedelta(hours=3)
    bench.watch.sync()
    bench.now += timedelta(seconds=9)
    bench.watch.sync()
    await bench.ask_control("kernel_info_request")
    early = bench.activity.busy(bench.now)
    await bench.until(lambda: bench.look_twice() or not bench.activity.knows_something)

    assert early
    # not that of its beginning: the session would look idle for as long as it ran
    assert bench.idleness.last_activity >= noticed


async def test_a_cell_beside_which_something_has_ended_goes_on_counting(bench: Bench, tmp_path: Path) -> None:
    """The server calls such a kernel idle."""
    done = tmp_path / "done"
    bench.client.execute(f"import os, time\nwhile not os.path.exists({str(done)!r}):\n    time.sleep(0.02)")
    await bench.until(lambda: bench.activity.busy(bench.now))
    await bench.ask_control("create_subshell_request")
    await bench.until(lambda: bench.kernel.execution_state == "idle")

    bench.look_twice()
    bench.look_twice()
    await bench.ask_control("kernel_info_request")
    still = bench.activity.busy(bench.now)
    done.touch()
    await bench.until(lambda: not bench.activity.knows_something)

    assert still
