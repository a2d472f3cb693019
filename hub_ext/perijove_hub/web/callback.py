"""The end of a login: where the hub sends a browser back to, and what becomes of a login that did not work."""

from __future__ import annotations

import hmac

from jupyterhub.services.auth import HubOAuthCallbackHandler

from perijove.models import Problem
from perijove_hub.web.base import ProblemError
from perijove_hub.web.pages import PageHandler

#: Marks a browser that was sent to the login once more, so that it is not sent there for ever.
AGAIN_COOKIE = "perijove-login-again"
AGAIN_SECONDS = 60


class CallbackHandler(HubOAuthCallbackHandler, PageHandler):  # type: ignore[misc]  # jupyterhub has no types
    """``oauth_callback``: gives the browser the cookie of its login, and sends it to the page that it wanted."""

    async def prepare(self) -> None:
        """Use the process's one HubOAuth, which remembers the login's state; learn whether a login is there already."""
        self.hub_auth = self.state.callers.hub_auth
        # JupyterHub would ask the hub for the current user and keep the whole process waiting
        self._hub_auth_user_cache = None
        try:
            self._hub_auth_user_cache = await self.hub_model()
        except ProblemError:
            # a new login may work all the same
            return

    async def get(self) -> None:
        """End the login. One whose state is lost begins anew, once; it took too long, or another process began it."""
        if self.get_argument("error", "") or self._is_known():
            await HubOAuthCallbackHandler.get(self)
        elif self.current_user:
            self.redirect(self.hub_auth.get_next_url(self.get_argument("state", "")))
        else:
            self._begin_anew()

    def _begin_anew(self) -> None:
        if self.get_cookie(AGAIN_COOKIE):
            self.clear_cookie(AGAIN_COOKIE, path=self.root)
            self.draw("error.html", 403, problem=self._problem(403, None))
            return
        self.hub_auth.clear_oauth_state_cookies(self)
        self.set_cookie(AGAIN_COOKIE, "1", max_age=AGAIN_SECONDS, path=self.root, httponly=True, samesite="Lax")
        self.redirect(self.root)

    def _is_known(self) -> bool:
        """Whether this browser began this login, here and not long ago."""
        state = self.get_argument("state", "")
        cookie = self.get_signed_cookie(self.hub_auth.get_state_cookie_name(state)) or b""
        is_ours = hmac.compare_digest(cookie, state.encode())
        return is_ours and self.hub_auth.get_code_verifier(state) is not None

    def _problem(self, status_code: int, error: BaseException | None) -> Problem:
        """In words of ours: what the address says of the error may be anybody's."""
        if status_code >= 500:
            detail = "The hub did not confirm your login. Open the page again in a moment, which logs you in anew."
            return Problem(status=503, title="Login not completed", detail=detail)
        detail = (
            "The hub refused it, or its answer belongs to no login that began here in the last ten minutes. Open the "
            "page again, which logs you in anew; if that does not help, log out of the hub and in again."
        )
        return Problem(status=status_code, title="Login not completed", detail=detail)
