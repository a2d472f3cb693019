"""The controller process: reconciles the ledger with what the sites showed, for ever."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from perijove_hub.admission.service import AdmissionService
from perijove_hub.ledger.database import Database
from perijove_hub.policy.in_force import PlatformInForce

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ControllerOptions:
    """How a controller process is started."""

    platform: Path
    database_url: str


async def run_controller(options: ControllerOptions) -> None:
    """Sweep until SIGTERM or SIGINT. A sweep that fails is logged, and the next one tries again.

    Raises:
        PlatformFileError: the platform file is wrong.
        DatabaseError: the database cannot be used, or another controller runs on it, now or when our lock was lost.
    """
    platform = PlatformInForce(options.platform)
    database = Database(options.database_url)
    database.lock("controller")
    database.migrate()
    admission = AdmissionService(database, platform, lambda: datetime.now(UTC))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, platform.reload)
    log.info("controller sweeps", extra={"sweep_seconds": platform().admission.sweep_seconds})
    while not stop.is_set():
        try:
            await database.confirm_lock()
            await admission.sweep()
        except SQLAlchemyError:
            log.exception("a sweep failed; the next one tries again")
        try:
            await asyncio.wait_for(stop.wait(), platform().admission.sweep_seconds)
        except TimeoutError:
            continue
    await database.close()
