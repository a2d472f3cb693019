from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from perijove_hub.ledger import schema
from perijove_hub.ledger.database import Database, DatabaseError, newest_revision
from perijove_hub.ledger.engines import parse_address, plain_engine

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATES = ["offered", "starting", "active", "ended", "expired", "failed"]

#: Rows of the first revision: a lease in every state, a site, a home.
FIRST_ROWS: dict[str, list[dict[str, Any]]] = {
    "leases": [
        {
            "id": f"{number:032x}", "attempt_id": f"{number + 100:032x}", "owner": "ana", "kind": "session", "name": "",
            "profile": "standard", "state": state, "site": "esac", "cpu": 1.5, "memory_gib": 2.0, "gpu": 0,
            "without_home": False, "offer": {"candidates": [{"site": "esac"}]}, "price": {"cpu_hour": 0.01},
            "created": NOW, "expires": NOW + timedelta(minutes=1), "changed": NOW,
            "started": None if state in ("offered", "starting", "expired") else NOW + timedelta(seconds=10),
            "last_seen": None, "ended": None, "reason": "it said “no” 🛰" if state == "failed" else None,
        }
        for number, state in enumerate(STATES)
    ],
    "sites": [
        {
            "name": "esac", "observed_at": NOW, "received_at": NOW, "reachable": True,
            "attempts": [{"attempt_id": "ab", "owned": True}], "failures": 2, "out_until": None,
        }
    ],
    "homes": [{"owner": "ana", "site": "esac", "since": NOW}],
}  # fmt: skip


@contextmanager
def connected(address: str) -> Iterator[sa.Connection]:
    engine = plain_engine(parse_address(address)).execution_options(perijove_write=True)
    with engine.begin() as connection:
        yield connection


def reflected(connection: sa.Connection) -> Mapping[str, sa.Table]:
    found = sa.MetaData()
    found.reflect(connection)
    return found.tables


