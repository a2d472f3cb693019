"""One try to start one session, and the session that comes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from perijove.models import Candidate, Lease, LeasePatch, Silence
from perijove_hub.admission.client import REQUEST_SECONDS, ControlClient, ControlRefused, ControlUnreachable
from perijove_hub.policy.models import Platform
from perijove_hub.policy.secrets import SecretError
from perijove_hub.sites import Ending, Handle, SiteError, SiteInterface, SiteUnreachable, StartSpec, Status
from perijove_hub.spawning.readiness import wait_until_ready
from perijove_hub.spawning.refusals import StartFailed, StartRefused, unreachable
from perijove_hub.spawning.state import SavedSession, Terms

log = logging.getLogger(__name__)

#: How long it is tried to end a workload, before it is left to the inventories.
STOP_SECONDS = 60.0
#: How often a site that does not tell is asked again while the hub comes up.
CHECK_SECONDS = 2.0
#: How long a poll may wait for control, which is asked again at the next.
TELL_SECONDS = 2.0
#: How much of a log control takes.
LOG_TAIL_CHARACTERS = 8000


@dataclass(frozen=True)
class House:
    """What the hub's process has for all starts."""

    platform: Platform
    sites: Mapping[str, SiteInterface]
    control: ControlClient

    @cached_property
    def start_seconds(self) -> int:
        """How long one start may take in all: every candidate its own time, and each call its deadline."""
        call_seconds = self.control.deadline_seconds + REQUEST_SECONDS
        timeouts = sorted((site.start_timeout_seconds for site in self.platform.sites.values()), reverse=True)
        tries = 1 + self.platform.placement.retries
        return int(sum(timeouts[:tries]) + call_seconds + (2 * call_seconds + 2 * STOP_SECONDS) * tries)


