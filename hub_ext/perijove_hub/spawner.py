"""PerijoveSpawner: asks admission, then starts the session on the best site that will have it."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from math import inf
from typing import Any, ClassVar

from jupyterhub.spawner import Spawner
from traitlets import Float, Unicode, default

from perijove.models import AttemptFacts, SessionWish, SpawnSpec
from perijove_hub.admission.client import ControlClient
from perijove_hub.sites import SiteError, StartSpec, Status
from perijove_hub.spawning.asking import Asker, ask
from perijove_hub.spawning.attempt import Attempt, House
from perijove_hub.spawning.ghosts import Ghost
from perijove_hub.spawning.homes import HomeSizes
from perijove_hub.spawning.options import options_from_form, wish_of
from perijove_hub.spawning.readiness import answered
from perijove_hub.spawning.refusals import StartRefused
from perijove_hub.spawning.state import HOME_KEY, SESSION_KEY, Terms, saved_session
from perijove_hub.web.spawn_form import render_spawn_form

#: How long a server that its site shows may be out of reach of a hub that has just come up.
RECOVER_SECONDS = 86_400
#: How long after a refusal the hub may take to draw the form again.
DRAWN_SECONDS = 5.0


class PerijoveSpawner(Spawner):  # type: ignore[misc]  # jupyterhub has no types
    """A session on the site nearest its data, inside the quotas.

    What a user may choose is in ``user_options``: ``profile``, ``datasets``, ``charge_to``, ``site``, ``without_home``
    and ``image``; anything else in them is refused. Everything that follows from it is decided by control.
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

    home_seconds = Float(
        300,
        help="""
        How often the home of a running session is measured. It is measured after each stop as well.
        """,
    ).tag(config=True)

    #: Set by :func:`perijove_hub.hub.configure` for the process: the sites it can start on, and how to ask control.
    house: ClassVar[House]
    homes: ClassVar[HomeSizes]

    #: The choices that were refused last to each user, and when.
    refused: ClassVar[dict[str, tuple[float, Any]]] = {}

    #: The spawner of each attempt that this hub has a server for. What a site shows beyond them is an orphan.
    owned: ClassVar[dict[str, PerijoveSpawner]] = {}

    @default("poll_interval")
    def _default_poll_interval(self) -> int:
        # not JupyterHub's 30: a session that died is to be missed within a minute, of which a cluster takes 50 s to see
        # that a node is silent; pods are looked for in the picture that a watch keeps, at no cost to the cluster
        return 8

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
        self._attempt: Attempt | None = None
        self._home_known: str | None = None
        self._messages: list[str] = []
        self._message_added = asyncio.Event()
        self._ghost = Ghost(self)
        self._options_before = self.orm_spawner.user_options if self.orm_spawner else None
        self.start_timeout = self.house.start_seconds

    # --- start ----------------------------------------------------------------------------------------------------

    async def start(self) -> str:
        """Ask for a lease, then try its candidates in order; the first that answers has the session."""
        self._ghost.starts_for(self.handler)
        try:
            return await self._start(wish_of(self.user_options))
        except StartRefused:
            # the choices of a start that came to nothing are not those that the next one begins with
            self.orm_spawner.user_options = self._options_before
            self.refused[self.user.name] = (time.monotonic(), self.user_options)
            raise

    def take_choices(self) -> Any:
        """What the form begins with: what was refused a moment ago, since the hub draws it again with the refusal.

        For a named server, too, it asks the default one to draw it, which was started last with other choices.
        """
        at, refused = self.refused.pop(self.user.name, (-inf, None))
        return refused if time.monotonic() - at < DRAWN_SECONDS else self.user_options

    async def _start(self, wish: SessionWish) -> str:
        attempt = self._attempt = Attempt(self.house, secrets.token_hex(16), self._say)
        # owned from before anything exists, so that no inventory takes it for an orphan
        self.owned[attempt.id] = self
        groups = sorted(group.name for group in self.user.groups)
        self._say("Asking for a place to run")
        asker = Asker(self.user.name, groups, self.name, self._last_home_site, self._runs_others)
        offer, profile = await ask(self.house, asker, wish, attempt.id)
        attempt.lease_id, attempt.is_rescue = offer.id, offer.spawn.rescue
        attempt.image_is_users = offer.spawn.image_is_users
        if not attempt.is_wanted:
            # the step after the stop did not know of the lease yet
            attempt.stopping_reason = "stopped"
            await attempt.end_lease()
        if not offer.id:
            self.log.warning("Control does not answer: %s starts at the home site", self._log_name)
            self._say("Control does not answer: starting at your home site, to be put on record when it is back")
        self._say(offer.explanation.summary)
        terms = Terms(
            groups=groups,
            profile=profile or wish.profile,
            charge_to=wish.charge_to,
            without_home=wish.without_home,
            image=offer.spawn.image,
            started=datetime.now(UTC),
        )
        url = await attempt.start_on_first(
            offer.candidates,
            lambda site: self._spec(site, offer.spawn),
            terms,
            self.ready_poll_seconds,
            is_starting=offer.starting,
        )
        self._home_known = attempt.home_site or self._home_known
        answered(self.server, attempt.headers)
        return url

    def _last_home_site(self) -> str | None:
        states = [{HOME_KEY: self._home_known}, *(row.state or {} for row in self.user.orm_spawners.values())]
        return next((state[HOME_KEY] for state in states if state.get(HOME_KEY)), None)

    def _runs_others(self) -> bool:
        return any(spawner.active for spawner in self.user.spawners.values() if spawner is not self)

    def _spec(self, site: str, spawn: SpawnSpec) -> StartSpec:
        home_site = None
        if not spawn.without_home and (spawn.home_site or self.house.platform.sites[site].homes):
            home_site = spawn.home_site or site
        env = {
            **self.get_env(),
            **spawn.env,
            "PERIJOVE_CONTROL_URL": self.control_url,
            "PERIJOVE_SITE": site,
        }
        if spawn.rescue:
            env |= {"PERIJOVE_RESCUE": "1", "JUPYTERHUB_DEFAULT_URL": "/perijove/cleanup"}
        return StartSpec(
            owner=self.user.name,
            command=[*self.cmd, *self.get_args()],
            env=env,
            resources=spawn.resources,
            path=self.server.base_url,
            home_site=home_site,
            rescue=spawn.rescue,
            image=spawn.image,
            image_is_users=spawn.image_is_users,
            say=self._say,
        )

    @property
    def control(self) -> ControlClient:
        """How to ask control; the spawn page does."""
        return self.house.control

    # --- life -----------------------------------------------------------------------------------------------------

    @property
    def site(self) -> str | None:
        """The site on which this hub has the attempt, or tries it; None: none yet."""
        return self._attempt.handle.site if self._attempt and self._attempt.handle else None

    @property
    def sites(self) -> set[str]:
        """Where control may have the attempt on record, as far as this hub can tell.

        While control hears that a start goes on elsewhere, that is two: an inventory of the site before that lacked the
        attempt would end its lease.
        """
        recorded = self._attempt.recorded_site if self._attempt and not self._attempt.is_up else None
        return {site for site in (self.site, recorded) if site is not None}

    @property
    def is_up(self) -> bool:
        """Whether the server has answered; before, its site may not show it yet."""
        return self._attempt is not None and self._attempt.is_up

    @property
    def is_ending(self) -> bool:
        """Whether it is being stopped, and control has perhaps not heard so: its site may not show it any more."""
        return self._attempt is not None and self._attempt.is_up and self._attempt.stopping_reason is not None

    @property
    def home_site(self) -> str | None:
        """The site whose home the session uses."""
        return self._attempt.home_site if self._attempt else None

    @property
    def has_lease(self) -> bool:
        """Whether control knows of the session, as far as this hub can tell."""
        return self._attempt is not None and bool(self._attempt.lease_id)

    def facts(self) -> AttemptFacts | None:
        """What control needs to take the session up; None as long as it is not ready."""
        terms = self._attempt.terms if self._attempt and self.ready else None
        return terms.facts(self.user.name, self.name) if terms else None

    def take_lease(self, lease_id: str) -> None:
        """Control has taken the session up under this lease. The hub's next commit keeps it."""
        if self._attempt is not None:
            self._attempt.lease_id = lease_id
            self.orm_spawner.state = self.get_state()

    async def poll(self) -> int | None:
        """None while the session runs, or while nobody can tell: unknown is not stopped."""
        if self._attempt is None:
            return 0
        status = await self._attempt.poll(lambda: self._check_pending)
        return 0 if status is Status.STOPPED else None

    async def stop(self, now: bool = False) -> None:
        """End the session. The lease is closed afterwards, by the post-stop step, which always runs."""
        if self._attempt is not None:
            self._attempt.stopping_reason = self._attempt.stopping_reason or "stopped"
            await self._attempt.stop()

    async def run_post_stop_hook(self) -> None:
        """The step that always runs: clear what a server that died by itself has left, and close the lease."""
        if (attempt := self._attempt) is not None:
            try:
                await attempt.stop()
            except SiteError as error:
                # the lease stays with what still runs: the next inventory finds it without a server, and it is removed
                self.log.warning("Attempt %s does not end: %s", attempt.id, error)
            else:
                await attempt.end_lease(deadline_seconds=5)
            if attempt.home_site is not None:
                self.homes.want(attempt.home_site, self.user.name, pressing=attempt.is_rescue)
        self._ghost.lay()
        result = super().run_post_stop_hook()
        if result is not None:
            await result

    # --- state ----------------------------------------------------------------------------------------------------

    def get_state(self) -> dict[str, Any]:
        """What finds the session again after a restart of the hub, and where the home was last."""
        state: dict[str, Any] = super().get_state()
        if self._home_known is not None:
            state[HOME_KEY] = self._home_known
        if self._attempt and (saved := self._attempt.saved()):
            state[SESSION_KEY] = saved.model_dump(mode="json")
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take the session up again."""
        super().load_state(state)
        home = state.get(HOME_KEY)
        self._home_known = home if isinstance(home, str) else None
        if saved := saved_session(state):
            self._attempt = Attempt.of_saved(self.house, self._say, saved)
            self.owned[saved.attempt_id] = self

    def clear_state(self) -> None:
        """Forget the session, before each start and after each stop; not where the home is."""
        super().clear_state()
        if self._attempt is not None:
            self._attempt.is_wanted = False
            self.owned.pop(self._attempt.id, None)
        self._attempt = None
        self._messages = []

    async def get_url(self) -> str:
        """Where the session is; asks nobody."""
        if self._check_pending:
            # the hub that comes up ends what it does not reach in this time: a site may be cut off for longer
            self.http_timeout = RECOVER_SECONDS
        handle = self._attempt.handle if self._attempt else None
        if handle is not None and handle.url:
            return f"{handle.url}{self.server.base_url}"
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

    def get_args(self) -> list[str]:
        """The server's arguments; Jupyter asks for one more where everybody is root, as in a container."""
        args: list[str] = super().get_args()
        return [*args, "--allow-root"] if os.geteuid() == 0 and "--allow-root" not in args else args
