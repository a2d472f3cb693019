"""How a gateway says that the platform does not let a cluster start: as a problem, and never as a wrong option.

Dask Gateway knows one answer to a cluster that is not started, 422, which is for options. A limit is none of them:
whoever asked may ask for the same again in an hour.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from perijove.models import Problem
from perijove_hub.admission.client import ControlRefused

from .asked import one_line

#: What control answers when it does not know who asks.
_UNKNOWN = HTTPStatus.UNAUTHORIZED
#: What control answers to a request that does not fit: then it is the request that must change.
_WRONG = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})

AWAY = "The platform cannot be asked now whether there is room for a cluster: try again in a minute."
UNKNOWN = "The platform does not know this gateway now, so it starts nothing: tell an admin of the platform."


class StartRefused(Exception):
    """A cluster is not started; :attr:`problem` says why, in one line."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def refused_by(refused: ControlRefused) -> StartRefused:
    """Control's no, as a gateway says it: 409 for what is in the way, 422 for what cannot be asked, else 503."""
    problem = refused.problem
    if problem.status == _UNKNOWN:
        return unavailable(UNKNOWN)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem.status in _WRONG else HTTPStatus.CONFLICT
    return StartRefused(problem.model_copy(update={"status": int(status), "detail": one_line(problem.detail)}))


def unavailable(detail: str = AWAY) -> StartRefused:
    """Nobody can say whether there is room."""
    return StartRefused(Problem(title="Not now", status=HTTPStatus.SERVICE_UNAVAILABLE, detail=detail))


@web.middleware
async def tell_refusals(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A refusal as a problem, with the sentence where Dask Gateway's own client looks for it, too."""
    try:
        return await handler(request)
    except StartRefused as refused:
        problem = refused.problem
        return web.json_response(
            {"error": problem.detail, **problem.model_dump(mode="json", exclude_none=True)},
            status=problem.status,
            content_type="application/problem+json",
        )
