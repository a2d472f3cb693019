"""The demo's accounts: four names with passwords that its first start has made."""

from __future__ import annotations

import hmac
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import Dict


class DemoAuthenticator(Authenticator):  # type: ignore[misc]  # jupyterhub has no types
    """Checks names and passwords against a fixed list."""

    passwords = Dict(
        help="""
        The password of each account, by name.
        """
    ).tag(config=True)

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:
        """The name when the password is right, else None."""
        name, password = data.get("username", ""), data.get("password", "")
        # compared even for unknown names, so that the answer's time tells nothing
        expected = self.passwords.get(name, "")
        right = hmac.compare_digest(expected.encode(), password.encode())
        return name if right and expected else None
