"""Who is let in: clients of this session, that sign with its key, on loopback; no page of a browser."""

from __future__ import annotations

import logging
import time
from urllib.parse import unquote

from aiohttp import web

from .errors import S3Error
from .service import Facade
from .sigv4 import check_signature, query_pairs

log = logging.getLogger(__name__)

#: What browsers add to every request of a page, and clients of S3 never.
_BROWSER_HEADERS = ("Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Referer")


class Door:
    """Checks requests, lets the façade answer them, and says refusals in S3's way.

    Args:
        facade: answers.
        port: on which we are reached.
        key: the secret that clients sign with.
    """

    def __init__(self, facade: Facade, port: int, key: str) -> None:
        self._facade = facade
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        self._key = key

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to any request."""
        try:
            self._check(request)
            bucket, _, key = request.raw_path.partition("?")[0].removeprefix("/").partition("/")
            query = dict(query_pairs(request.raw_path))
            return await self._facade.answer(request, _name(bucket), _name(key), query)
        except S3Error as error:
            return _refusal(request, error)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 (a fault of ours must not show its text: it may hold an address)
            log.error("the data façade failed: %s", type(error).__name__)  # noqa: TRY400 (nor its traceback)
            return _refusal(request, S3Error("InternalError", "The data façade failed; try again."))

    def _check(self, request: web.BaseRequest) -> None:
        if request.headers.get("Host", "").lower() not in self._hosts:
            raise S3Error("AccessDenied", "This is reached as 127.0.0.1 only.")
        if any(name in request.headers for name in _BROWSER_HEADERS):
            raise S3Error("AccessDenied", "This is not for pages of a browser.")
        check_signature(request.method, request.raw_path, request.headers, self._key, time.time())
        if request.method not in ("GET", "HEAD"):
            raise S3Error("MethodNotAllowed", "Datasets are read-only.")


def _name(encoded: str) -> str:
    try:
        return unquote(encoded, errors="strict")
    except UnicodeDecodeError:
        raise S3Error("NoSuchKey", "Names are UTF-8.") from None


def _refusal(request: web.BaseRequest, error: S3Error) -> web.Response:
    headers = {"Content-Range": f"bytes */{error.size_bytes}"} if error.size_bytes is not None else {}
    if error.status == 405:
        headers["Allow"] = "GET, HEAD"
    text = "" if request.method == "HEAD" else error.xml(request.raw_path.partition("?")[0])
    response = web.Response(status=error.status, headers=headers, text=text, content_type="application/xml")
    if request.can_read_body:
        response.force_close()  # what a refused client goes on to send is not read
    return response
