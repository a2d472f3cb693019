"""F2: a hub that is killed and started again with many servers finds all of them, and control closes no lease.

A tenth of the figure, so that it fits a test: ``make bench`` measures a restart with 2,000 servers beside the stock
hub.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.support.bed import PLATFORM, Bed

USERS, SERVERS = 300, 40
MOST_MEMORY_BYTES = 2**30


@pytest.fixture(scope="module")
def bed_settings() -> dict[str, str]:
    capacity = "capacity: {cpu: 40, memory_gib: 40}"
    return {"platform": PLATFORM.replace(capacity, "capacity: {cpu: 400, memory_gib: 400}")}


def test_nothing_is_forgotten_and_nothing_is_closed(bed: Bed) -> None:
    names = [f"user{number:03d}" for number in range(USERS)]
    bed.api.post("users", json={"usernames": names}).raise_for_status()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda name: bed.ask(name, profile="small").status_code, names[:SERVERS]))
    assert set(answers) <= {201, 202}
    bed.wait("all sessions", lambda: len(bed.session_processes()) == SERVERS and bed.settled(), 120)
    running, leases = set(bed.session_processes()), bed.open_leases()

    bed.kill("hub")
    begun = time.monotonic()
    bed.launch("hub")
    bed.wait("the hub is back", bed.hub_is_up, 60)
    bed.wait("it knows its servers", lambda: bed.ready_servers() == SERVERS, 60)
    seconds = time.monotonic() - begun
    # two inventories and sweeps later, everything is as it was
    bed.wait("what was is", lambda: bed.settled() and set(bed.session_processes()) == running, 30)
    assert bed.open_leases() == leases
    hub = psutil.Process(bed.pid("hub"))
    assert hub.memory_info().rss < MOST_MEMORY_BYTES
    print(f"{SERVERS} servers of {USERS} users: back after {seconds:.1f} s, {hub.memory_info().rss / 2**20:.0f} MiB")
