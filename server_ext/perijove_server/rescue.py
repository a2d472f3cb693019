"""Rescue: a session for somebody whose home is full, to look and to clean up and for nothing else.

Jupyter server has no switch for any of this, so the methods that start or write are replaced before the first request.
"""

from __future__ import annotations

from typing import Any, NoReturn

from jupyter_server.services.sessions.handlers import SessionRootHandler
from tornado import web

#: What marks such a session in the environment.
RESCUE_VARIABLE = "PERIJOVE_RESCUE"

NO_START = (
    "This is a rescue session, because your home is full: kernels and terminals cannot be started. Delete what you do "
    "not need, then stop this session, and in a minute start it again."
)
NO_WRITE = (
    "This is a rescue session, because your home is full: files can be looked at and deleted, not written. Delete what "
    "you do not need, then stop this session, and in a minute start it again."
)

_WRITERS = (
    "copy",
    "create_checkpoint",
    "new",
    "new_untitled",
    "rename",
    "rename_file",
    "restore_checkpoint",
    "save",
    "trust_notebook",
    "update",
)


class NoSessionsHandler(SessionRootHandler):
    """``POST api/sessions`` of a rescue session; Jupyter's own would call the refusal a fault of the server."""

    @web.authenticated
    async def post(self) -> None:
        """Refuse."""
        raise web.HTTPError(403, NO_START)


def refuse_all_but_deletion(kernels: Any, terminals: Any | None, contents: Any) -> None:
    """Make these managers of a Jupyter server refuse everything but looking and deleting.

    Deletion is for good: what goes to a trash in the same home frees nothing.
    """
    _refuse(kernels, ("start_kernel", "restart_kernel"), NO_START)
    if terminals is not None:
        _refuse(terminals, ("create", "new_named_terminal", "new_terminal"), NO_START)
    _refuse(contents, _WRITERS, NO_WRITE)
    for name, value in (("delete_to_trash", False), ("always_delete_dir", True)):
        if contents.has_trait(name):
            setattr(contents, name, value)


def _refuse(manager: Any, names: tuple[str, ...], sentence: str) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise web.HTTPError(403, sentence)

    for name in names:
        if hasattr(manager, name):
            setattr(manager, name, refuse)
