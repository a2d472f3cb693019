"""Pages of control for the browser: what every page shares, and which pages there are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from tornado.web import StaticFileHandler

from perijove_hub.policy.models import Platform
from perijove_hub.web.auth import Caller
from perijove_hub.web.base import SAFE_HEADERS, BaseHandler, problem_error
from perijove_hub.web.pages_forms import CHOICE
from perijove_hub.web.pages_words import Bar, Words

HERE = Path(__file__).parent
TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.globals["Bar"] = Bar

#: Everything a page needs comes from files of our own; nothing is written into it but text.
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

#: A sentence that the next page says once, for whom it is.
SAID_COOKIE = "perijove-said"
SAID_SECONDS = 60


class PageHandler(BaseHandler):
    """A page of somebody who is logged in. A browser without a login is sent to the hub's."""

    #: Which entry of the navigation is this page's.
    here = ""

    def set_default_headers(self) -> None:
        """A page has files of its own, and nothing else."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", PAGE_POLICY)
        self.set_header("Cross-Origin-Opener-Policy", "same-origin")

    async def prepare(self) -> None:
        """Find out who looks; send whoever is nobody to the login."""
        # JupyterHub would ask the hub for the current user and keep the whole process waiting
        self._hub_auth_user_cache = None
        await super().prepare()
        if not self.caller.name:
            self.redirect(self.get_login_url())
            return
        self.require_user()

    def nobody(self) -> Caller:
        """A browser is sent to the hub's login; what it has sent would be lost there, so a change is refused."""
        if self.request.method == "GET":
            return Caller(name="", groups=frozenset())
        raise problem_error(
            403,
            "Your login has ended",
            "Nothing was changed. Open the page again, which logs you in, and send the form once more.",
        )

    # --- what pages are drawn with --------------------------------------------------------------------------------

    @property
    def root(self) -> str:
        """The address of the first page, with a slash at its end."""
        return str(self.hub_auth.base_url)

    @property
    def platform(self) -> Platform:
        """The platform file in force."""
        return self.state.platform()

    def words(self) -> Words:
        """Words for the page that is drawn now."""
        return Words(self.platform.zone, self.state.clock(), self.platform.currency)

    def draw(self, template: str, status: int = 200, **values: Any) -> None:
        """Write a page."""
        self.set_status(status)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        hub_prefix = self.state.callers.hub_auth.hub_prefix
        self.finish(
            TEMPLATES.get_template(template).render(
                root=self.state.callers.hub_auth.base_url,
                hub_url=hub_prefix,
                base_url=hub_prefix.removesuffix("hub/"),
                here=self.here,
                caller=getattr(self, "caller", None),
                say=self.words(),
                xsrf=self.xsrf_token.decode(),
                said=self._take_said(),
                site_titles={name: site.title for name, site in self.platform.sites.items()},
                **values,
            )
        )

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """An error is a page too, in plain words and without a traceback."""
        problem = self._problem(status_code, kwargs.get("exc_info", (None, None, None))[1])
        if problem.status == 503:
            self.set_header("Retry-After", "2")
        self.draw("error.html", problem.status, problem=problem)

    # --- changes --------------------------------------------------------------------------------------------------

    def go(self, path: str, said: str = "") -> None:
        """After a change: send the browser to a page below the root, which says ``said`` once."""
        if said:
            value = json.dumps({"to": self.caller.name, "said": said})
            self.set_signed_cookie(SAID_COOKIE, value, expires_days=None, path=self.root, httponly=True, samesite="Lax")
        self.redirect(self.root + path, status=303)

    def _take_said(self) -> str:
        """What the last change had to say to this caller, once."""
        if self.request.method != "GET" or SAID_COOKIE not in self.request.cookies:
            return ""
        self.clear_cookie(SAID_COOKIE, path=self.root)
        value = self.get_signed_cookie(SAID_COOKIE, max_age_days=SAID_SECONDS / 86_400)
        told: Mapping[str, str] = json.loads(value) if value else {}
        return told["said"] if told.get("to") == getattr(self, "caller", Caller("", frozenset())).name else ""

    @property
    def choice(self) -> str:
        """What was answered on a confirmation page: ``yes``, ``no`` to go back, or nothing yet."""
        return self.get_body_argument(CHOICE, "")


class StaticFiles(StaticFileHandler):
    """Style sheets and scripts of the pages; there is nothing of anybody's in them, so no login is asked for."""

    def set_default_headers(self) -> None:
        """As everywhere, but for the copy that a browser keeps: it asks each time whether that is still the newest."""
        for name, value in {**SAFE_HEADERS, "Cache-Control": "no-cache"}.items():
            self.set_header(name, value)
