"""F4: PostgreSQL is killed, fails over, or drops a connection in a transaction: run once more, and never done twice."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from perijove_hub.admission.renewals import Renewals
from tests.support.changes import TITLE, Changes
from tests.support.control_bed import ControlBed, running_control
from tests.support.platforms import platform, profile, site
from tests.support.postgres import PostgresServer
from tests.support.wire import Wire

T = TypeVar("T")


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    return postgres.ledger()


@pytest.fixture
async def control(address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog, ledger=address) as bed:
        yield bed


@pytest.fixture
async def changes(control: ControlBed) -> Changes:
    changes = Changes(control)
    await changes.prepare()
    return changes


def run_again(caplog: pytest.LogCaptureFixture) -> int:
    """How many transactions were run again."""
    return sum(record.message == "a transaction is run again" for record in caplog.get_records("call"))


async def until(check: Callable[[], Awaitable[T]]) -> T:
    """Ask until the answer is yes."""
    async with asyncio.timeout(20):
        while not (answer := await check()):  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.01)
    return answer


class Holder:
    """Holds the table of leases, so that every change of it stops in the middle of its transaction."""

    def __init__(self, postgres: PostgresServer, address: str) -> None:
        self._holding, self._looking = postgres.connect(address), postgres.connect(address)
        self._holding.execute("begin")
        self._holding.execute("lock table leases in exclusive mode")

    async def waiting_session(self) -> int:
        """The server's process that waits for the table, once there is one."""
        query = "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"

        async def check() -> list[tuple[int]]:
            return self._looking.execute(query).fetchall()

        [(number,)] = await until(check)
        return number

    async def end_waiting_session(self) -> None:
        """End the session that waits for the table, as an administrator may."""
        self._looking.execute("select pg_terminate_backend(%s, 5000)", [await self.waiting_session()])

    def let_go(self) -> None:
        """Let the changes go on."""
        self._holding.close()
        self._looking.close()


async def test_a_server_that_is_killed_in_a_transaction_and_comes_back(
    postgres: PostgresServer, address: str, control: ControlBed, changes: Changes
) -> None:
    before = await changes.states()
    holder = Holder(postgres, address)
    asking = asyncio.create_task(changes.ask(changes.asked))
    await holder.waiting_session()
    postgres.kill()
    holder.let_go()
    answer = await asking
    assert (answer.status, answer.detail, answer.headers["Retry-After"]) == (503, TITLE, "2")
    await changes.all_refused()
    health = await control.get("health")
    assert (health.status, health.headers["Retry-After"]) == (503, "2")
    postgres.start()
    assert await changes.states() == before
    await changes.all_made()


async def test_a_session_that_is_ended_in_a_transaction_is_not_even_noticed(
    postgres: PostgresServer, address: str, control: ControlBed, changes: Changes, caplog: pytest.LogCaptureFixture
) -> None:
    holder = Holder(postgres, address)
    asking = asyncio.create_task(changes.ask(changes.asked))
    await holder.end_waiting_session()
    await holder.waiting_session()  # it asks again
    holder.let_go()
    assert (await asking).status == 201
    assert run_again(caplog) == 1
    await changes.all_made()


async def test_a_session_that_is_ended_twice_is_told(
    postgres: PostgresServer, address: str, control: ControlBed, changes: Changes, caplog: pytest.LogCaptureFixture
) -> None:
    holder = Holder(postgres, address)
    asking = asyncio.create_task(changes.ask(changes.asked))
    await holder.end_waiting_session()
    await holder.end_waiting_session()
    answer = await asking
    holder.let_go()
    assert (answer.status, answer.detail, answer.headers["Retry-After"]) == (503, TITLE, "2")
    assert run_again(caplog) == 1
    await changes.all_made()


async def test_sessions_that_were_ended_while_idle_are_not_even_noticed(
    postgres: PostgresServer, address: str, control: ControlBed, changes: Changes, caplog: pytest.LogCaptureFixture
) -> None:
    assert postgres.end_sessions(address) > 0
    await changes.all_made()
    assert run_again(caplog) == 0


