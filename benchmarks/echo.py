"""One server that answers for all: ``python benchmarks/echo.py HOST PORT DIRECTORY``. It is every user's server.

It also stands for a control of another machine: to POST and PATCH it answers after as long as control takes, with what
control answered before, as ``DIRECTORY`` holds it.
"""

from __future__ import annotations

import asyncio
import sys
from functools import lru_cache
from pathlib import Path

import jupyterhub
from aiohttp import web

ANSWER_HEADERS = {"X-JupyterHub-Version": jupyterhub.__version__}
#: As long as control takes for an ask and for a move.
CONTROL_SECONDS = {"POST": 0.02, "PATCH": 0.01}


def recorded_path(directory: Path, method: str) -> Path:
    """Where control's answer to a request by this method is."""
    return directory / f"answer-to-{method}.json"


async def _answer(request: web.Request) -> web.Response:
    return web.json_response({}, headers=ANSWER_HEADERS)


def main(host: str, port: int, directory: Path) -> None:
    """Serve until the end."""

    @lru_cache
    def recorded(method: str) -> bytes:
        return recorded_path(directory, method).read_bytes()

    async def answer_as_control(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.sleep(CONTROL_SECONDS[request.method])
        return web.Response(body=recorded(request.method), content_type="application/json")

    application = web.Application()
    for method in CONTROL_SECONDS:
        application.router.add_route(method, "/{path:.*}", answer_as_control)
    application.router.add_route("*", "/{path:.*}", _answer)
    web.run_app(application, host=host, port=port, access_log=None, print=None)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
