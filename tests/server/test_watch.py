from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

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
