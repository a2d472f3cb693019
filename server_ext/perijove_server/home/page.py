"""``GET perijove/cleanup``: the page that makes room in a home. Made here as a whole, so that it needs no script."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jinja2
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from perijove.catalogue import size_text
from perijove.errors import PerijoveError

from .remove import key_of, paths_of, shown
from .service import HomeService

#: How many things may be ticked at once.
TICKED_MAX = 200
#: The largest form, in bytes: as many of the longest paths.
FORM_MAX_BYTES = 4 << 20
#: How long the page waits for control to name the limit.
LIMIT_SECONDS = 4.0

GIB = 1 << 30

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("perijove_server"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters.update(
    key=key_of,
    shown=shown,
    size=size_text,
    day=lambda seconds: f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}",
)


@dataclass(frozen=True)
class Room:
    """How much of its limit a home takes, in bytes; without a limit when nobody can tell it."""

    used_bytes: int
    limit_bytes: int | None
    certain: bool

    @property
    def over_bytes(self) -> int | None:
        """How much must go until the limit is kept; 0 when it is kept, None when nobody knows."""
        if self.limit_bytes is None or (not self.certain and self.used_bytes <= self.limit_bytes):
            return None
        return max(self.used_bytes - self.limit_bytes, 0)


class CleanupHandler(JupyterHandler):
    """Shows what takes the room; deletes what is ticked, after a second question."""

    @property
    def content_security_policy(self) -> str:
        """No script and nothing from elsewhere, whatever the names of files hold."""
        return "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

    def set_default_headers(self) -> None:
        """Not kept, not guessed at."""
        super().set_default_headers()
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-store")

    @property
    def home(self) -> HomeService:
        """The home of this session's user."""
        service: HomeService = self.settings["perijove"].home
        return service

    @web.authenticated
    async def get(self) -> None:
        """The largest files and directories, to be ticked."""
        await self._show_list(None)

    @web.authenticated
    async def post(self) -> None:
        """``step=review`` asks once more, ``step=delete`` deletes."""
        try:
            if len(self.request.body) > FORM_MAX_BYTES:
                raise web.HTTPError(413, "The form is larger than all paths that may be ticked.")
            paths = paths_of(self.get_body_arguments("path", strip=False), TICKED_MAX)
            if self.get_body_argument("step", "review") != "delete":
                doomed = await self.home.look_up(paths)
                self._render("review.html", doomed=doomed, total_bytes=sum(item.size_bytes for item in doomed))
                return
            self.settings["perijove"].touch()
            await self.home.remove(paths)
        except PerijoveError as error:
            self.set_status(error.status)
            await self._show_list(error.detail)
            return
        # seen again, the result of a form must not send the form again
        self.redirect(url_path_join(self.base_url, "perijove/cleanup"), status=303)

    async def _show_list(self, error: str | None) -> None:
        sizes = None
        try:
            sizes = await self.home.sizes()
        except PerijoveError as failure:
            self.set_status(failure.status)
            error = error or failure.detail
        limit_bytes = await self._limit_bytes()
        room = sizes and Room(sizes.total_bytes, limit_bytes, sizes.complete)
        cleaned = None if error else self.home.last_cleaned()
        self._render("cleanup.html", sizes=sizes, room=room, cleaned=cleaned, error=error, ticked_max=TICKED_MAX)

    async def _limit_bytes(self) -> int | None:
        try:
            service = self.settings["perijove"].get()
            limit_gib = await asyncio.wait_for(service.session.home_limit_gib(), LIMIT_SECONDS)
        except (PerijoveError, TimeoutError):
            return None
        return None if limit_gib is None else int(limit_gib * GIB)

    def _render(self, template: str, **facts: Any) -> None:
        places = self.settings["perijove"].places
        text = _templates.get_template(template).render(
            action=url_path_join(self.base_url, "perijove/cleanup"),
            style=url_path_join(self.base_url, "static/perijove_server/cleanup.css"),
            lab=url_path_join(self.base_url, "lab"),
            hub_home=places.hub_home,
            rescue=places.rescue,
            xsrf_token=self.xsrf_token.decode(),
            **facts,
        )
        self.finish(text)
