from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.exc import OperationalError

from perijove_hub.ledger.database import Database, DatabaseError
from perijove_hub.ledger.engines import parse_address, spoken_address
from tests.support.postgres import PostgresServer

HOLDER = """
import sys, time
from perijove_hub.ledger.database import Database, DatabaseError
database = Database(sys.argv[1])
try:
    database.lock(sys.argv[2])
except DatabaseError as error:
    print(error, flush=True)
else:
    print("locked", flush=True)
    time.sleep(60)
"""


@contextmanager
def held_elsewhere(address: str, role: str) -> Iterator[str]:
    """Another process that tries to hold a role, until it is killed; what it says."""
    command = [sys.executable, "-c", HOLDER, address, role]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def refusal(address: str, role: str) -> str:
    return f"another {role} process uses {spoken_address(parse_address(address))}; one {role} serves one ledger"


async def test_a_second_controller_is_refused_until_the_first_is_killed(ledger: str) -> None:
    database = Database(ledger)
    with held_elsewhere(ledger, "controller") as told:
        assert told == "locked"
        with pytest.raises(DatabaseError) as caught:
            database.lock("controller")
        assert str(caught.value) == refusal(ledger, "controller")
        with held_elsewhere(ledger, "controller") as told:
            assert told == refusal(ledger, "controller")
        with held_elsewhere(ledger, "control") as told:  # one of each role may run
            assert told == "locked"
    with held_elsewhere(ledger, "controller") as told:
        assert told == "locked"
    await database.close()


async def test_of_control_there_is_one_on_sqlite_and_any_number_on_postgresql(ledger: str) -> None:
    with held_elsewhere(ledger, "control") as first, held_elsewhere(ledger, "control") as second:
        assert (first, second) == ("locked", refusal(ledger, "control") if "sqlite" in ledger else "locked")


async def test_a_closed_database_gives_the_role_back(ledger: str) -> None:
    first, second = Database(ledger), Database(ledger)
    first.lock("controller")
    await first.confirm_lock()
    await first.close()
    second.lock("controller")
    await second.close()


async def test_a_lost_lock_is_noticed_and_taken_again(postgres: PostgresServer) -> None:
    address = postgres.ledger()
    first, second = Database(address), Database(address)
    first.lock("controller")
    postgres.end_sessions(address)
    await asyncio.gather(*(first.confirm_lock() for _ in range(10)))  # whoever of us asks first
    with pytest.raises(DatabaseError, match="another controller process uses"):
        second.lock("controller")
    await first.close()


async def test_who_lost_the_lock_to_another_is_told(postgres: PostgresServer) -> None:
    address = postgres.ledger()
    first, second = Database(address), Database(address)
    first.lock("controller")
    postgres.end_sessions(address)
    second.lock("controller")
    for _ in range(2):
        with pytest.raises(DatabaseError) as caught:
            await first.confirm_lock()
        assert str(caught.value) == refusal(address, "controller")
    await second.close()
    await first.confirm_lock()  # it is free again
    await first.close()


async def test_a_server_that_is_away_is_told_and_the_lock_comes_back_with_it(postgres: PostgresServer) -> None:
    address = postgres.ledger()
    first, second = Database(address), Database(address)
    first.lock("controller")
    postgres.kill()
    with pytest.raises(OperationalError):
        await first.confirm_lock()
    postgres.start()
    await first.confirm_lock()
    with pytest.raises(DatabaseError, match="another controller process uses"):
        second.lock("controller")
    await first.close()


def test_a_server_that_is_not_there_is_one_sentence_without_the_password() -> None:
    with pytest.raises(DatabaseError) as caught:
        Database("postgresql://perijove:canary@127.0.0.1:1/control").lock("controller")
    assert str(caught.value).startswith("database 'control' at 127.0.0.1 cannot be used: connection failed: ")
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)
