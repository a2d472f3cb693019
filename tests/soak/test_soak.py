"""A whole platform of real processes under random operations and faults: the ledger stays reality.

``PERIJOVE_SOAK_SEED`` repeats a run (``random`` picks a seed), ``PERIJOVE_SOAK_OPERATIONS`` says how long it is: half
of the operations go to SQLite and half to PostgreSQL. The same seed gives the same operations; what they meet is up to
the machine.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak import invariants
from tests.soak.bed import SoakBed
from tests.soak.plan import USERS, make_plan
from tests.soak.player import History, Player
from tests.soak.report import Report, write_report
from tests.soak.watcher import LOOK_SECONDS, Watcher
from tests.support.ledgers import DATABASES
from tests.support.postgres import PostgresServer

OPERATIONS = int(os.environ.get("PERIJOVE_SOAK_OPERATIONS") or 150) // len(DATABASES)
REPORT = os.environ.get("PERIJOVE_SOAK_REPORT")

#: What `make test` plays: half of 150 of it does each thing at least twice.
KNOWN_SEED = 18

#: How long everything may take to come to rest once nothing is broken any more.
REST_SECONDS = 40


def _seed() -> int:
    said = os.environ.get("PERIJOVE_SOAK_SEED") or str(KNOWN_SEED)
    return secrets.randbelow(10**9) if said == "random" else int(said)


SEED = _seed()


@pytest.fixture(params=DATABASES)
def bed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SoakBed]:
    """A bed on each database; on PostgreSQL with a server that is killed now and then."""
    postgres: PostgresServer | None = None
    if request.param == "postgresql":
        postgres = request.getfixturevalue("postgres")
    bed = SoakBed(tmp_path, postgres)
    try:
        bed.start()
        yield bed
    finally:
        bed.stop()


@pytest.mark.timeout(120 + 8 * OPERATIONS)
def test_ledger_stays_reality_under_random_operations_and_faults(bed: SoakBed) -> None:
    database = bed.address.partition("+")[0]
    print(f"\nsoak on {database}: PERIJOVE_SOAK_SEED={SEED}, {OPERATIONS} operations", flush=True)
    history, begun = History(), time.monotonic()
    for number, user in enumerate(USERS):
        bed.add_user(user, ("pool",) if number % 2 else ("staff",))
    watcher, player = Watcher(bed), Player(bed, history)
    points = 0
    try:
        for episode in make_plan(SEED, OPERATIONS):
            player.play(episode)
            player.rest()
            _assert_all_holds(bed, history, watcher)
            points += 1
        _stop_everything(bed, history)
        _assert_all_holds(bed, history, watcher)
        assert bed.session_processes() == {}, "servers were stopped and still run"
    except BaseException:
        print(f"\nPERIJOVE_SOAK_SEED={SEED} on {database}; what was done:", *history.lines, sep="\n")
        raise
    finally:
        watcher.close()
        player.close()
        seconds = time.monotonic() - begun
    if REPORT:
        with bed.ledger() as ledger:
            rows = invariants.read_leases(ledger)
        write_report(Path(REPORT), Report(database, SEED, OPERATIONS, seconds, points, history, rows))


def _assert_all_holds(bed: SoakBed, history: History, watcher: Watcher) -> None:
    """Everything comes to rest, and every invariant holds then."""
    bed.wait("open leases = live servers = the hub's", bed.at_rest, REST_SECONDS)
    history.note("--- at rest")
    time.sleep(2 * LOOK_SECONDS)  # whoever has gone is missed
    with bed.ledger() as ledger:
        rows = invariants.read_leases(ledger)
        broken = [
            *invariants.every_start_is_clear(rows, history),
            *invariants.refusals_are_kept(ledger, history),
            *invariants.nobody_passed_a_limit(rows, history),
            *invariants.no_site_is_overfull(rows),
            *invariants.entries_are_the_time_run(ledger, rows),
            *invariants.the_ledger_is_reality(rows, dict(watcher.lives), history.outages),
        ]
    assert not broken, "\n".join(broken)


def _stop_everything(bed: SoakBed, history: History) -> None:
    history.note("--- everything is stopped")
    for user in USERS:
        for name in bed.servers(user):
            route = f"users/{user}/servers/{name}" if name else f"users/{user}/server"
            assert bed.api.delete(route).status_code in (202, 204)
    bed.wait("no server to be left", lambda: not bed.open_leases() and not bed.session_processes(), REST_SECONDS)