@dataclass
class Attempt:
    """One try, from before anything exists until it is gone.

    ``lease_id`` is empty while control has not granted one: it has not been asked yet, or it does not answer.
    ``handle`` is None while there is nothing on any site. ``is_up`` is true from when the server first answered;
    ``terms`` are known from then on.
    """

    house: House
    id: str
    say: Callable[[str], None]
    lease_id: str = ""
    handle: Handle | None = None
    home_site: str | None = None
    terms: Terms | None = None
    is_up: bool = False
    #: whether its home was full, so that it was started to be cleaned up
    is_rescue: bool = False
    #: whether its owner has named the image: that it does not come up says nothing of the site then
    image_is_users: bool = False
    #: with which the server first answered
    headers: Mapping[str, str] = field(default_factory=dict)
    stopping_reason: str | None = None
    #: False when the hub has given it up; a start that goes on then must not leave anything
    is_wanted: bool = True
    #: where control has the start on record; not yet where the handle is, while it is being told of that
    recorded_site: str | None = None
    _failures: list[str] = field(default_factory=list)
    _log_tail: str = ""
    _ending: Ending = field(default_factory=Ending)
    #: since when the owner knows that nothing is heard of it
    _silent_since: datetime | None = None
    #: a site failed the start and control has not been told yet; it is, with the next move that is granted
    _untold_failure: bool = False
    #: a workload that did not end in time is left to the inventories
    _is_stuck: bool = False

    @classmethod
    def of_saved(cls, house: House, say: Callable[[str], None], saved: SavedSession) -> Attempt:
        """A session that an earlier hub has started."""
        handle = Handle(saved.site, saved.attempt_id, saved.url)
        return cls(house, saved.attempt_id, say, saved.lease_id, handle, saved.home_site, saved.terms, is_up=True)

    def saved(self) -> SavedSession | None:
        """What finds it again after a restart of the hub; None while there is nothing."""
        if self.handle is None:
            return None
        return SavedSession(
            attempt_id=self.id,
            lease_id=self.lease_id,
            site=self.handle.site,
            url=self.handle.url,
            home_site=self.home_site,
            terms=self.terms,
        )

    # --- start ----------------------------------------------------------------------------------------------------

    async def start_on_first(
        self,
        candidates: list[Candidate],
        make_spec: Callable[[str], StartSpec],
        terms: Terms,
        poll_seconds: float,
        *,
        is_starting: bool = False,
    ) -> str:
        """Try the candidates in order; the address of the session on the first that has it.

        Args:
            candidates: as control offered them.
            make_spec: what to start on a site.
            terms: of the session, as far as the hub knows them.
            poll_seconds: how often a starting server is asked whether it is up.
            is_starting: whether the lease is on record as starting at the first candidate.

        Raises:
            StartRefused: none has it, control does not answer, or nobody wants the session any more.
        """
        self.recorded_site = candidates[0].site if is_starting else None
        for number, candidate in enumerate(candidates):
            self.check_wanted()
            on_record = is_starting and number == 0
            try:
                return await self._start_on(candidate, make_spec, terms, poll_seconds, on_record=on_record)
            except (StartFailed, SiteError) as error:
                said = f"{error}{await self._last_words()}"
                self._failures.append(f"{candidate.title}: {said}")
                self.say(f"{candidate.title} did not start it: {said}")
                log.warning("%s did not start attempt %s: %r", candidate.title, self.id, said)
                if not await self._clear_away(error):
                    # a second copy would write into the same home
                    self._failures.append("It may still come up there, so it was not tried elsewhere")
                    break
        self.check_wanted()
        *others, last = self._failures
        self.stopping_reason = "; ".join([*(each.rstrip(".") for each in others), last])
        if self.handle is None:
            await self.end_lease(site_failed=self._untold_failure)
        raise StartRefused(
            f"No site could start your server. {self.stopping_reason}", reason="no-site-started", status_code=503
        )

    def check_wanted(self) -> None:
        """Go on only with a start that nobody has stopped: the hub stops those that are pending when it ends.

        Raises:
            StartRefused: the hub has given it up meanwhile.
        """
        if not self.is_wanted:
            raise StartRefused("The start was stopped.", reason="stopped", status_code=503)

    async def _start_on(
        self,
        candidate: Candidate,
        make_spec: Callable[[str], StartSpec],
        terms: Terms,
        poll_seconds: float,
        *,
        on_record: bool,
    ) -> str:
        site = self.house.sites.get(candidate.site)
        policy = self.house.platform.sites.get(candidate.site)
        if site is None or policy is None:
            raise StartFailed(
                "the hub does not know this site; restart the hub with the same platform file.", sites_fault=False
            )
        # before control is told and before it exists: from now on every inventory of the site holds the attempt, and
        # whatever goes wrong, stop() finds it
        self.handle = Handle(candidate.site, self.id, "")
        if not on_record:
            await self._move(LeasePatch(state="starting", site=candidate.site, site_failed=self._untold_failure))
            self._untold_failure, self.recorded_site = False, candidate.site
        self.say(f"Starting at {candidate.title}")
        until = asyncio.get_running_loop().time() + policy.start_timeout_seconds
        spec = make_spec(candidate.site)
        handle = await site.start(spec, self.id)
        if not self.is_wanted:
            await site.stop(handle)
        self.check_wanted()
        self.handle, self.home_site = handle, spec.home_site
        self.headers = await wait_until_ready(
            site, handle, spec.path, until, policy.start_timeout_seconds, poll_seconds
        )
        lease = await self._move(LeasePatch(state="active"))
        self.terms, self.is_up = terms if lease is None else terms.under(lease), True
        self.say(f"Running at {candidate.title}")
        return handle.url

    async def _move(self, patch: LeasePatch) -> Lease | None:
        """Move the lease; None when the start does without one.

        Raises:
            StartFailed: control does not grant it, and a session without its lease is not ours to give.
            StartRefused: control does not answer.
        """
        if not self.lease_id:
            return None
        try:
            return await self.house.control.move(self.lease_id, patch)
        except ControlRefused as error:
            if patch.state == "starting":
                self.handle = None  # nothing was created
            raise StartFailed(error.problem.detail, sites_fault=False) from error
        except ControlUnreachable as error:
            raise unreachable() from error

    async def _clear_away(self, error: StartFailed | SiteError) -> bool:
        """Leave nothing of a candidate that failed; False when that cannot be told."""
        is_sites_fault = isinstance(error, SiteError) or error.sites_fault
        self._untold_failure |= is_sites_fault and (not self.image_is_users or isinstance(error, SiteUnreachable))
        if isinstance(error, SiteUnreachable):
            self.handle = None
        if self.handle is None:
            return True
        try:
            await self.stop()
        except SiteError as stuck:
            self.say(f"What was begun there does not end: {stuck}")
            return False
        return True

    async def _last_words(self) -> str:
        """The end of the server's log is kept for control; its last line is told at once."""
        site = self.house.sites.get(self.handle.site) if self.handle else None
        if site is None:
            return ""
        # a zero byte is text that PostgreSQL does not keep
        self._log_tail = (await site.log_tail(self.id)).replace("\0", "")[-LOG_TAIL_CHARACTERS:]
        lines = [line for line in self._log_tail.splitlines() if line.strip()]
        return f" It last said: {lines[-1].strip()[:300]}" if lines else ""

    # --- life and end ---------------------------------------------------------------------------------------------

    async def poll(self, is_checking: Callable[[], bool]) -> Status:
        """What its site knows of it. Never raises.

        Args:
            is_checking: whether the hub is coming up; then it waits for a site that does not tell. The hub would try
                the address next, and end a session that it does not reach either.
        """
        if self.handle is None:
            return Status.STOPPED
        site, handle = self.house.sites.get(self.handle.site), self.handle
        if site is None:
            return Status.UNKNOWN
        while (status := await site.poll(handle)) is Status.UNKNOWN and is_checking():  # noqa: ASYNC110 - a site has no event for it
            await asyncio.sleep(CHECK_SECONDS)
        if status is Status.STOPPED:
            # asked now: what is left of it is cleared away next
            self._ending = await site.ending(self.id)
        else:
            await self._tell_silence(await site.silent_since(self.id))
        return status

    async def _tell_silence(self, since: datetime | None) -> None:
        """Have the owner told when nothing is heard of its machine any more, and when something is again."""
        news = since or self._silent_since
        if news is None or since == self._silent_since or not self.lease_id:
            return
        try:
            silence = Silence(since=news, is_over=since is None)
            await self.house.control.tell_silence(self.lease_id, silence, TELL_SECONDS)
        except (ControlUnreachable, SecretError) as error:
            log.warning("The owner of lease %s is not told of its machine yet: %s", self.lease_id, error)
            return
        except ControlRefused as error:  # it would be the next time, too
            log.warning("The owner of lease %s is not told of its machine: %s", self.lease_id, error)
        self._silent_since = since

    async def stop(self) -> None:
        """End what runs, if anything does.

        Raises:
            SiteError: it does not end, or nobody can tell.
        """
        if self.handle is None:
            return
        site = self.house.sites.get(self.handle.site)
        if site is None:
            raise SiteError(f"the hub does not know site {self.handle.site} any more")
        if self._is_stuck:
            raise SiteError("it did not end before")
        loop, pause_seconds = asyncio.get_running_loop(), 0.5
        until = loop.time() + STOP_SECONDS
        for tries_left in (2, 1, 0):
            try:
                await site.stop(self.handle)
            except SiteError:
                if not tries_left or loop.time() + pause_seconds > until:
                    self._is_stuck = True
                    raise
                await asyncio.sleep(pause_seconds)
                pause_seconds *= 2
            else:
                self.handle = None
                return

    async def end_lease(self, *, site_failed: bool = False, deadline_seconds: float | None = None) -> None:
        """Close the lease. It must not fail: what it cannot tell control, the next inventory will."""
        if not self.lease_id:
            return
        reason = (self.stopping_reason or self._ending.reason or "its process ended by itself")[:2000]
        patch = LeasePatch(
            state="ended",
            reason=reason,
            site_failed=site_failed,
            log_tail=self._log_tail or None,
            # what dies by itself is paid for until then; what is stopped, until that is done
            ended_at=None if self.stopping_reason else self._ending.at,
        )
        try:
            await self.house.control.move(self.lease_id, patch, deadline_seconds)
        except (ControlRefused, ControlUnreachable, SecretError) as error:
            log.warning("Lease %s could not be ended, the sweep will: %s", self.lease_id, error)
        else:
            self.lease_id = ""
