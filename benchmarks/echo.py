"""One server that answers for all: ``python benchmarks/echo.py PORT``. It stands for every user's server."""

from __future__ import annotations

import sys

import jupyterhub
from aiohttp import web

ANSWER_HEADERS = {"X-JupyterHub-Version": jupyterhub.__version__}


async def _answer(request: web.Request) -> web.Response:
    return web.json_response({}, headers=ANSWER_HEADERS)


def main(port: int) -> None:
    """Serve until the end."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", _answer)
    web.run_app(application, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
