"""Whose use is counted.

A subject is ``user:NAME``, ``group:NAME``, ``class:NAME``, ``site:NAME`` or ``platform``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Table, true

from perijove_hub.ledger.binding import subject_of_pool
from perijove_hub.policy.limits import CLASS_PREFIX


def subjects_of(owner: str, charge_to: str | None, site: str | None) -> list[str]:
    """Every subject that a lease counts for."""
    subjects = [f"user:{owner}", "platform"]
    if charge_to:
        subjects.append(subject_of_pool(charge_to))
    return [*subjects, f"site:{site}"] if site else subjects


def is_of(table: Table, subject: str) -> ColumnElement[bool]:
    """The condition under which a row of leases, entries or days counts for a subject."""
    return of_kind(table, *kind_and_value(subject))


def kind_and_value(subject: str) -> tuple[str, str]:
    """The kind of a subject, and what the column of that kind holds; the platform has no column."""
    kind, _, name = subject.partition(":")
    return kind, subject if subject.startswith(CLASS_PREFIX) else name


def of_kind(table: Table, kind: str, value: str | BindParameter[Any]) -> ColumnElement[bool]:
    """As :func:`is_of`, with the value in a parameter, for queries that are made once."""
    if kind == "user":
        return table.c.owner == value
    if kind in ("group", "class"):
        return table.c.charge_to == value
    return table.c.site == value if kind == "site" else true()
