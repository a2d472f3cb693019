"""Whether a ledger is whole: its file, the revision of its tables, and that its sums are those of its entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import ColumnElement, Connection, Select, Table, case, extract, func, select, text
from sqlalchemy.exc import DBAPIError

from perijove_hub.ledger.database import migration_config
from perijove_hub.ledger.engines import DatabaseError, parse_address, plain_engine, spoken_address, spoken_error
from perijove_hub.ledger.schema import usage_days, usage_entries, usage_totals

#: What the entries are folded by, but for the day, whose midnight is a matter of the platform file; and the totals.
KEYS = ("owner", "charge_to", "site", "kind")
TOTAL_KEYS = ("day", "charge_to", "site", "kind")
AMOUNTS = ("cpu_hours", "memory_gib_hours", "gpu_hours", "session_hours", "cost")

#: How far a sum may be off: databases count milliseconds, and floats add up in any order.
ABSOLUTE, RELATIVE = 1e-3, 1e-6

MOST_DIFFERENCES = 5

_Sums = dict[tuple[str, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Finding:
    """One sentence about a ledger, and whether it is good news."""

    is_good: bool
    sentence: str


def check(address: str) -> list[Finding]:
    """Look a ledger through; it may be in use meanwhile. Changes nothing.

    Raises:
        DatabaseError: it cannot be read at all.
    """
    url = parse_address(address)
    spoken = spoken_address(url)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        raise DatabaseError(f"{spoken} cannot be used: there is no such file")
    isolation = {} if url.get_backend_name() == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    try:
        with plain_engine(url).execution_options(**isolation).connect() as connection:
            findings = [_file(connection), _revision(connection)]
            return findings + _sums(connection) if all(finding.is_good for finding in findings) else findings
    except DBAPIError as error:
        raise DatabaseError(f"{spoken} cannot be used: {spoken_error(error)}") from error


def known_revisions() -> list[str]:
    """The revisions that this program knows, the newest first."""
    return [script.revision for script in ScriptDirectory.from_config(migration_config()).walk_revisions()]


def judge_revision(found: str | None) -> Finding:
    """What a revision of the tables means to this program."""
    newest, *older = known_revisions()
    if found is None:
        return Finding(False, "It holds no tables of Perijove.")
    if found == newest:
        return Finding(True, f"Its tables have revision {found}, the newest.")
    if found in older:
        return Finding(True, f"Its tables have revision {found}; the next start of control brings them to {newest}.")
    newer = f"Its tables have revision {found}, of a newer Perijove than this one, which knows them up to {newest}."
    return Finding(False, f"{newer} Upgrade Perijove.")


def _file(connection: Connection) -> Finding:
    if connection.dialect.name != "sqlite":
        return Finding(True, "The server answers.")
    faults = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check"))]
    if faults == ["ok"]:
        return Finding(True, "Its file is whole.")
    return Finding(False, f"Its file is damaged: {'; '.join(faults[:MOST_DIFFERENCES])}. Restore a backup.")


def _revision(connection: Connection) -> Finding:
    return judge_revision(MigrationContext.configure(connection).get_current_revision())


def _sums(connection: Connection) -> list[Finding]:
    if judge_revision(known_revisions()[0]) != _revision(connection):
        return []  # tables of an older revision: there are no sums, or other ones
    entries = _by_key(connection, _sum_of_entries(connection.dialect.name))
    days, days_in_all = (_by_key(connection, _sum_of_days(usage_days, keys)) for keys in (KEYS, TOTAL_KEYS))
    totals = _by_key(connection, _sum_of_days(usage_totals, TOTAL_KEYS))
    differences = [
        *(
            f"The days of {_spoken(key)} hold {found:g} {name}, its entries {wanted:g}."
            for key, name, wanted, found in _different(entries, days)
        ),
        *(
            f"The total of {_spoken_total(key)} is {found:g} {name}, its days hold {wanted:g}."
            for key, name, wanted, found in _different(days_in_all, totals)
        ),
    ]
    if not differences:
        count = connection.scalar(select(func.count()).select_from(usage_entries))
        return [Finding(True, f"The sums of its days are those of its {count} entries.")]
    more = len(differences) - MOST_DIFFERENCES
    told = differences[:MOST_DIFFERENCES] + ([f"And {more} more such differences."] if more > 0 else [])
    return [Finding(False, sentence) for sentence in told]


def _different(wanted: _Sums, found: _Sums) -> Iterator[tuple[tuple[str, ...], str, float, float]]:
    nothing = (0.0,) * len(AMOUNTS)
    for key in sorted(wanted.keys() | found.keys()):
        for name, one, other in zip(AMOUNTS, wanted.get(key, nothing), found.get(key, nothing), strict=True):
            if abs(one - other) > ABSOLUTE + RELATIVE * abs(one):
                yield key, name, one, other


def _sum_of_days(table: Table, keys: Sequence[str]) -> Select[*tuple[Any, ...]]:
    columns = [table.c[name] for name in keys]
    return select(*columns, *(func.sum(table.c[name]) for name in AMOUNTS)).group_by(*columns)


def _sum_of_entries(dialect: str) -> Select[*tuple[Any, ...]]:
    columns = usage_entries.c
    hours: ColumnElement[Any] = (
        (func.julianday(columns.ends) - func.julianday(columns.begins)) * 24
        if dialect == "sqlite"
        else extract("epoch", columns.ends - columns.begins) / 3600.0
    )
    # a correction takes back: its resources and its cost are negative already
    sign = case((columns.entry == "correction", -1), else_=1)
    keys = [columns[name] for name in KEYS]
    return select(
        *keys,
        func.sum(columns.cpu * hours),
        func.sum(columns.memory_gib * hours),
        func.sum(columns.gpu * hours),
        func.sum(sign * hours),
        func.sum(columns.cost),
    ).group_by(*keys)


def _by_key(connection: Connection, query: Select[*tuple[Any, ...]]) -> _Sums:
    count = len(AMOUNTS)
    rows = connection.execute(query)
    return {tuple(map(str, row[:-count])): tuple(float(value) for value in row[-count:]) for row in rows}


def _spoken(key: tuple[str, ...]) -> str:
    owner, charge_to, site, kind = key
    return f"{owner}'s {kind}s at {site}" + (f" charged to {charge_to}" if charge_to else "")


def _spoken_total(key: tuple[str, ...]) -> str:
    day, charge_to, site, kind = key
    return f"{kind}s at {site} on {day}" + (f" charged to {charge_to}" if charge_to else "")