def rows(address: str, only: Mapping[str, sa.Table] | None = None) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, of these columns when they are given."""
    with connected(address) as connection:
        tables = dict(only or reflected(connection))
        tables.pop("alembic_version", None)
        return {
            name: [
                dict(row)
                for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns)).mappings()
            ]
            for name, table in sorted(tables.items())
        }


def table_names(address: str) -> set[str]:
    with connected(address) as connection:
        return set(sa.inspect(connection).get_table_names())


def value_for(column: sa.Column[Any]) -> Any:
    kinds: dict[type, Any] = {str: "x", int: 1, float: 0.5, bool: True, datetime: NOW}
    if isinstance(column.type, sa.JSON):
        return ["x"]
    if isinstance(column.type, schema.UtcDateTime):
        return NOW
    return kinds.get(column.type.python_type, NOW.date())


def fill_every_table(address: str) -> set[str]:
    """One row more in every table of the newest revision; which tables these are."""
    with connected(address) as connection:
        for table in schema.metadata.tables.values():
            connection.execute(table.insert().values({column.name: value_for(column) for column in table.columns}))
    return set(schema.metadata.tables)


def test_migrating_makes_the_tables_of_the_schema_and_twice_changes_nothing(empty_ledger: str) -> None:
    for _ in range(2):
        Database(empty_ledger).migrate()
    assert table_names(empty_ledger) == {"alembic_version", *schema.metadata.tables}
    with connected(empty_ledger) as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
        assert connection.scalar(sa.text("select version_num from alembic_version")) == newest_revision()


def at_first_revision(address: str) -> Mapping[str, sa.Table]:
    """A ledger of the first revision with rows in it; its tables."""
    database = Database(address)
    database.migrate()
    database.downgrade("0001")
    with connected(address) as connection:
        tables = reflected(connection)
        for name, values in FIRST_ROWS.items():
            connection.execute(tables[name].insert(), values)
    return tables


def test_rows_survive_the_way_to_the_newest_revision_and_back_and_there_again(empty_ledger: str) -> None:
    first = at_first_revision(empty_ledger)
    before = rows(empty_ledger)
    assert {name: len(found) for name, found in before.items()} == {"homes": 1, "leases": 6, "sites": 1}

    database = Database(empty_ledger)
    database.migrate()
    with connected(empty_ledger) as connection:
        leases = list(connection.execute(sa.select(schema.leases).order_by(schema.leases.c.id)).mappings())
        assert [(row["owner"], row["charge_to"], row["groups"], row["keeps_left"], row["busy"]) for row in leases] == [
            ("ana", None, [], 0, False)
        ] * len(STATES)
        # what was active is metered from its start on
        assert {row["state"]: row["metered_until"] for row in leases} == {
            state: NOW + timedelta(seconds=10) if state == "active" else None for state in STATES
        }
        assert connection.scalar(sa.select(schema.sites.c.failed_owners)) == []
    assert fill_every_table(empty_ledger) == set(schema.metadata.tables)

    database.downgrade("0001")
    assert table_names(empty_ledger) == {"alembic_version", *first}
    # the count of failed starts is what a newer revision does not know any more
    before["sites"][0]["failures"] = 0
    after = rows(empty_ledger, first)
    assert {name: [row for row in found if "x" not in row.values()] for name, found in after.items()} == before

    database.migrate()
    with connected(empty_ledger) as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    unchanged = {name: first[name] for name in ("leases", "homes")}
    assert rows(empty_ledger, unchanged) == {name: after[name] for name in unchanged}


def test_totals_are_made_of_the_days_that_are_there(empty_ledger: str) -> None:
    database = Database(empty_ledger)
    database.migrate()
    database.downgrade("0003")
    amounts = {"cpu_hours": 2.0, "memory_gib_hours": 4.0, "gpu_hours": 0.0, "session_hours": 1.0, "cost": 0.25}
    key = {"day": NOW.date(), "charge_to": "euclid", "site": "esac", "kind": "session"}
    with connected(empty_ledger) as connection:
        connection.execute(schema.usage_days.insert(), [{**key, **amounts, "owner": owner} for owner in ("ana", "bob")])
        connection.execute(schema.usage_days.insert().values({**key, **amounts, "owner": "ana", "charge_to": ""}))
    database.migrate()
    assert rows(empty_ledger)["usage_totals"] == [
        {**key, **amounts, "charge_to": ""},
        {**key, **{name: 2 * amount for name, amount in amounts.items()}},
    ]


def test_migrations_go_down_to_nothing(empty_ledger: str) -> None:
    database = Database(empty_ledger)
    database.migrate()
    fill_every_table(empty_ledger)
    database.downgrade("base")
    assert table_names(empty_ledger) == {"alembic_version"}
    database.migrate()
    assert table_names(empty_ledger) == {"alembic_version", *schema.metadata.tables}


def test_a_migration_that_fails_in_the_middle_leaves_the_ledger_as_it_was(empty_ledger: str) -> None:
    database = Database(empty_ledger)
    database.migrate()
    database.downgrade("0002")
    with connected(empty_ledger) as connection:
        connection.execute(sa.text("create table notices (id integer primary key)"))  # the last table that 0003 makes
    before = rows(empty_ledger), table_names(empty_ledger)
    with pytest.raises(DatabaseError, match=r"cannot be used: .*notices.* already exists"):
        database.migrate()
    assert (rows(empty_ledger), table_names(empty_ledger)) == before
    with connected(empty_ledger) as connection:
        assert "charge_to" not in {column["name"] for column in sa.inspect(connection).get_columns("leases")}
        assert connection.scalar(sa.text("select version_num from alembic_version")) == "0002"
        connection.execute(sa.text("drop table notices"))
    database.migrate()
    assert table_names(empty_ledger) == {"alembic_version", *schema.metadata.tables}


MIGRATOR = "import sys; from perijove_hub.ledger.database import Database; Database(sys.argv[1]).migrate()"


def test_processes_that_start_together_migrate_a_ledger_once(empty_ledger: str) -> None:
    command = [sys.executable, "-c", MIGRATOR, empty_ledger]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[1] for process in processes] == ["", "", ""]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert table_names(empty_ledger) == {"alembic_version", *schema.metadata.tables}


def test_a_ledger_of_a_newer_program_is_refused_and_left_alone(ledger: str) -> None:
    with connected(ledger) as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(DatabaseError) as caught:
        Database(ledger).migrate()
    url = parse_address(ledger)
    spoken = url.database if "sqlite" in ledger else f"database {url.database!r} at 127.0.0.1"
    assert str(caught.value) == (
        f"{spoken} was written by a newer Perijove (this one knows its tables up to {newest_revision()}); "
        "upgrade Perijove or restore an older copy"
    )
    with connected(ledger) as connection:
        assert connection.scalar(sa.text("select version_num from alembic_version")) == "9999"
