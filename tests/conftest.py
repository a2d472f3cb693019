"""Fixtures that any test may ask for: PostgreSQL, and ledgers in both databases."""

from tests.support.ledgers import empty_ledger, ledger
from tests.support.postgres import postgres, postgres_server

__all__ = ["empty_ledger", "ledger", "postgres", "postgres_server"]