async def test_a_primary_that_becomes_a_standby_is_left_until_there_is_one_again(
    postgres: PostgresServer, address: str, control: ControlBed, changes: Changes
) -> None:
    with postgres.standby(address):
        await changes.all_refused()
    await changes.all_made()


async def test_requests_in_flight_when_the_server_is_killed_neither_double_nor_pass_a_limit(
    postgres: PostgresServer, address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limit = [{"name": "ten", "resource": "sessions", "limit": 10}]
    async with running_control(tmp_path, caplog, ledger=address, quotas=limit) as bed:
        changes = Changes(bed)
        attempts = [uuid.uuid4().hex for _ in range(30)]

        async def ask(attempt: str) -> int:
            status = (await changes.ask(attempt)).status
            return 0 if status == 503 else status

        asking = [asyncio.create_task(until(partial(ask, attempt))) for attempt in attempts]
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        postgres.kill()
        postgres.start()
        answers = await asyncio.gather(*asking)
        assert Counter(answers) == {201: 10, 403: 20}
        admitted = {attempt for attempt, status in zip(attempts, answers, strict=True) if status == 201}
        assert await changes.states() == dict.fromkeys(admitted, "offered")


# --- the answer to a commit is lost: the server has done it, and we do not know ---------------------------------------


@pytest.fixture
def wire(address: str) -> Iterator[Wire]:
    with Wire(address).laid() as wire:
        yield wire


@pytest.fixture
async def behind_wire(wire: Wire, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    timed = {"standard": profile(max_hours=12, keeps=2)}
    policy = platform(profiles=timed, sites={"esac": site(price={"cpu_hour": 1.0})})
    async with running_control(
        tmp_path, caplog, ledger=wire.address, profiles=timed, sites=policy.model_dump()["sites"], datasets={}
    ) as bed:
        yield bed


async def test_a_change_whose_commit_was_not_heard_of_is_made_once(
    wire: Wire, behind_wire: ControlBed, caplog: pytest.LogCaptureFixture
) -> None:
    changes = Changes(behind_wire)
    await changes.prepare()
    await changes.all_made(before_each=lambda: wire.lose_answer(b"COMMIT"))
    assert (wire.lost, run_again(caplog)) == (5, 5)


async def test_use_is_charged_once_however_the_commit_went(
    wire: Wire, behind_wire: ControlBed, caplog: pytest.LogCaptureFixture
) -> None:
    bed = behind_wire
    await bed.start("ana")
    renewals = Renewals(bed.state.database, bed.state.platform, bed.clock)
    for hours in (1, 2):
        bed.clock.advance(3600)
        wire.lose_answer(b"COMMIT")
        await renewals.renew()
        assert (wire.lost, run_again(caplog)) == (hours, hours)
        today = bed.clock.now.date()
        [row] = await bed.state.usage.rows(today, today, [], owner="ana")
        assert (row.session_hours, row.cpu_hours, row.cost) == (hours, hours, hours)


async def test_an_end_is_put_off_once_however_the_commit_went(
    wire: Wire, behind_wire: ControlBed, caplog: pytest.LogCaptureFixture
) -> None:
    bed = behind_wire
    lease = f"leases/{(await bed.start('ana'))['id']}"
    wire.lose_answer(b"COMMIT")
    kept = await bed.call("POST", f"{lease}/keep", bed.ana, body={"minutes": 30})
    assert (kept.status, kept.body["ends_at"], kept.body["keeps_left"]) == (200, "2026-03-02T00:30:00Z", 1)
    wire.lose_answer(b"COMMIT")
    wish = {"minutes": 60, "reason": "the paper is due"}
    extended = await bed.call("POST", f"{lease}/extend", bed.admin, body=wish)
    assert (extended.status, extended.body["ends_at"], extended.body["keeps_left"]) == (200, "2026-03-02T01:30:00Z", 1)
    assert (wire.lost, run_again(caplog)) == (2, 2)
    assert (await bed.get(lease, bed.ana)).body == extended.body
    told = (await bed.get("notices", bed.ana)).body["items"]
    assert [notice["topic"] for notice in told] == ["time"]
