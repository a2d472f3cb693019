"""A notebook's heavy work: ``python -m benchmarks.shuffle`` reads what to do as JSON and writes what came of it.

An array of random numbers in columns becomes one in rows: half of each piece goes from one worker to the other.
"""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any

import dask
import dask.array as da
from dask_gateway import Gateway
from dask_gateway.auth import JupyterHubAuth
from distributed import Client
from distributed.diagnostics.plugin import SchedulerPlugin

#: So many columns, and rows: strips of 63 MB at 1 GB.
STRIPS = 16


class Failures(SchedulerPlugin):
    """Counts in the scheduler what went wrong, also where it was tried again; and what was done.

    A task of a shuffle that puts a piece together runs on any worker first, to ask which one is to have it, and is then
    "rescheduled" there: that is how Dask does it, and nothing that failed.
    """

    name = "failures"

    def __init__(self) -> None:
        self.erred = 0
        self.retried = 0
        self.lost = 0
        self.done = 0

    def transition(self, key: Any, start: str, finish: str, *args: Any, stimulus_id: str = "", **more: Any) -> None:
        """A task goes on."""
        self.erred += finish == "erred"
        is_moved = stimulus_id.startswith("reschedule-")
        self.retried += start == "processing" and finish in ("released", "waiting") and not is_moved
        self.done += (start, finish) == ("processing", "memory")

    def remove_worker(self, *args: Any, **more: Any) -> None:
        """A worker is gone, and all that it held."""
        self.lost += 1


def counted(dask_scheduler: Any = None) -> dict[str, int]:
    """What the scheduler knows now."""
    plugin = dask_scheduler.plugins["failures"]
    return {
        "erred": plugin.erred,
        "retried": plugin.retried,
        "lost": plugin.lost,
        "tasks": plugin.done,
    }


def shuffle(client: Any, side: int) -> None:
    """Turn columns into rows, and add up both.

    Raises:
        ValueError: it came out wrong.
    """
    strip = -(-side // STRIPS)
    columns = da.random.default_rng(11).random((side, side), chunks=(side, strip))  # type: ignore[no-untyped-call]
    rows = columns.rechunk((strip, side), method="p2p")
    before, after = client.gather(client.compute([columns.sum(), rows.sum()]))
    if not math.isclose(before, after):
        raise ValueError(f"What adds up to {before} has become {after}")


def main() -> None:
    """Shuffle once over a cluster that runs."""
    told = json.load(sys.stdin)
    dask.config.set({"distributed.comm.timeouts.connect": "30s"})
    gateway = Gateway(
        address=told["address"], proxy_address=told["proxy_address"], auth=JupyterHubAuth(api_token=told["token"])
    )
    with gateway.connect(told["name"], shutdown_on_close=False) as cluster, cluster.get_client() as client:
        assert isinstance(client, Client)  # noqa: S101 - for readers
        client.wait_for_workers(told["workers"], timeout=60)
        client.register_plugin(Failures())
        begun, problem = time.monotonic(), None
        try:
            shuffle(client, told["side"])
        except Exception as error:  # noqa: BLE001 - that it failed is what is to be told
            problem = f"{type(error).__name__}: {error}"[:300]
        ended = time.monotonic()
        after = client.run_on_scheduler(counted)  # type: ignore[no-untyped-call]
        answer = {"problem": problem, "begun": begun, "ended": ended, "seconds": ended - begun, **after}
    gateway.close()
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
