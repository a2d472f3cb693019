"""Asking the catalogues of others now and then, and keeping what they said when they do not answer."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from perijove.places import Allowed
from perijove_hub.catalogue import snapshots
from perijove_hub.catalogue.guarded import Budget, GuardedSession, spoken
from perijove_hub.catalogue.models import CatalogueError, Found, FoundList, Harvest
from perijove_hub.catalogue.providers import Provider, provider_of
from perijove_hub.ledger.database import Database
from perijove_hub.policy.catalogues import CatalogueSpec
from perijove_hub.policy.models import Platform

log = logging.getLogger(__name__)

#: How often it is looked at which catalogues are due, in seconds.
LOOK_SECONDS = 5.0
#: What one harvest may take, and one question of a user, whose server waits for 20 seconds at most.
HARVEST_SECONDS = 120.0
QUESTION_SECONDS = 15.0
#: The first pause after a failure; it doubles up to the time between two harvests.
FIRST_PAUSE = timedelta(minutes=1)
#: After so many failures in a row nobody should wait for a catalogue.
DEAD_AFTER = 3
#: What is kept of one catalogue, as JSON.
SNAPSHOT_BYTES = 16 * 2**20

State = Literal["live", "stale", "dead", "pending"]
Result = TypeVar("Result")
Question = Callable[[Provider, GuardedSession], Result]


def state_of(harvest: Harvest) -> State:
    """How a catalogue answers, in a word."""
    if harvest.failures == 0:
        return "live" if harvest.harvested else "pending"
    return "stale" if harvest.harvested and harvest.failures < DEAD_AFTER else "dead"


def next_due(now: datetime, refresh: timedelta, failures: int, share: float) -> datetime:
    """When a catalogue is asked again.

    Args:
        now: the end of this harvest.
        refresh: the time between two harvests that go well.
        failures: how many have failed in a row.
        share: from 0 to 1, by chance: so that many catalogues, and many platforms, do not ask at one moment.
    """
    pause = refresh if failures == 0 else min(refresh, FIRST_PAUSE * 2 ** min(failures - 1, 12))
    return now + pause * (0.9 + 0.2 * share)


class Asker:
    """Puts questions to catalogues in threads of its own: a slow one must not take those that others wait for."""

    def __init__(self) -> None:
        self._harvests = ThreadPoolExecutor(4, "harvest")
        self._turns = asyncio.Semaphore(4)  # the time of a harvest runs when it has a thread
        self._questions = ThreadPoolExecutor(16, "catalogue")
        self._waiting: dict[str, int] = {}

    async def harvest(self, spec: CatalogueSpec) -> list[Found]:
        """All datasets of a catalogue.

        Raises:
            CatalogueError: it does not answer as it should, or not in time.
        """
        async with self._turns:
            return await self._ask(
                self._harvests, HARVEST_SECONDS, spec, lambda provider, session: provider.harvest(session)
            )

    async def ask(self, name: str, spec: CatalogueSpec, question: Question[Result]) -> Result:
        """The answer to a question of a user.

        Raises:
            CatalogueError: as :meth:`harvest`, or too many wait for this catalogue.
        """
        if self._waiting.get(name, 0) >= 6:
            raise CatalogueError("Many wait for an answer of it already; try again in a moment.")
        self._waiting[name] = self._waiting.get(name, 0) + 1
        try:
            return await self._ask(self._questions, QUESTION_SECONDS, spec, question)
        finally:
            self._waiting[name] -= 1

    async def _ask(
        self,
        pool: ThreadPoolExecutor,
        seconds: float,
        spec: CatalogueSpec,
        question: Question[Result],
    ) -> Result:
        budget = Budget(seconds, allowed=Allowed.of(spec.url, spec.allow_private))

        def work() -> Result:
            with GuardedSession(budget) as session:
                return question(provider_of(spec), session)

        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().run_in_executor(pool, work)
        except CatalogueError:
            raise
        except TimeoutError as error:
            raise CatalogueError(f"It did not answer within {seconds:g} seconds.") from error
        except Exception as error:  # libraries raise whatever they like when strangers feed them
            log.info("a catalogue sent what is not understood", extra={"error": type(error).__name__})
            raise _misunderstood(error) from error
        finally:
            budget.cut()

    def close(self) -> None:
        """Take no more questions; those under way are not waited for."""
        self._harvests.shutdown(wait=False, cancel_futures=True)
        self._questions.shutdown(wait=False, cancel_futures=True)


class Harvester:
    """Keeps the snapshots of all catalogues of the platform file.

    Args:
        database: where they are kept.
        platform: gives the platform file in force.
        clock: gives the time, aware.
        asker: puts the questions.
    """

    def __init__(
        self, database: Database, platform: Callable[[], Platform], clock: Callable[[], datetime], asker: Asker
    ) -> None:
        self._database = database
        self._platform = platform
        self._clock = clock
        self._asker = asker
        self._harvests: dict[str, Harvest] = {}
        self._running: dict[str, asyncio.Task[None]] = {}

    def harvests(self) -> Mapping[str, Harvest]:
        """What is known of each catalogue that has been asked; ``found`` is the same tuple until it changes."""
        return self._harvests

    async def run(self) -> None:
        """Look for ever which catalogues are due."""
        while True:
            await self._try(self.look)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Read what others have heard, and start to ask those that are due."""
        specs = self._platform().catalogues
        if not specs and not self._harvests:
            return
        await self._read(specs)
        for name, spec in specs.items():
            if name not in self._running and await self._claim(name, spec):
                self._running[name] = task = asyncio.create_task(self._try(lambda n=name, s=spec: self._harvest(n, s)))  # type: ignore[misc]
                task.add_done_callback(lambda _, name=name: self._running.pop(name, None))  # type: ignore[misc]

    async def settle(self) -> None:
        """Look, and wait for what was started; for tests and for a first answer that is whole."""
        await self.look()
        while self._running:
            await asyncio.gather(*self._running.values())
        await self._read(self._platform().catalogues)

    async def close(self) -> None:
        """Stop asking."""
        for task in [*self._running.values()]:
            task.cancel()
        self._asker.close()

    async def _read(self, specs: Mapping[str, CatalogueSpec]) -> None:
        async with self._database.read() as connection:
            rows = await snapshots.rows(connection)
        harvests: dict[str, Harvest] = {}
        for name, row in rows.items():
            spec, known = specs.get(name), self._harvests.get(name)
            if spec is None or row.fingerprint != spec.fingerprint:
                continue
            is_same = known is not None and (known.fingerprint, known.serial) == (row.fingerprint, row.serial)
            # what another address has named is another finding, though the names are the same: an index goes by it
            # found at another address it is not the same, though it reads so: the index goes by which tuple it is
            before = known.found if known and known.fingerprint == row.fingerprint else ()
            found = before if is_same else await self._found(name, before)
            harvests[name] = Harvest(row.fingerprint, row.serial, row.harvested, row.failures, row.error, found)
        self._harvests = harvests

    async def _found(self, name: str, known: tuple[Found, ...]) -> tuple[Found, ...]:
        """What the last good harvest found; if that is the same as before, the same tuple."""
        async with self._database.read() as connection:
            text = await snapshots.found(connection, name)
        if text is None:
            return ()

        def read() -> tuple[Found, ...]:
            found = tuple(FoundList.model_validate_json(text).items)
            return known if found == known else found

        return await asyncio.to_thread(read)

    async def _claim(self, name: str, spec: CatalogueSpec) -> bool:
        now = self._clock()
        until = now + timedelta(seconds=2 * HARVEST_SECONDS)
        return await self._database.transact(
            lambda connection: snapshots.claim(connection, name, spec.fingerprint, now, until)
        )

    async def _harvest(self, name: str, spec: CatalogueSpec) -> None:
        refresh = timedelta(minutes=spec.refresh_minutes)
        share = random.random()  # noqa: S311 - no secret
        try:
            found = await self._asker.harvest(spec)
        except CatalogueError as error:
            known = self._harvests.get(name, Harvest())
            due, said = next_due(self._clock(), refresh, known.failures + 1, share), str(error)[:500]
            log.warning("a catalogue does not answer as it should", extra={"catalogue": name, "error": said})
            await self._database.transact(
                lambda connection: snapshots.failed(connection, name, spec.fingerprint, due, said)
            )
            return
        now = self._clock()
        due, text = next_due(now, refresh, 0, share), await asyncio.to_thread(_as_json, found)
        log.info("a catalogue was asked", extra={"catalogue": name, "datasets": len(found)})
        await self._database.transact(
            lambda connection: snapshots.succeeded(connection, name, spec.fingerprint, now, due, text)
        )

    async def _try(self, work: Callable[[], Awaitable[None]]) -> None:
        """The list goes on whatever becomes of one look; the database may be away for a while."""
        try:
            await work()
        except (SQLAlchemyError, OSError) as error:
            log.warning("catalogues cannot be looked after now", extra={"error": type(error).__name__})
        except Exception:
            log.exception("a fault of ours while catalogues were looked after")


def _as_json(found: list[Found]) -> str:
    """Those that fit into a snapshot, each name once."""
    kept: dict[str, Found] = {}
    left_bytes = SNAPSHOT_BYTES
    for each in found:
        left_bytes -= len(each.model_dump_json())
        if left_bytes < 0:
            break
        kept.setdefault(each.local, each)
    return FoundList(items=list(kept.values())).model_dump_json()


def _misunderstood(error: Exception) -> CatalogueError:
    """The sentence for an exception of a library: of the way there when it is one, else of what came."""
    module = type(error).__module__.partition(".")[0]
    if module in ("requests", "urllib3") or isinstance(error, OSError):
        return spoken(error)
    seen: BaseException | None = error
    while seen is not None:
        inner = [seen, *(part for part in seen.args if isinstance(part, BaseException)), getattr(seen, "cause", None)]
        for part in inner:
            if isinstance(part, CatalogueError):
                return part
            if type(part).__module__.partition(".")[0] in ("requests", "urllib3") or isinstance(part, OSError):
                return spoken(part)  # type: ignore[arg-type]
        seen = seen.__cause__ or seen.__context__
    return CatalogueError("It answered with something that is not understood.")
