"""What every handler of our services shares: callers, JSON in and out, errors as problems, safe headers."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

from jupyterhub.services.auth import HubOAuthenticated
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from tornado.web import HTTPError, RequestHandler

from perijove.models import STORE_UNREACHABLE, Page, Problem
from perijove_hub.admission.models import Refused
from perijove_hub.catalogue.models import BadCursorError, CatalogueError, NoSuchPathError, NotReadableError
from perijove_hub.catalogue.vending import VendingError
from perijove_hub.ledger.engines import is_unavailable, spoken_error
from perijove_hub.policy.models import EVERYBODY
from perijove_hub.web.auth import Caller
from perijove_hub.web.state import ControlState

log = logging.getLogger(__name__)

Body = TypeVar("Body", bound=BaseModel)

#: How long the hub may take to say who calls.
HUB_SECONDS = 10

#: Nothing of ours is framed, sniffed, cached or referred to.
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

DEFAULT_PAGE = 100
LARGEST_PAGE = 1000


class ProblemError(HTTPError):
    """An answer that is an error, as a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.status, log_message=None)
        self.problem = problem


def problem_error(status: int, title: str, detail: str) -> ProblemError:
    """An error to raise in a handler."""
    return ProblemError(Problem(status=status, title=title, detail=detail))


class BaseHandler(HubOAuthenticated, RequestHandler):  # type: ignore[misc]  # jupyterhub has no types
    """A handler whose caller is known before its method runs.

    A cookie login on a changing method must bring the XSRF token: HubOAuth does not take the cookie without it.
    """

    #: Bodies of ordinary requests are small; a handler that takes more says so.
    maximum_body_bytes = 64 * 1024
    #: The hub may send more where it says in which groups somebody is.
    maximum_hub_body_bytes = 0
    #: Whether the gateways of sites may ask here, beside the hub and users.
    takes_gateways = False
    #: Whether one may come here with the token of a lease, to read data.
    takes_leases = False
    caller: Caller

    @property
    def state(self) -> ControlState:
        """What the process works with."""
        state: ControlState = self.application.settings["perijove"]
        return state

    def set_default_headers(self) -> None:
        """Every answer is safe to show."""
        for name, value in SAFE_HEADERS.items():
            self.set_header(name, value)

    async def prepare(self) -> None:
        """Find out who calls; refuse whoever is nobody, and a gateway where it has no business."""
        said = self.request.headers.get("Authorization", "")
        known = self.state.callers.by_secret(said) or self.state.gateways.by_secret(said)
        most_bytes = max(self.maximum_body_bytes, self.maximum_hub_body_bytes if known else 0)
        if len(self.request.body) > most_bytes:
            raise problem_error(
                413,
                "Too large",
                f"The body has {len(self.request.body)} bytes; at most {most_bytes} go here.",
            )
        self.hub_auth = self.state.callers.hub_auth
        self.caller = known or await self.state.lease_tokens.caller(said) or await self._user()
        if self.caller.gateway_site is not None and not self.takes_gateways:
            raise problem_error(403, "Not allowed", "This is not for gateways.")
        if self.caller.reads_only and not self.takes_leases:
            raise problem_error(403, "Not allowed", "The token of a lease is for reading data and nothing else.")

    async def hub_model(self) -> dict[str, Any] | None:
        """What the hub says of the token or the cookie that came along; None when it is nobody's.

        Raises:
            ProblemError: the hub cannot be asked, or not in time.
        """
        try:
            async with asyncio.timeout(HUB_SECONDS):
                model: dict[str, Any] | None = await self.hub_auth.get_user(self, sync=False)
        except (HTTPError, TimeoutError, ValueError) as error:
            # the hub is down, errs, is slow or talks nonsense: that is no verdict on the token
            raise problem_error(
                503, "Hub unreachable", "The hub cannot be asked who you are; try again in a moment."
            ) from error
        return model

    async def _user(self) -> Caller:
        model = self._hub_auth_user_cache = await self.hub_model()
        if model is None:
            return self.nobody()
        caller = self.state.callers.by_model(model)
        if caller is None:
            raise problem_error(403, "Not allowed", "This token does not reach this service.")
        return caller

    def nobody(self) -> Caller:
        """What to do with a caller who is nobody: an error here, a login on pages."""
        detail = "Send a hub token that reaches this service as `Authorization: token …`."
        # 401 makes the hub read its secret again; a browser without its XSRF token is refused what it may not do
        is_unknown = self.request.method == "GET" or "Authorization" in self.request.headers
        raise problem_error(401 if is_unknown else 403, "No valid login", detail)

    def require_hub(self) -> None:
        """Only the hub may go on.

        Raises:
            ProblemError: the caller is a user.
        """
        if not self.caller.is_hub:
            raise problem_error(403, "Not allowed", "Only the hub may do this.")

    def require_user(self) -> None:
        """Only a user may go on.

        Raises:
            ProblemError: the caller is the hub or a gateway.
        """
        if self.caller.is_hub or self.caller.gateway_site is not None:
            raise problem_error(403, "Not allowed", "This is asked by users for themselves.")

    def require_admin(self) -> None:
        """Only an admin may go on.

        Raises:
            ProblemError: the caller is none, or has a token without the scope of admins, as a notebook's.
        """
        if not self.caller.is_admin:
            raise problem_error(403, "Not allowed", "Only admins may do this, on the platform's own pages.")

    def subject(self, argument: str) -> str:
        """Whose facts are asked for: the caller's own, or those of the user an admin names in ``argument``.

        Raises:
            ProblemError: the caller names somebody else and is no admin.
        """
        name = self.get_query_argument(argument, self.caller.name)
        if name != self.caller.name and not (self.caller.is_admin or self.caller.is_hub):
            raise problem_error(403, "Not allowed", f"Only admins may ask about others with `{argument}`.")
        return name

    def subject_or_all(self, argument: str) -> str | None:
        """As :meth:`subject`; None when everybody is meant, which only admins and the hub may ask for, with ``*``.

        Raises:
            ProblemError: as :meth:`subject`.
        """
        name = self.subject(argument)
        return None if name == EVERYBODY and (self.caller.is_admin or self.caller.is_hub) else name

    def body(self, model: type[Body]) -> Body:
        """The JSON body as a model.

        Raises:
            ProblemError: 400 for what is no JSON, 422 for what does not fit; it names the key and what was expected.
        """
        content_type = self.request.headers.get("Content-Type", "application/json").partition(";")[0].strip()
        if content_type != "application/json":
            raise problem_error(415, "Not JSON", f"Send application/json, not {content_type[:80]!r}.")
        try:
            # not the standard library's: it climbs as deep as what it is sent, and takes whatever runs there along
            from_json(self.request.body or b"{}")
        except ValueError as error:
            raise problem_error(400, "Not JSON", "The body is no valid JSON in UTF-8.") from error
        try:
            return model.model_validate_json(self.request.body or b"{}")
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in error.errors()[:5]
            )
            raise problem_error(422, "Does not fit", faults[:1000]) from error

    def page_limit(self) -> int:
        """The ``limit`` of a list.

        Raises:
            ProblemError: it is no number from 1 to 1000.
        """
        text = self.get_query_argument("limit", str(DEFAULT_PAGE))
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LARGEST_PAGE:
            raise problem_error(400, "Bad limit", f"limit is a number from 1 to {LARGEST_PAGE}.")
        return int(text)

    def cursor(self) -> list[str] | None:
        """Where the last page ended, or None on the first.

        Raises:
            ProblemError: it is no cursor of ours.
        """
        text = self.get_query_argument("cursor", None)
        if text is None:
            return None
        try:
            parts = from_json(base64.urlsafe_b64decode(text.encode()))
        except ValueError as error:
            raise problem_error(400, "Bad cursor", "Take `cursor` from the `next` of the page before.") from error
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise problem_error(400, "Bad cursor", "Take `cursor` from the `next` of the page before.")
        return parts

    def write_page(self, items: Sequence[BaseModel], last: Sequence[str] | None = None) -> None:
        """Write one page of a list; ``last`` marks its end when more follow."""
        self.write_model(Page[Any](items=list(items), next=self.page_after(last) if last is not None else None))

    def page_after(self, last: Sequence[str]) -> str:
        """The address of the page after the one that ends with ``last``."""
        return self.page_at(base64.urlsafe_b64encode(json.dumps(list(last)).encode()).decode())

    def page_at(self, cursor: str) -> str:
        """The address of the page that begins at a cursor."""
        query = {name: self.get_query_arguments(name, strip=False) for name in self.request.query_arguments}
        query["cursor"] = [cursor]
        return f"{self.request.path}?{urlencode(query, doseq=True)}"

    def write_model(self, model: BaseModel, status: int = 200) -> None:
        """Write a model as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.write(model.model_dump_json())

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Tracebacks are for faults of ours; a refusal is no fault."""
        if isinstance(value, (Refused, VendingError, CatalogueError, HTTPError)):
            return
        if is_unavailable(value):
            # one line a request: a database that is away for minutes must not fill the log with tracebacks
            log.warning("the ledger cannot be used", extra={"path": self.request.path, "error": spoken_error(value)})
            return
        # the path is logged without its query
        log.error("unhandled error at %s", self.request.path, exc_info=(typ, value, tb))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Every error is a problem, and none shows a traceback."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        problem = self._problem(status_code, error)
        self.set_status(problem.status)
        self.set_header("Content-Type", "application/problem+json")
        if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.set_header("Retry-After", "2")
        self.finish(problem.model_dump_json(exclude_none=True))

    def _problem(self, status_code: int, error: BaseException | None) -> Problem:
        if isinstance(error, (ProblemError, Refused)):
            return error.problem
        if isinstance(error, VendingError):
            return Problem(type=STORE_UNREACHABLE, status=503, title="Store unreachable", detail=str(error))
        if isinstance(error, BadCursorError):
            return Problem(status=400, title="Bad cursor", detail=str(error))
        if isinstance(error, NoSuchPathError):
            return Problem(status=404, title="Not found", detail=str(error))
        if isinstance(error, NotReadableError):  # asking again would not help
            return Problem(status=403, title="Not readable from here", detail=str(error))
        if isinstance(error, CatalogueError):
            return Problem(status=503, title="Catalogue unreachable", detail=str(error))
        if is_unavailable(error):
            return Problem(status=503, title="Busy", detail="The ledger is busy; try again in a moment.")
        if isinstance(error, HTTPError) and status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            phrase = HTTPStatus(status_code).phrase
            return Problem(status=status_code, title=phrase, detail=error.log_message or f"{phrase}.")
        return Problem(
            status=500, title="Our fault", detail="Something broke on our side; the log of the service says what."
        )


class NotFoundHandler(BaseHandler):
    """Whatever has no route."""

    async def prepare(self) -> None:
        """No caller is needed to be told that there is nothing."""
        raise problem_error(404, "Not found", "There is nothing at this address.")
