from __future__ import annotations

import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import text

from perijove_hub.cli import main
from perijove_hub.ledger import schema
from perijove_hub.ledger.database import Database, newest_revision
from perijove_hub.ledger.engines import parse_address, plain_engine, spoken_address
from tests.support.ledgers import ledger_url
from tests.support.postgres import PostgresServer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

#: An hour and a half of two cores on two days, and a correction that takes a quarter of an hour back.
ENTRY = {
    "lease_id": "a" * 32, "owner": "ana", "charge_to": "euclid", "site": "esac", "kind": "session", "begins": NOW,
    "ends": NOW + timedelta(hours=1.5), "cpu": 2.0, "memory_gib": 4.0, "gpu": 0.0, "price_version": "p", "cost": 0.3,
    "entry": "use", "reason": None, "author": None, "created": NOW,
}  # fmt: skip
CORRECTION = ENTRY | {
    "ends": NOW + timedelta(hours=0.25), "cpu": -2.0, "memory_gib": -4.0, "gpu": 0.0, "cost": -0.05,
    "entry": "correction", "reason": "the store was down", "author": "root",
}  # fmt: skip
DAYS = [
    {"day": date(2026, 3, day), "owner": "ana", "charge_to": "euclid", "site": "esac", "kind": "session",
     "session_hours": hours, "cpu_hours": 2 * hours, "memory_gib_hours": 4 * hours, "gpu_hours": 0.0, "cost": hours / 5}
    for day, hours in ((1, 0.75), (2, 0.5))
]  # fmt: skip

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`perijove ledger` with a ledger's address: its exit code and what it said."""

    def run(command: str, address: str, *arguments: Path) -> tuple[int, str, str]:
        code = main(["ledger", command, "--database", address, *map(str, arguments)])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@contextmanager
def connected(address: str) -> Iterator[sa.Connection]:
    with plain_engine(parse_address(address)).execution_options(perijove_write=True).begin() as connection:
        yield connection


def fill(address: str) -> None:
    """Two entries, the days and the totals they are folded into, a notice, and a home."""
    with connected(address) as connection:
        connection.execute(schema.usage_entries.insert(), [ENTRY, CORRECTION])
        connection.execute(schema.usage_days.insert(), DAYS)
        totals = [{name: value for name, value in day.items() if name != "owner"} for day in DAYS]
        connection.execute(schema.usage_totals.insert(), totals)
        connection.execute(schema.homes.insert().values(owner="ana", site="esac", since=NOW))
        notice = {"key": "k", "groups": ["euclid"], "topic": "quota", "severity": "info", "message": "“½ left” 🛰"}
        connection.execute(schema.notices.insert().values(created=NOW, **notice))


def contents(address: str) -> dict[str, list[tuple[Any, ...]]]:
    with connected(address) as connection:
        return {
            name: [tuple(row) for row in connection.execute(table.select().order_by(*table.primary_key.columns))]
            for name, table in schema.metadata.tables.items()
        }


def spoken(address: str) -> str:
    return spoken_address(parse_address(address))


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.suffix not in (".lock", ".db-wal", ".db-shm")}


# --- copies -----------------------------------------------------------------------------------------------------------


def test_a_copy_put_back_is_the_ledger_of_its_moment_and_what_was_there_is_kept(
    ledger: str, tmp_path: Path, run: Run
) -> None:
    fill(ledger)
    before, copy = contents(ledger), tmp_path / "copy"
    assert run("backup", ledger, copy) == (
        0, f"{copy}: a copy of the ledger, {copy.stat().st_size} bytes.\n", "",
    )  # fmt: skip
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600

    with connected(ledger) as connection:
        connection.execute(schema.homes.insert().values(owner="bob", site="esac", since=NOW))
        connection.execute(schema.notices.delete())
    later = contents(ledger)
    assert later != before

    code, out, err = run("restore", ledger, copy)
    assert (code, err) == (0, "")
    told = re.fullmatch(
        rf"{copy} is the ledger now\. What was there before is (\S+)\.\n"
        r"Start control and the controller: what runs now gets its lease back from what the sites show\. Then ask\n"
        r"  perijove ledger difference --since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ --database URL\n",
        out,
    )
    assert told is not None
    assert contents(ledger) == before
    assert run("check", ledger)[0] == 0

    # a new row gets a number that none has
    with connected(ledger) as connection:
        connection.execute(schema.usage_entries.insert().values(ENTRY | {"lease_id": "b" * 32}))
    assert len(contents(ledger)["usage_entries"]) == 3

    # and back to what was there before
    kept = Path(told[1])
    assert stat.S_IMODE(kept.stat().st_mode) & 0o077 == (0o044 if "sqlite" in ledger else 0), "no wider than it was"
    assert run("restore", ledger, kept)[0] == 0
    assert contents(ledger) == later


