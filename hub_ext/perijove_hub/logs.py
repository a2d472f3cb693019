"""Structured logs: one JSON object a line, with the ids that a call adds in ``extra``."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter


def configure_logs(process: str, level: int = logging.INFO) -> None:
    """Send this process's logs to standard error as JSON, each line naming the ``process``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            static_fields={"process": process},
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # these log each request, and a request of a store carries signatures
    for noisy in ("botocore", "aiobotocore", "alembic", "aiosqlite", "asyncio", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
