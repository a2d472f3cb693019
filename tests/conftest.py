"""Fixtures that any test may ask for: PostgreSQL, and ledgers in both databases."""

# before any test brings ecCodes: its libraries hold an SQLite of 2018, which whoever loads SQLite later would get
import sqlite3  # noqa: F401 - loaded for that only

import pytest

from tests.support.ledgers import empty_ledger, ledger
from tests.support.postgres import postgres, postgres_server

__all__ = ["empty_ledger", "ledger", "postgres", "postgres_server"]

# its probe is made of assertions, which are to say what they found
pytest.register_assert_rewrite("tests.support.kube")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test by the argument's name where its value is bytes.

    pytest would write the bytes themselves, and packed ones hold the time they were packed at: two workers that were
    not begun within the same second then collect different tests, and none of them is run.
    """
    return argname if isinstance(val, bytes) else None