def test_a_copy_is_put_into_a_ledger_that_is_not_there_yet(
    ledger: str, tmp_path: Path, run: Run, postgres: PostgresServer
) -> None:
    fill(ledger)
    new = f"sqlite+aiosqlite:///{tmp_path}/new.db" if "sqlite" in ledger else postgres.empty_database()
    run("backup", ledger, tmp_path / "copy")
    code, out, err = run("restore", new, tmp_path / "copy")
    assert (code, err) == (0, "")
    assert "What was there before" not in out
    assert contents(new) == contents(ledger)


async def test_a_copy_is_taken_while_control_uses_the_ledger(ledger: str, tmp_path: Path, run: Run) -> None:
    fill(ledger)
    before = contents(ledger)
    database = Database(ledger)
    database.lock("control")
    async with database.write() as connection:
        await connection.execute(schema.homes.insert().values(owner="bob", site="esac", since=NOW))
        assert run("backup", ledger, tmp_path / "copy")[0] == 0
    await database.close()
    assert run("restore", ledger, tmp_path / "copy")[0] == 0
    assert contents(ledger) == before, "what was not committed is not in it"


@pytest.mark.parametrize("role", ["control", "controller"])
async def test_nothing_is_put_back_while_a_process_uses_the_ledger(
    ledger: str, tmp_path: Path, run: Run, role: str
) -> None:
    fill(ledger)
    run("backup", ledger, tmp_path / "copy")
    database = Database(ledger)
    database.lock(role)
    async with database.read() as connection:
        await connection.execute(text("select 1"))
    before, files = contents(ledger), names(tmp_path)
    code, out, err = run("restore", ledger, tmp_path / "copy")
    refused = f"another {role} process uses {spoken(ledger)}; one {role} serves one ledger"
    if role == "control" and "postgresql" in ledger:
        refused = f"1 session of control or its like use {spoken(ledger)}; stop them, then restore"
    assert (code, out, err) == (2, "", f"perijove: {refused}\n")
    await database.close()
    assert (contents(ledger), names(tmp_path)) == (before, files)


def test_a_copy_is_never_written_over_another(ledger: str, tmp_path: Path, run: Run) -> None:
    copy = tmp_path / "copy"
    copy.write_text("an older copy")
    told = f"perijove: {copy} exists already; give the name of a new file\n"
    assert run("backup", ledger, copy) == (2, "", told)
    assert copy.read_text() == "an older copy"


def test_a_copy_that_fails_leaves_no_file(ledger: str, tmp_path: Path, run: Run, postgres: PostgresServer) -> None:
    folder = tmp_path / "copies"
    told = f"perijove: {folder}/copy cannot be written: No such file or directory\n"
    assert run("backup", ledger, folder / "copy") == (2, "", told)
    folder.mkdir()
    if "sqlite" in ledger:
        told = f"perijove: {tmp_path}/none.db cannot be copied: unable to open database file\n"
        assert run("backup", f"sqlite+aiosqlite:///{tmp_path}/none.db", folder / "copy") == (2, "", told)
    else:
        told = "perijove: pg_dump failed: pg_dump: error: no matching tables were found\n"
        assert run("backup", postgres.empty_database(), folder / "copy") == (2, "", told)
    assert names(folder) == set()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"copy cannot be used: there is no such file"),
        (b"", r"copy is not put back: It holds no tables of Perijove\.|pg_restore failed: .*"),
        (
            b"no copy at all" * 1000,
            r"copy cannot be copied: file is not a database|pg_restore failed: .*not appear to be.*",
        ),
    ],
)
def test_what_is_no_copy_is_not_put_back(
    ledger: str, tmp_path: Path, run: Run, content: bytes | None, told: str
) -> None:
    fill(ledger)
    before, copy = contents(ledger), tmp_path / "copy"
    if content is not None:
        copy.write_bytes(content)
    code, out, err = run("restore", ledger, copy)
    assert (code, out) == (2, "")
    assert re.fullmatch(rf"perijove: .*({told})\n", err)
    assert contents(ledger) == before


