"""Handlers that live in the hub itself, under ``/hub/perijove/``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from jupyterhub.handlers.base import BaseHandler
from pydantic import ValidationError
from tornado.web import StaticFileHandler, authenticated

from perijove.models import PlacementRequest, SessionWish
from perijove_hub.admission.client import ControlClient, ControlRefused, ControlUnreachable


class PlacementHandler(BaseHandler):  # type: ignore[misc]  # jupyterhub has no types
    """``POST /hub/perijove/placement``: where a session would start with these choices; the spawn page asks.

    It takes the hub's login and XSRF token, and asks control for the user of that login only.
    """

    #: How to ask control; set by :func:`perijove_hub.hub.configure`, since a hub's configuration holds plain data only.
    control: ClassVar[ControlClient]

    @authenticated
    async def post(self) -> None:
        """Answer with a :class:`~perijove.models.Placement`, or with a ``detail`` of what is wrong."""
        self.set_header("Content-Type", "application/json")
        try:
            wish = SessionWish.model_validate_json(self.request.body)
        except ValidationError:
            self._answer(400, {"detail": "These options are not those of a session."})
            return
        user = self.current_user
        request = PlacementRequest(owner=user.name, groups=[group.name for group in user.groups], **wish.model_dump())
        try:
            placement = await self.control.place(request)
        except ControlRefused as error:
            self._answer(error.problem.status, {"detail": error.problem.detail})
        except ControlUnreachable as error:
            self._answer(503, {"detail": str(error)})
        else:
            self._answer(200, placement.model_dump(mode="json"))

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        self.set_status(status)
        self.finish(json.dumps(content))


class SpawnFiles(StaticFileHandler):
    """The style and the script of the spawn page; there is nothing of anybody's in them."""

    def set_extra_headers(self, path: str) -> None:
        """A browser asks each time whether its copy is still the newest."""
        self.set_header("Cache-Control", "no-cache")
        self.set_header("X-Content-Type-Options", "nosniff")


#: What the hub serves for us, below its own prefix. Its configuration keeps plain data only.
HUB_HANDLERS: list[tuple[Any, ...]] = [
    ("/perijove/placement", PlacementHandler),
    (r"/perijove/static/(spawn\.(?:css|js))", SpawnFiles, {"path": str(Path(__file__).parent / "static")}),
]
