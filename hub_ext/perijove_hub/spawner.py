"""PerijoveSpawner: asks admission, then starts the session on the best site that will have it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

from jupyterhub.spawner import Spawner, SpawnException
from pydantic import ValidationError
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from traitlets import Float, Unicode, default

from perijove.models import Candidate, Kind, LeaseOffer, LeasePatch, LeaseRequest, SessionWish
from perijove_hub.admission.client import ControlClient, ControlRefused, ControlUnreachable
from perijove_hub.policy.models import Platform
from perijove_hub.policy.secrets import SecretError
from perijove_hub.sites import Handle, SiteError, SiteInterface, StartSpec, Status
from perijove_hub.web.spawn_form import options_from_form, render_spawn_form

#: The header by which a single-user server tells itself from whatever else answers at an address.
READY_HEADER = "X-JupyterHub-Version"


#: How long a call to control may take, repeated as often as it may be.
CONTROL_SECONDS = 25


class StartRefused(SpawnException):  # type: ignore[misc]  # jupyterhub has no types
    """A start that the platform does not make. The sentence is for the user; pages show it as it is."""

    def __init__(self, sentence: str, *, reason: str, status_code: int) -> None:
        super().__init__(sentence, reason=reason, status_code=status_code)
        # without it, the hub's pages would show the exception's name and status as well
        self.jupyterhub_message = sentence


class StartFailed(Exception):
    """One candidate did not start the session; the message says why, in plain words.

    ``sites_fault`` tells whether that counts against the site: a lease that control no longer grants does not.
    """

    def __init__(self, message: str, *, sites_fault: bool) -> None:
        super().__init__(message)
        self.sites_fault = sites_fault


class PerijoveSpawner(Spawner):  # type: ignore[misc]  # jupyterhub has no types
    """A session on the site nearest its data, inside the quotas.

    What a user may choose is in ``user_options``: ``profile``, ``datasets``, ``charge_to``, ``site`` and
    ``without_home``; anything else in them is refused. Everything that follows from it is decided by control.
    """

    control_url = Unicode(
        help="""
        The address of control for user servers, through the proxy: ``https://science.example/services/perijove``.

        It is given to servers as PERIJOVE_CONTROL_URL.
        """
    ).tag(config=True)

    ready_poll_seconds = Float(
        0.2,
        help="""
        How often a starting server is asked whether it is up.
        """,
    ).tag(config=True)

    #: Set by :func:`perijove_hub.hub.configure` for the process: the sites it can start on, and how to ask control.
    platform: ClassVar[Platform]
    sites: ClassVar[Mapping[str, SiteInterface]]
    control: ClassVar[ControlClient]

    #: The attempts that this hub has a spawner for. What a site shows beyond them is an orphan.
    owned_attempts: ClassVar[set[str]] = set()

    #: The attempts that are being started just now, with the site that is being tried.
    starting: ClassVar[dict[str, str]] = {}

    @default("options_form")
    def _default_options_form(self) -> Any:
        return render_spawn_form

    @default("options_from_form")
    def _default_options_from_form(self) -> Any:
        return options_from_form

    @default("apply_user_options")
    def _default_apply_user_options(self) -> Any:
        # they are checked in start(), where a refusal costs no traceback
        return lambda spawner, user_options: None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._attempt_id = ""
        self._lease_id = ""
        self._handle: Handle | None = None
        self._stopping_reason: str | None = None
        # a site failed the start and control has not been told yet; it is, with the next move that is granted
        self._untold_failure = False
        self._messages: list[str] = []
        self._message_added = asyncio.Event()
        # the hub gives one start this long: every candidate its own time, and each call to control its deadline
        timeouts = sorted((site.start_timeout_seconds for site in self.platform.sites.values()), reverse=True)
        tries = 1 + self.platform.placement.retries
        self.start_timeout = int(sum(timeouts[:tries]) + CONTROL_SECONDS * (1 + 2 * tries))

    # --- start ----------------------------------------------------------------------------------------------------

    async def start(self) -> str:
        """Ask for a lease, then try its candidates in order; the first that answers has the session."""
        wish = self._wish()
        self._attempt_id = secrets.token_hex(16)
        self._stopping_reason = None
        # owned from before anything exists, so that no inventory takes it for an orphan
        self.owned_attempts.add(self._attempt_id)
        self._say("Asking for a place to run")
        offer = await self._ask(wish)
        self._lease_id = offer.id
        self._say(offer.explanation.summary)
        failures: list[str] = []
        self._untold_failure = False
        try:
            for candidate in offer.candidates:
                self._check_wanted(offer)
                try:
                    return await self._start_on(candidate, offer)
                except (StartFailed, SiteError) as error:
                    self._untold_failure |= isinstance(error, SiteError) or error.sites_fault
                    failures.append(f"{candidate.title}: {error}")
                    self._say(f"{candidate.title} did not start it: {error}")
                    await self._stop_handle()
        finally:
            self.starting.pop(offer.attempt_id, None)
        self._check_wanted(offer)
        self._stopping_reason = "; ".join(failures)
        await self._end_lease(site_failed=self._untold_failure)
        raise StartRefused(
            f"No site could start your server. {self._stopping_reason}", reason="no-site-started", status_code=503
        )

    def _check_wanted(self, offer: LeaseOffer) -> None:
        """Go on only with a start that nobody has stopped: the hub stops those that are pending when it ends.

        Raises:
            StartRefused: the hub has forgotten this attempt meanwhile.
        """
        if self._attempt_id != offer.attempt_id:
            raise StartRefused("The start was stopped.", reason="stopped", status_code=503)

    def _wish(self) -> SessionWish:
        try:
            return SessionWish.model_validate(self.user_options or {})
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in error.errors()[:5])
            raise StartRefused(f"The options are wrong: {faults}", reason="bad-options", status_code=400) from error

    async def _ask(self, wish: SessionWish) -> LeaseOffer:
        request = LeaseRequest(
            owner=self.user.name,
            groups=[group.name for group in self.user.groups],
            kind=Kind.SESSION,
            name=self.name,
            attempt_id=self._attempt_id,
            **wish.model_dump(),
        )
        try:
            return await self.control.ask(request)
        except ControlRefused as error:
            status = 400 if error.problem.status == 422 else 403
            raise StartRefused(error.problem.detail, reason="refused", status_code=status) from error
        except ControlUnreachable as error:
            raise _unreachable() from error

    async def _start_on(self, candidate: Candidate, offer: LeaseOffer) -> str:
        site, policy = self.sites.get(candidate.site), self.platform.sites.get(candidate.site)
        if site is None or policy is None:
            raise StartFailed(
                "the hub does not know this site; restart the hub with the same platform file", sites_fault=False
            )
        # before control is told: an inventory that is taken from now on holds the attempt, process or not
        self.starting[offer.attempt_id] = candidate.site
        try:
            await self.control.move(
                offer.id, LeasePatch(state="starting", site=candidate.site, site_failed=self._untold_failure)
            )
        except ControlRefused as error:
            raise StartFailed(error.problem.detail, sites_fault=False) from error
        except ControlUnreachable as error:
            raise _unreachable() from error
        self._untold_failure = False
        self._say(f"Starting at {candidate.title}")
        # known before it exists: whatever goes wrong from here on, stop() finds it
        self._handle = Handle(candidate.site, offer.attempt_id, "")
        handle = await site.start(self._spec(candidate.site, offer), offer.attempt_id)
        if self._attempt_id != offer.attempt_id:
            await site.stop(handle)
        self._check_wanted(offer)
        self._handle = handle
        await self._wait_until_ready(site, handle, policy.start_timeout_seconds)
        try:
            await self.control.move(offer.id, LeasePatch(state="active"))
        except ControlRefused as error:
            # a session without a lease is not ours to give
            raise StartFailed(f"the lease could not be made active: {error}", sites_fault=False) from error
        except ControlUnreachable as error:
            raise _unreachable() from error
        self._say(f"Running at {candidate.title}")
        return handle.url

    def _spec(self, site: str, offer: LeaseOffer) -> StartSpec:
        policy = self.platform.sites[site]
        home_site = None
        if not offer.spawn.without_home and (offer.spawn.home_site or policy.homes):
            home_site = offer.spawn.home_site or site
        env = {
            **self.get_env(),
            **offer.spawn.env,
            "PERIJOVE_CONTROL_URL": self.control_url,
            "PERIJOVE_SITE": site,
        }
        return StartSpec(
            owner=self.user.name,
            command=[*self.cmd, *self.get_args()],
            env=env,
            resources=offer.spawn.resources,
            path=self.server.base_url,
            home_site=home_site,
        )

    async def _wait_until_ready(self, site: SiteInterface, handle: Handle, timeout_seconds: float) -> None:
        """Wait until the server itself answers; any other answer at its address does not count.

        Raises:
            StartFailed: it ended, or did not answer in time; with the end of its log.
        """
        client, loop = AsyncHTTPClient(), asyncio.get_running_loop()
        url = f"{handle.url}{self.server.base_url}api"
        deadline, next_poll = loop.time() + timeout_seconds, loop.time() + 1
        while loop.time() < deadline:
            try:
                answer = await client.fetch(url, connect_timeout=2, request_timeout=5, raise_error=False)
            except (OSError, HTTPClientError):
                answer = None
            if answer is not None and READY_HEADER in answer.headers:
                return
            if loop.time() >= next_poll:
                if await site.poll(handle) is Status.STOPPED:
                    raise StartFailed(
                        f"the server ended while starting.{await self._last_words(site, handle)}", sites_fault=True
                    )
                next_poll = loop.time() + 1
            await asyncio.sleep(self.ready_poll_seconds)
        raise StartFailed(
            f"the server did not answer within {timeout_seconds:g} s.{await self._last_words(site, handle)}",
            sites_fault=True,
        )

    async def _last_words(self, site: SiteInterface, handle: Handle) -> str:
        tail = await site.log_tail(handle.attempt_id)
        if tail:
            self.log.warning("Log of the failed attempt %s ends with:\n%s", handle.attempt_id, tail)
        lines = [line for line in tail.splitlines() if line.strip()]
        return f" It last said: {lines[-1][:300]}" if lines else ""

    async def _end_lease(self, *, site_failed: bool = False, deadline_seconds: float | None = None) -> None:
        """Close the lease. It must not fail: what it cannot tell control, the next inventory will."""
        reason = (self._stopping_reason or "its process ended by itself")[:2000]
        try:
            patch = LeasePatch(state="ended", reason=reason, site_failed=site_failed)
            await self.control.move(self._lease_id, patch, deadline_seconds)
        except (ControlRefused, ControlUnreachable, SecretError) as error:
            self.log.warning("Lease %s could not be ended, the sweep will: %s", self._lease_id, error)

    # --- life -----------------------------------------------------------------------------------------------------

    async def poll(self) -> int | None:
        """None while the session runs, or while nobody can tell: unknown is not stopped."""
        if self._handle is None:
            return 0
        site = self.sites.get(self._handle.site)
        if site is None:
            return None
        return 0 if await site.poll(self._handle) is Status.STOPPED else None

    async def stop(self, now: bool = False) -> None:
        """End the session. The lease is closed afterwards, by the post-stop step, which always runs."""
        self._stopping_reason = self._stopping_reason or "stopped"
        await self._stop_handle()

    async def _stop_handle(self) -> None:
        if self._handle is None:
            return
        site = self.sites.get(self._handle.site)
        if site is None:
            raise SiteError(f"the hub does not know site {self._handle.site} any more")
        for attempt in range(3):
            try:
                await site.stop(self._handle)
            except SiteError:
                if attempt == 2:
                    raise
                await asyncio.sleep(0.5 * 2**attempt)
            else:
                self._handle = None
                return

    async def run_post_stop_hook(self) -> None:
        """The step that always runs: clear what a server that died by itself has left, and close the lease."""
        try:
            await self._stop_handle()
        except SiteError as error:
            # the lease stays with what still runs: the next inventory finds it without a server, and it is removed
            self.log.warning("Attempt %s does not end: %s", self._attempt_id, error)
        if self._lease_id and self._handle is None:
            await self._end_lease(deadline_seconds=5)
        result = super().run_post_stop_hook()
        if result is not None:
            await result

    # --- state ----------------------------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """What finds the session again after a restart of the hub."""
        state: dict[str, Any] = super().get_state()
        if self._handle is not None:
            state["perijove"] = {
                "attempt_id": self._handle.attempt_id,
                "lease_id": self._lease_id,
                "site": self._handle.site,
                "url": self._handle.url,
            }
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take the session up again."""
        super().load_state(state)
        if saved := state.get("perijove"):
            self._attempt_id, self._lease_id = saved["attempt_id"], saved["lease_id"]
            self._handle = Handle(saved["site"], saved["attempt_id"], saved["url"])
            self.owned_attempts.add(self._attempt_id)

    def clear_state(self) -> None:
        """Forget the session, before each start and after each stop."""
        super().clear_state()
        self.owned_attempts.discard(self._attempt_id)
        self._attempt_id = self._lease_id = ""
        self._handle = None
        self._messages = []

    async def get_url(self) -> str:
        """Where the session is; asks nobody."""
        if self._handle is not None and self._handle.url:
            return f"{self._handle.url}{self.server.base_url}"
        url: str = await super().get_url()
        return url

    async def progress(self) -> AsyncIterator[dict[str, Any]]:
        """What start() does, one message a step; the page shows them."""
        shown = 0
        while True:
            while shown < len(self._messages):
                shown += 1
                yield {"progress": min(90, 15 * shown), "message": self._messages[shown - 1]}
            self._message_added.clear()
            await self._message_added.wait()

    def _say(self, message: str) -> None:
        self._messages.append(message)
        self._message_added.set()
        self.log.info("%s: %s", self._log_name, json.dumps(message))

    def get_args(self) -> list[str]:
        """The server's arguments; Jupyter asks for one more where everybody is root, as in a container."""
        args: list[str] = super().get_args()
        return [*args, "--allow-root"] if os.geteuid() == 0 and "--allow-root" not in args else args


def _unreachable() -> StartRefused:
    return StartRefused(
        "The platform cannot check your quota now, so nothing was started. Try again in a minute.",
        reason="control-unreachable",
        status_code=503,
    )