def test_a_copy_of_a_newer_program_is_not_put_back(ledger: str, tmp_path: Path, run: Run) -> None:
    fill(ledger)
    with connected(ledger) as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    run("backup", ledger, tmp_path / "copy")
    with connected(ledger) as connection:
        connection.execute(text(f"update alembic_version set version_num = '{newest_revision()}'"))
    before = contents(ledger)
    code, out, err = run("restore", ledger, tmp_path / "copy")
    assert (code, out) == (2, "")
    assert err.startswith(
        f"perijove: {tmp_path}/copy is not put back: Its tables have revision 9999, of a newer Perijove"
    )
    assert contents(ledger) == before


def test_a_copy_of_an_older_program_is_put_back_and_brought_up(ledger: str, tmp_path: Path, run: Run) -> None:
    Database(ledger).downgrade("0001")
    with connected(ledger) as connection:
        connection.execute(text("insert into homes (owner, site, since) values ('ana', 'esac', '2026-03-01 12:00:00')"))
    run("backup", ledger, tmp_path / "copy")
    Database(ledger).migrate()
    assert run("restore", ledger, tmp_path / "copy")[0] == 0
    code, out, err = run("check", ledger)
    assert (code, err) == (0, "")
    assert "Its tables have revision 0001; the next start of control brings them to " in out
    Database(ledger).migrate()
    assert [row[:2] for row in contents(ledger)["homes"]] == [("ana", "esac")]


