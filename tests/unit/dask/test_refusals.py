"""How a gateway tells that the platform lets a cluster not start."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from dask_gateway_server.routes import api_handler

from perijove.models import Problem
from perijove_hub.admission.client import ControlRefused
from perijove_hub.dask.refusals import StartRefused, refused_by, tell_refusals, unavailable


def refused(status: int, detail: str = "Limit cores\nreached.") -> StartRefused:
    problem = Problem(type="urn:perijove:over-limit", title="Limit reached", status=status, detail=detail, limit=4)
    return refused_by(ControlRefused(problem))


@pytest.mark.parametrize(("said", "told"), [(403, 409), (404, 409), (409, 409), (422, 422), (400, 422), (401, 503)])
def test_what_is_in_the_way_is_told_apart_from_what_cannot_be_asked(said: int, told: int) -> None:
    assert refused(said).problem.status == told


def test_a_user_is_not_told_of_the_secrets_of_gateways() -> None:
    assert "does not know this gateway" in refused(401, "Send a hub token.").problem.detail


@pytest.fixture
async def address() -> AsyncIterator[str]:
    app = web.Application(middlewares=[tell_refusals])

    @api_handler
    async def full(request: web.Request) -> web.Response:
        raise refused(403)

    @api_handler
    async def away(request: web.Request) -> web.Response:
        raise unavailable()

    app.router.add_post("/full", full)
    app.router.add_post("/away", away)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_refusal_is_a_problem_and_has_the_words_where_every_client_looks(address: str) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{address}/full") as answer:
            body = await answer.json()  # as Dask Gateway's own client reads it
            assert (answer.status, answer.content_type) == (409, "application/problem+json")
        assert body["error"] == body["detail"] == "Limit cores reached."
        assert (body["type"], body["limit"], body["status"]) == ("urn:perijove:over-limit", 4, 409)
        async with http.post(f"{address}/away") as answer:
            assert answer.status == 503
            assert (await answer.json())["error"].startswith("The platform cannot be asked now")
