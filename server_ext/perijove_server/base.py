"""What all routes do alike: parse arguments strictly, answer JSON, and turn every failure into one sentence."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from pydantic import BaseModel, ValidationError
from tornado import web
from tornado.http1connection import HTTP1Connection

from perijove.errors import BadRequest, PerijoveError
from perijove.models import Problem

from .service import DataService

#: Longer search texts and cursors are refused before they are looked at.
ARGUMENT_MAX_CHARS = 8192
#: How often any argument is looked at.
ARGUMENTS_MAX = 1000
Asked = TypeVar("Asked", bound=BaseModel)
Method = TypeVar("Method", bound=Callable[..., Coroutine[Any, Any, None]])


def sentences(method: Method) -> Method:
    """Let a handler's method raise ``PerijoveError``s: they become ``application/problem+json``."""

    @functools.wraps(method)
    async def guarded(self: PerijoveHandler, *args: Any) -> None:
        try:
            await method(self, *args)
        except PerijoveError as error:
            self.write_problem(error.status, error.title, error.detail)

    return cast("Method", guarded)


class PerijoveHandler(APIHandler):
    """The base of all routes."""

    #: No message that a route takes is longer, in bytes.
    body_max_bytes = 1024

    @property
    def service(self) -> DataService:
        """The service. Raises ``NotConfigured`` outside of a platform."""
        service: DataService = self.settings["perijove"].get()
        return service

    def set_default_headers(self) -> None:
        """Add that browsers shall not guess types."""
        super().set_default_headers()
        self.set_header("X-Content-Type-Options", "nosniff")

    def text_argument(self, name: str, default: str = "") -> str:
        """A query argument, not stripped: names of objects may begin or end with spaces.

        Raises:
            BadRequest: given twice, not UTF-8, or too long.
        """
        values = self.several_arguments(name, ARGUMENTS_MAX)
        if len(values) > 1:
            raise BadRequest(f"The argument {name!r} is given {len(values)} times: expected it once.")
        return values[0] if values else default

    def several_arguments(self, name: str, most: int) -> tuple[str, ...]:
        """A query argument that may be given several times, ``most`` times at most; not stripped.

        Raises:
            BadRequest: given too often, not UTF-8, or too long.
        """
        raw = self.request.query_arguments.get(name, [])
        if len(raw) > most:
            raise BadRequest(f"The argument {name!r} is given {len(raw)} times: expected {most} times at most.")
        try:
            values = tuple(value.decode() for value in raw)
        except UnicodeDecodeError:
            raise BadRequest(f"The argument {name!r} is not valid UTF-8.") from None
        longest = max(map(len, values), default=0)
        if longest > ARGUMENT_MAX_CHARS:
            raise BadRequest(f"The argument {name!r} has {longest} characters: expected {ARGUMENT_MAX_CHARS} at most.")
        return values

    def whole_argument(self, name: str, default: int | None, least: int, most: int) -> int | None:
        """A whole number from ``least`` to ``most``.

        Raises:
            BadRequest: something else was given.
        """
        text = self.text_argument(name)
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) <= 18 and least <= int(text) <= most):
            raise BadRequest(f"The argument {name!r} must be a whole number from {least} to {most}.")
        return int(text)

    def whole_arguments(self, name: str, most_numbers: int, most: int) -> tuple[int, ...]:
        """Whole numbers from 0 to ``most`` between commas, at most ``most_numbers``; none when the argument is absent.

        Raises:
            BadRequest: something else was given.
        """
        text = self.text_argument(name)
        numbers = text.split(",") if text else []
        fits = all(part.isascii() and part.isdecimal() and len(part) <= 18 and int(part) <= most for part in numbers)
        if not fits or len(numbers) > most_numbers:
            raise BadRequest(
                f"The argument {name!r} must be up to {most_numbers} whole numbers from 0 to {most}, between commas."
            )
        return tuple(map(int, numbers))

    def choice_argument(self, name: str, choices: tuple[str, ...]) -> str:
        """One of ``choices``; the first is the default.

        Raises:
            BadRequest: something else was given.
        """
        value = self.text_argument(name, choices[0])
        if value not in choices:
            raise BadRequest(f"The argument {name!r} must be one of {', '.join(choices)}.")
        return value

    def body(self, model: type[Asked]) -> Asked:
        """The JSON body as ``model``.

        Raises:
            BadRequest: it is too long or does not fit, and where.
        """
        if len(self.request.body) > self.body_max_bytes:
            raise BadRequest(f"The body has {len(self.request.body)} bytes: expected {self.body_max_bytes} at most.")
        try:
            return model.model_validate_json(self.request.body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the body"
            raise BadRequest(f"{where}: {first['msg']}.") from None

    def route_url(self, *parts: str, **arguments: str | list[str]) -> str:
        """The address of one of our routes, from the server's root, for ``next``."""
        given = {name: value for name, value in arguments.items() if value}
        return f"{url_path_join(self.base_url, 'perijove', *parts)}?{urlencode(given, doseq=True)}"

    def write_model(self, model: BaseModel) -> None:
        """Answer 200 with a model as JSON."""
        self.finish(model.model_dump_json())

    def write_problem(self, status: int, title: str, detail: str, headers: dict[str, str] | None = None) -> None:
        """Answer with a problem; if the answer has begun, break it off so that nobody takes it for whole."""
        if self._headers_written:
            if isinstance(self.request.connection, HTTP1Connection):
                self.request.connection.close()
            return
        if status >= 500:
            self.log.warning("%s %s: %s", self.request.method, self.request.path, detail)
        self.clear()
        self.set_status(status)
        for name, value in (headers or {}).items():
            self.set_header(name, value)
        problem = Problem(title=title, status=status, detail=detail)
        self.finish(problem.model_dump_json(exclude_none=True), set_content_type="application/problem+json")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """What tornado and Jupyter refuse (no token, no XSRF cookie, …) is a problem in the same form."""
        try:
            title = HTTPStatus(status_code).phrase
        except ValueError:
            title = "Unknown error"
        error = kwargs.get("exc_info", (None, None))[1]
        detail = error.log_message if isinstance(error, web.HTTPError) and status_code < 500 else None
        if status_code >= 500:
            detail = "Something went wrong in this Jupyter server: its log has more."
        self.write_problem(status_code, title, detail or f"{title}.")
