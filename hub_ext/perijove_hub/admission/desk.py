"""The desk: what admins say (overrides, closures, announcements), and what people are told."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from perijove.models import (
    Announcement,
    AnnouncementRequest,
    Closure,
    ClosureRequest,
    FailedStart,
    Forgotten,
    Notice,
    Override,
    OverrideRequest,
    Topic,
)
from perijove_hub.admission.models import refuse
from perijove_hub.admission.said import check_expiry, check_overlap, check_override, closure_window
from perijove_hub.ledger import life_store, said_store, store
from perijove_hub.ledger import notices as notice_store
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.locks import lock_subjects
from perijove_hub.ledger.notices import NewNotice, add_notice
from perijove_hub.ledger.removal import REMOVED, remove_person
from perijove_hub.policy.models import EVERYBODY, Platform

log = logging.getLogger(__name__)

#: How many of what is over are listed.
LONGEST_LIST = 1000

Record = TypeVar("Record")


class Desk:
    """Keeps what admins say, and tells people.

    Every change keeps its author. What was said is never edited: it is revoked or withdrawn, and said anew.

    Args:
        database: the ledger's.
        platform: gives the platform file in force.
        clock: gives the time, aware.
    """

    def __init__(self, database: Database, platform: Callable[[], Platform], clock: Callable[[], datetime]) -> None:
        self._database = database
        self._platform = platform
        self._clock = clock

    # --- overrides ------------------------------------------------------------------------------------------------

    async def overrides(self, active_only: bool = True) -> list[Override]:
        """The overrides in force, newest first; else also those that are over."""
        async with self._database.read() as connection:
            if active_only:
                return await said_store.active_overrides(connection, self._clock())
            return await said_store.list_overrides(connection, LONGEST_LIST)

    async def override(self, request: OverrideRequest, author: str) -> Override:
        """Put another limit in the place of a quota's or an allocation's for one subject, until it expires.

        It takes the place of an earlier override of the same limit for the same subject too.

        Raises:
            Refused: there is no such limit, it does not bind such a subject, or the time is wrong.
        """
        now = self._clock()
        check_override(self._platform(), request, now)

        async def say(connection: AsyncConnection) -> Override:
            await lock_subjects(connection, [request.subject])
            for earlier in await said_store.active_overrides(connection, now):
                if (earlier.quota, earlier.subject) != (request.quota, request.subject):
                    continue
                if _is_same(earlier, request.model_dump(), author, now):
                    return earlier
                await said_store.revoke_override(connection, earlier.id, author, now)
            override_id = await said_store.insert_override(
                connection, **request.model_dump(), author=author, created=now
            )
            return _found(await said_store.find_override(connection, override_id), "override", override_id)

        said = await self._database.transact(say)
        log.info("limit overridden", extra={"override": said.id, "quota": said.quota, "author": author})
        return said

    async def revoke_override(self, override_id: int, author: str) -> Override:
        """End an override now; the override as it is then. One that was revoked before stays as it was.

        Raises:
            Refused: there is none of this id.
        """
        now = self._clock()

        async def revoke(connection: AsyncConnection) -> Override:
            await said_store.revoke_override(connection, override_id, author, now)
            return _found(await said_store.find_override(connection, override_id), "override", override_id)

        return await self._database.transact(revoke)

    # --- closures -------------------------------------------------------------------------------------------------

    async def closures(self, active_only: bool = True) -> list[Closure]:
        """The closures that are in force or to come, by their start; else all, newest first."""
        async with self._database.read() as connection:
            if active_only:
                return await said_store.active_closures(connection, self._clock())
            return await said_store.list_closures(connection, LONGEST_LIST)

    async def close_site(self, request: ClosureRequest, author: str) -> Closure:
        """Let a site take no starts for a time, and say when sessions there are stopped.

        Raises:
            Refused: there is no such site, the times are not in order, or another closure of the site overlaps.
        """
        now = self._clock()
        window = closure_window(self._platform(), request, now)
        values = {**window._asdict(), "site": request.site, "reason": request.reason}

        async def say(connection: AsyncConnection) -> Closure:
            await lock_subjects(connection, [f"site:{request.site}"])
            others = await said_store.active_closures(connection, now)
            for other in others:
                if _is_same(other, values, author, now):
                    return other
            check_overlap(window, request.site, others)
            closure_id = await said_store.insert_closure(connection, **values, author=author, created=now)
            return _found(await said_store.find_closure(connection, closure_id), "closure", closure_id)

        said = await self._database.transact(say)
        log.info("site closed", extra={"closure": said.id, "site": said.site, "author": author})
        return said

    async def withdraw_closure(self, closure_id: int, author: str) -> Closure:
        """Open a site again, and take back what was told; the closure as it is then.

        One that was withdrawn before stays as it was.

        Raises:
            Refused: there is none of this id.
        """
        now = self._clock()

        async def withdraw(connection: AsyncConnection) -> Closure:
            await said_store.withdraw_closure(connection, closure_id, author, now)
            closure = _found(await said_store.find_closure(connection, closure_id), "closure", closure_id)
            await life_store.withdraw_closure_notices(connection, closure.id, closure.site, now)
            return closure

        return await self._database.transact(withdraw)

    # --- announcements and notices --------------------------------------------------------------------------------

    async def announcements(self) -> list[Announcement]:
        """The announcements in force, newest first."""
        async with self._database.read() as connection:
            return await said_store.active_announcements(connection, self._clock())

    async def announce(self, request: AnnouncementRequest, author: str) -> Announcement:
        """Tell everybody, or some groups, until the message expires.

        Raises:
            Refused: the time is wrong.
        """
        now = self._clock()
        check_expiry(request.expires, now)
        notice = NewNotice(
            key=f"announcement:{secrets.token_hex(16)}",
            topic=Topic.ANNOUNCEMENT,
            severity=request.severity,
            message=request.message,
            groups=() if EVERYBODY in request.groups else tuple(request.groups),
            expires=request.expires,
            author=author,
        )

        async def say(connection: AsyncConnection) -> Announcement:
            await add_notice(connection, notice, now)
            return _found(await said_store.find_announcement(connection, key=notice.key), "announcement", notice.key)

        said = await self._database.transact(say)
        log.info("announced", extra={"announcement": said.id, "author": author})
        return said

    async def withdraw_announcement(self, announcement_id: int, author: str) -> Announcement:
        """Tell nobody any more; the announcement as it is then.

        Raises:
            Refused: there is none of this id.
        """
        now = self._clock()

        async def withdraw(connection: AsyncConnection) -> Announcement:
            await said_store.withdraw_announcement(connection, announcement_id, now)
            found = await said_store.find_announcement(connection, announcement_id)
            return _found(found, "announcement", announcement_id)

        said = await self._database.transact(withdraw)
        log.info("announcement withdrawn", extra={"announcement": said.id, "author": author})
        return said

    async def notices(self, owner: str, groups: frozenset[str], since: int = 0, limit: int = 100) -> list[Notice]:
        """What one person is told now: the notices in force with ids above ``since``, oldest first."""
        async with self._database.read() as connection:
            return await notice_store.list_notices(connection, owner, groups, since, self._clock(), limit)

    # --- failures, removal ----------------------------------------------------------------------------------------

    async def failures(self, owner: str | None, limit: int) -> list[FailedStart]:
        """The starts of one user, or of all, that came to nothing, newest first."""
        async with self._database.read() as connection:
            return await said_store.list_failures(connection, owner, limit)

    async def forget(self, name: str) -> Forgotten:
        """Take a user's name out of the ledger; the sums stay. Doing it again changes nothing.

        Raises:
            Refused: something of the user runs still.
        """
        if name == REMOVED:
            raise refuse(404, "No such user", f"{REMOVED} stands for users who were removed before.")

        async def remove(connection: AsyncConnection) -> Forgotten:
            await lock_subjects(connection, [f"user:{name}"])
            now = self._clock()
            found = await store.open_leases(connection, owner=name, with_offers=False)
            running = [lease for lease in found if lease.is_open(now)]
            if running:
                count = f"{len(running)} {'lease is' if len(running) == 1 else 'leases are'} open"
                raise refuse(409, "Still in use", f"{count}: stop what runs of this user, then remove the name.")
            return await remove_person(connection, name)

        forgotten = await self._database.transact(remove)
        log.info("a user was removed", extra=forgotten.model_dump())
        return forgotten


def _is_same(record: Override | Closure, values: dict[str, Any], author: str, now: datetime) -> bool:
    """Whether this is what a transaction has written already that is run again, since its answer was lost."""
    return all(getattr(record, name) == value for name, value in {**values, "author": author, "created": now}.items())


def _found(record: Record | None, what: str, key: object) -> Record:
    if record is None:
        raise refuse(404, f"No such {what}", f"There is no {what} {key}.")
    return record
