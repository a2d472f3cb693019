"""Pages of control for the browser: what I run, where and why, and what is left."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from perijove_hub.web.auth import Caller
from perijove_hub.web.base import BaseHandler

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


class HomePage(BaseHandler):
    """``/services/perijove/``: my limits and my latest sessions."""

    def set_default_headers(self) -> None:
        """A page has a style of its own, and nothing else."""
        super().set_default_headers()
        self.set_header(
            "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        )

    def nobody(self) -> Caller:
        """A browser is sent to the hub's login."""
        return Caller(name="", groups=frozenset())

    async def get(self) -> None:
        """Draw the page, or go to the login."""
        if not self.caller.name:
            self.redirect(self.get_login_url())
            return
        self.require_user()
        admission, now = self.state.admission, self.state.clock()
        rows = await admission.leases(self.caller.name, None, 20)
        platform = self.state.platform()
        html = TEMPLATES.get_template("home.html").render(
            user=self.caller.name,
            quotas=await admission.quotas(self.caller.name, self.caller.groups),
            leases=[row.said(now) for row in rows],
            titles={name: site.title for name, site in platform.sites.items()},
            currency=platform.currency,
            hub_url=self.hub_auth.hub_prefix,
        )
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.write(html)
