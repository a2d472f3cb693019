"""The controller process: the loops that nobody calls.

Each step has a loop of its own, so that a hub that hangs, or a step that fails, keeps none of the others waiting.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from perijove_hub import metrics
from perijove_hub.admission.renewals import Renewals
from perijove_hub.admission.service import AdmissionService
from perijove_hub.controller.homes import Homes
from perijove_hub.controller.hub_client import HubClient
from perijove_hub.controller.measures import Measures
from perijove_hub.controller.steady import SteadyClock
from perijove_hub.controller.stops import Stops
from perijove_hub.ledger import said_store
from perijove_hub.ledger.clock import LedgerClock
from perijove_hub.ledger.database import Database, DatabaseError
from perijove_hub.ledger.engines import is_unavailable, spoken_error
from perijove_hub.policy.in_force import PlatformInForce

log = logging.getLogger(__name__)

#: How long a round may go on when the process shall end; what it has not done is done by the next controller.
LAST_ROUND_SECONDS = 5.0

#: How far the host's clock may be ahead of the count of seconds before the log tells.
CLOCK_AHEAD_SECONDS = 60.0

#: How long refusals, and notices that are over, are kept, and how often those beyond that are removed.
KEEP_SAID = timedelta(days=90)
TIDY_SECONDS = 3600.0

Step = Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class ControllerOptions:
    """How a controller process is started; ``metrics_port`` 0 serves no metrics."""

    platform: Path
    database_url: str
    metrics_address: str = "127.0.0.1"
    metrics_port: int = 0


class Loops:
    """Runs steps again and again until they are stopped or the role is lost.

    Args:
        database: whose role of controller is held.
        stopping: is set when the process shall end.
    """

    def __init__(self, database: Database, stopping: asyncio.Event) -> None:
        self._database = database
        self._stopping = stopping

    async def repeat(self, name: str, step: Step, pause_seconds: Callable[[], float]) -> None:
        """Do a step, again and again. One that fails is logged and tried again after the pause.

        Raises:
            DatabaseError: another process is the controller now.
        """
        failed = False
        while not self._stopping.is_set():
            failed = not await self._once(name, step, was_failed=failed)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause_seconds())

    async def _once(self, name: str, step: Step, *, was_failed: bool) -> bool:
        begun = time.monotonic()
        try:
            await self._database.confirm_lock()
            await step()
        except DatabaseError:
            raise
        except Exception as error:  # whatever it was, the other steps and the next round go on
            if not isinstance(error, SQLAlchemyError) or not is_unavailable(error):
                log.exception("a step failed; the next round tries again", extra={"step": name})
            elif not was_failed:
                # once: a database that is away for minutes must not fill the log
                log.warning("the ledger cannot be used", extra={"step": name, "error": spoken_error(error)})
            metrics.STEPS.labels(name, "failed").inc()
            return False
        seconds = time.monotonic() - begun
        metrics.STEPS.labels(name, "done").inc()
        metrics.STEP_SECONDS.labels(name).observe(seconds)
        if was_failed:
            log.info("a step works again", extra={"step": name})
        return True


class Controller:
    """The steps, over one ledger.

    Args:
        database: the ledger's.
        platform: the platform file in force.
        clock: the time of the ledger.
        hub: stops servers.
    """

    def __init__(self, database: Database, platform: PlatformInForce, clock: LedgerClock, hub: HubClient) -> None:
        self._database = database
        self._clock = clock
        self._steady = SteadyClock(clock)
        self._admission = AdmissionService(database, platform, clock)
        self._renewals = Renewals(database, platform, clock)
        self._stops = Stops(database, platform, self._steady, hub)
        self._homes = Homes(database, platform, clock)
        self._measures = Measures(database, platform, clock)
        self._is_ahead = False

    async def close_dead_leases(self) -> None:
        """Close what is provably over."""
        for dead in await self._admission.sweep():
            metrics.CLOSED.labels(dead.state.value).inc()

    async def renew(self) -> None:
        """Write down what was used, and reserve what comes next."""
        metrics.RENEWALS.inc(await self._renewals.renew())

    async def stop_sessions(self) -> None:
        """Tell owners what comes, and stop what is to be stopped."""
        await self._stops.carry_out()
        is_ahead = self._steady.ahead.total_seconds() > CLOCK_AHEAD_SECONDS
        if is_ahead is not self._is_ahead:
            self._is_ahead = is_ahead
            what = (
                "was set forward: sessions are stopped by the count of seconds" if is_ahead else "is as counted again"
            )
            log.warning("the clock %s", what, extra={"seconds": self._steady.ahead.total_seconds()})

    async def tell_of_homes(self) -> None:
        """Tell owners whose homes fill up."""
        await self._homes.tell()

    async def tidy(self) -> None:
        """Remove refusals and notices that nobody asks for any more."""
        before = self._clock() - KEEP_SAID
        removed = await self._database.transact(lambda connection: said_store.remove_old(connection, before))
        if removed:
            log.info("old refusals and notices removed", extra={"rows": removed})

    async def measure(self) -> None:
        """Read the gauges."""
        ahead = metrics.gauge(
            "perijove_clock_ahead_seconds", "How far the clock is ahead of the count of seconds by which sessions stop",
            [], [((), self._steady.ahead.total_seconds())],
        )  # fmt: skip
        metrics.SNAPSHOT.show([*await self._measures.read(), ahead])


async def run_controller(options: ControllerOptions) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reads the platform file again.

    Raises:
        PlatformFileError: the platform file is wrong.
        DatabaseError: the database cannot be used, or another controller runs on it.
        HubNotConfigured: the environment does not say where the hub is.
        OSError: the port of the metrics is taken.
    """
    platform = PlatformInForce(options.platform)
    hub = HubClient.from_environment()
    database = Database(options.database_url)
    database.lock("controller")
    database.migrate()
    end_metrics = metrics.serve_metrics(options.metrics_address, options.metrics_port, platform.state)
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, platform.reload)
    log.info(
        "controller runs",
        extra={"sweep_seconds": platform().admission.sweep_seconds, "policy_version": platform().version},
    )
    try:
        await _run(platform, database, hub, stopping, with_metrics=options.metrics_port != 0)
    finally:
        end_metrics()
        await hub.close()
        await database.close()


async def _run(
    platform: PlatformInForce, database: Database, hub: HubClient, stopping: asyncio.Event, *, with_metrics: bool
) -> None:
    clock = LedgerClock(database)
    await clock.try_sync()
    controller, loops = Controller(database, platform, clock, hub), Loops(database, stopping)
    steps: dict[str, Step] = {
        "sweep": controller.close_dead_leases,
        "renew": controller.renew,
        "stop": controller.stop_sessions,
        "homes": controller.tell_of_homes,
    }
    if with_metrics:
        steps["measure"] = controller.measure

    def pause_seconds() -> float:
        return platform().admission.sweep_seconds

    running = [asyncio.create_task(loops.repeat(name, step, pause_seconds)) for name, step in steps.items()]
    running.append(asyncio.create_task(loops.repeat("tidy", controller.tidy, lambda: TIDY_SECONDS)))
    others = [asyncio.create_task(clock.keep_in_step()), asyncio.create_task(stopping.wait())]
    try:
        ended, _ = await asyncio.wait([*running, others[1]], return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()  # the role was lost, if it raises
        await asyncio.wait(running, timeout=LAST_ROUND_SECONDS)
    finally:
        for task in (*others, *running):
            task.cancel()
        await asyncio.gather(*others, *running, return_exceptions=True)
