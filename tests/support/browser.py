"""A person at the hub's pages, without the pictures."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.bed import Bed


class Browser:
    """Signed in as a user; follows where the pages lead."""

    def __init__(self, bed: Bed, user: str) -> None:
        self.client = httpx.Client(base_url=bed.url, follow_redirects=True, timeout=60)
        self.client.get("/hub/login")
        self.client.post(
            "/hub/login", data={"username": user, "password": "any", "_xsrf": self.xsrf}
        ).raise_for_status()

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def start(self, user: str, server: str = "", /, **fields: Any) -> httpx.Response:
        """Fill in the form of the spawn page and send it off, as a person does: the page is opened first."""
        path = f"/hub/spawn/{user}/{server}" if server else f"/hub/spawn/{user}"
        self.client.get(path).raise_for_status()
        return self.client.post(f"{path}?_xsrf={self.hub_xsrf}", data=fields)

    @property
    def hub_xsrf(self) -> str:
        return next(c.value for c in self.client.cookies.jar if c.name == "_xsrf" and c.path == "/hub/" and c.value)

    @property
    def xsrf(self) -> str:
        return next(cookie.value for cookie in self.client.cookies.jar if cookie.name == "_xsrf" and cookie.value)