def test_what_does_not_go_in_leaves_the_ledger_as_it_was(
    postgres: PostgresServer, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.ledger()
    fill(address)
    run("backup", address, tmp_path / "copy")
    with postgres.connect(address) as admin:
        admin.execute("create view of_mine as select * from homes")  # keeps the table from being dropped
    before = contents(address)
    code, _, err = run("restore", address, tmp_path / "copy")
    assert code == 2
    assert "cannot drop table homes because other objects depend on it" in err
    assert contents(address) == before


def test_a_missing_program_is_one_sentence(
    postgres: PostgresServer, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perijove_hub.ledger.dumps.DEBIAN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, err = run("backup", postgres.ledger(), tmp_path / "copy")
    assert (code, out) == (2, "")
    assert err == (
        "perijove: pg_dump is missing: install PostgreSQL's client programs (Debian's package postgresql-client), "
        "of the server's version or a newer one\n"
    )
    assert names(tmp_path) == set()


def test_a_wrong_password_is_told_without_it(postgres: PostgresServer, tmp_path: Path, run: Run) -> None:
    wrong = postgres.ledger().replace("perijove:", "perijove:wrong-")
    for command, arguments in (("backup", [tmp_path / "copy"]), ("check", [])):
        code, out, err = run(command, wrong, *arguments)
        assert (code, out) == (2, "")
        assert "password authentication failed" in err
        assert "canary" not in err


def test_what_a_killed_process_left_in_the_log_is_kept_with_the_ledger(tmp_path: Path, run: Run) -> None:
    address, killed = ledger_url(tmp_path), tmp_path / "killed"
    fill(address)
    before = contents(address)
    run("backup", address, tmp_path / "copy")
    killed.mkdir()
    with sqlite3.connect(tmp_path / "control.db") as connection:
        connection.execute("delete from homes")
        connection.commit()
        for part in ("", "-wal", "-shm"):
            (killed / f"control.db{part}").write_bytes((tmp_path / f"control.db{part}").read_bytes())
    left = ledger_url(killed)
    assert run("restore", left, tmp_path / "copy")[0] == 0
    assert contents(left) == before
    [kept] = killed.glob("control.db.before-restore-*Z")
    assert contents(f"sqlite+aiosqlite:///{kept}") == before | {"homes": []}


def test_a_damaged_ledger_is_kept_as_it_is(tmp_path: Path, run: Run) -> None:
    address = ledger_url(tmp_path)
    fill(address)
    before = contents(address)
    run("backup", address, tmp_path / "copy")
    (tmp_path / "control.db").write_bytes(b"damaged" * 1000)
    (tmp_path / "control.db-wal").write_bytes(b"its log")
    assert run("restore", address, tmp_path / "copy")[0] == 0
    assert contents(address) == before
    [kept] = tmp_path.glob("control.db.before-restore-*Z")
    assert kept.read_bytes() == b"damaged" * 1000
    assert kept.with_name(kept.name + "-wal").read_bytes() == b"its log"


# --- checks -----------------------------------------------------------------------------------------------------------


def test_a_ledger_that_is_whole_says_so(ledger: str, run: Run) -> None:
    fill(ledger)
    first = "Its file is whole." if "sqlite" in ledger else "The server answers."
    assert run("check", ledger) == (
        0,
        f"{first}\nIts tables have revision 0006, the newest.\nThe sums of its days are those of its 2 entries.\n",
        "",
    )


def test_sums_that_are_not_those_of_the_entries_are_told(ledger: str, run: Run) -> None:
    fill(ledger)
    with connected(ledger) as connection:
        connection.execute(schema.usage_days.update().where(schema.usage_days.c.day == date(2026, 3, 2)).values(cost=9))
        connection.execute(
            schema.usage_days.insert().values(DAYS[0] | {"owner": "bob", "charge_to": "", "memory_gib_hours": 0.0})
        )
        totals = schema.usage_totals
        connection.execute(totals.update().where(totals.c.day == date(2026, 3, 1)).values(cpu_hours=2))
    code, out, err = run("check", ledger)
    assert code == 1
    assert out.count("\n") == 2
    assert err.count("\n") == 6
    assert err.startswith(
        "The days of ana's sessions at esac charged to euclid hold 9.15 cost, its entries 0.25.\n"
        "The days of bob's sessions at esac hold 1.5 cpu_hours, its entries 0.\n"
        "The days of bob's sessions at esac hold 0.75 session_hours, its entries 0.\n"
        "The days of bob's sessions at esac hold 0.15 cost, its entries 0.\n"
        "The total of sessions at esac on 2026-03-01 is 0 cpu_hours, its days hold 1.5.\n"
    )


def test_a_ledger_of_a_newer_program_and_one_without_tables_are_told(ledger: str, run: Run) -> None:
    with connected(ledger) as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    code, _, err = run("check", ledger)
    assert code == 1
    assert err.startswith("Its tables have revision 9999, of a newer Perijove than this one")
    with connected(ledger) as connection:
        connection.execute(text("drop table alembic_version"))
    code, _, err = run("check", ledger)
    assert (code, err) == (1, "It holds no tables of Perijove.\n")


def test_a_damaged_file_is_told(tmp_path: Path, run: Run) -> None:
    address = ledger_url(tmp_path)
    fill(address)
    with sqlite3.connect(tmp_path / "control.db") as connection:
        connection.execute("pragma writable_schema=on")
        connection.execute("update sqlite_master set sql = replace(sql, 'owner', 'other') where name = 'leases_open'")
    code, out, err = run("check", address)
    assert (code, out) == (2, "")
    assert "malformed" in err


def test_a_ledger_that_is_not_there_is_one_sentence_and_is_not_made(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "none.db"
    told = f"perijove: {path} cannot be used: there is no such file\n"
    assert run("check", f"sqlite+aiosqlite:///{path}") == (2, "", told)
    assert run("check", "sqlite:///x")[0] == 2
    assert not path.exists()
