"""Fixtures that any test may ask for: PostgreSQL, and ledgers in both databases."""

# before any test brings ecCodes: its libraries hold an SQLite of 2018, which whoever loads SQLite later would get
import sqlite3  # noqa: F401 - loaded for that only

from tests.support.ledgers import empty_ledger, ledger
from tests.support.postgres import postgres, postgres_server

__all__ = ["empty_ledger", "ledger", "postgres", "postgres_server"]
