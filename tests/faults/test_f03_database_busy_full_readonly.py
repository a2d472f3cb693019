"""F3: SQLite is locked, its disk is full, or it may only be read: 503 with Retry-After, and nothing half-written."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import Pool

from perijove_hub.admission.client import REQUEST_SECONDS
from perijove_hub.ledger import engines
from perijove_hub.ledger.engines import is_unavailable
from tests.support.changes import TITLE, Changes
from tests.support.control_bed import ControlBed, running_control

#: What SQLite says when a write ends in nothing: the fault's own words, which go to the log and to nobody else.
LOCKED, READ_ONLY, FULL, BROKEN = (
    "database is locked",
    "attempt to write a readonly database",
    "database or disk is full",
    "disk I/O error",
)


@pytest.fixture
async def control(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ControlBed]:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.3)
    async with running_control(tmp_path, caplog) as bed:
        yield bed


@pytest.fixture
async def changes(control: ControlBed) -> Changes:
    changes = Changes(control)
    await changes.prepare()
    return changes


def everything(ledger: Path) -> dict[str, list[Any]]:
    """Every row of every table, read past control."""
    with closing(sqlite3.connect(ledger)) as connection:
        names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        return {name: connection.execute(f"select * from {name} order by 1").fetchall() for name in names}


@contextmanager
def locked(ledger: Path) -> Iterator[None]:
    """Another process has begun to write, and does not end."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        yield
        connection.execute("rollback")


#: What is set on whatever connection is used; see the fixture of that name.
PRAGMAS: list[str] = []


@pytest.fixture(autouse=True)
def pragmas() -> Iterator[None]:
    def set_them(connection: Any, *_: Any) -> None:
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    event.listen(Pool, "checkout", set_them)
    yield
    event.remove(Pool, "checkout", set_them)
    PRAGMAS.clear()


@contextmanager
def every_connection(while_faulty: str, afterwards: str) -> Iterator[None]:
    """A pragma on whatever connection is used, and another one once the fault is over."""
    PRAGMAS[:] = [while_faulty]
    try:
        yield
    finally:
        PRAGMAS[:] = [afterwards]


@contextmanager
def no_room(ledger: Path) -> Iterator[None]:
    """No file of this process may become longer than the ledger's log is now."""
    log = ledger.with_name(ledger.name + "-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(ledger: Path) -> Iterator[None]:
    with every_connection("PRAGMA query_only=ON", "PRAGMA query_only=OFF"):
        yield


FAULTS = pytest.mark.parametrize(
    ("fault", "words"),
    [(locked, LOCKED), (read_only, READ_ONLY), (no_room, BROKEN)],
    ids=["locked", "read-only", "full"],
)


@FAULTS
async def test_changes_wait_for_better_times_and_are_made_then(
    fault: Any, words: str, control: ControlBed, changes: Changes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = tmp_path / "control.db"
    before = everything(ledger)
    with fault(ledger):
        begun = monotonic()
        await changes.all_refused()
        assert monotonic() - begun < 5 * (engines.BUSY_SECONDS + 0.7)
        # who only reads goes on reading
        mine = await control.get("leases", control.ana)
        assert (mine.status, [item["state"] for item in mine.body["items"]]) == (200, ["active"])
        assert (await control.get("health")).status == 200
        assert everything(ledger) == before
    told = [record for record in caplog.records if record.message == "the ledger cannot be used"]
    assert [(record.levelname, record.__dict__["error"]) for record in told] == [("WARNING", words)] * 5
    assert words not in "".join(control.texts)
    await changes.all_made()


@FAULTS
async def test_a_step_of_the_controller_is_left_for_the_next_one(
    fault: Any, words: str, control: ControlBed, changes: Changes, tmp_path: Path
) -> None:
    control.clock.advance(3600)  # the offer runs out
    before = everything(tmp_path / "control.db")
    with fault(tmp_path / "control.db"):
        with pytest.raises(SQLAlchemyError, match=words) as caught:
            await control.state.admission.sweep()
        assert is_unavailable(caught.value)
        assert everything(tmp_path / "control.db") == before
    assert [dead.lease.id for dead in await control.state.admission.sweep()] == [changes.offered["id"]]
    assert (await changes.states())[changes.offered["attempt_id"]] == "expired"


async def test_a_disk_that_fills_up_holds_every_lease_that_was_admitted_and_no_other(
    control: ControlBed, changes: Changes, tmp_path: Path
) -> None:
    admitted = set(await changes.states())
    with every_connection("PRAGMA max_page_count=1", "PRAGMA max_page_count=1000000"):  # SQLite takes: no more than now
        for number in range(200):
            attempt = uuid.uuid4().hex
            answer = await changes.ask(attempt, f"user{number}")
            if answer.status != 201:
                break
            admitted.add(attempt)
        assert (answer.status, answer.detail, answer.headers["Retry-After"]) == (503, TITLE, "2")
        assert set(await changes.states()) == admitted
    assert (await changes.ask(attempt, f"user{number}")).status == 201
    assert set(await changes.states()) == admitted | {attempt}
    with closing(sqlite3.connect(tmp_path / "control.db")) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]


async def test_a_lock_that_is_short_is_waited_for(
    control: ControlBed, changes: Changes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 4)
    await control.state.database.close()  # new connections, with the patience of a real control
    with locked(tmp_path / "control.db"):
        waiting = asyncio.create_task(changes.ask(changes.asked))
        assert (await control.get("health")).status == 200
        assert not waiting.done()
    assert (await waiting).status == 201


async def test_the_hub_hears_what_is_wrong_before_it_gives_up() -> None:
    assert engines.TURN_SECONDS + engines.BUSY_SECONDS < REQUEST_SECONDS
