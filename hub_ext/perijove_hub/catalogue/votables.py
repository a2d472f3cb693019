"""Questions to services of the Virtual Observatory: asked from here, read in a process of their own.

What such a service answers is a VOTable, which pyvo and astropy read. Both trust what they read: rows may lie at
another address or in a local file, and astropy goes there; and a table of some kilobytes may ask for gigabytes. So the
reading is done by a process (``votables_child``) that serves one question, has limits on memory and time, no
environment of ours, and can open nothing; each of its requests to the service goes through the session here and its
guard.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated, Any, Literal

import requests
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from urllib3.exceptions import HTTPError

from perijove_hub.catalogue import frames, texts
from perijove_hub.catalogue.guarded import GuardedSession, spoken
from perijove_hub.catalogue.models import CatalogueError

#: What the process may take: address space, and time of computing, of which it needs about a second to start.
MEMORY_BYTES = 1 << 30
CPU_SECONDS = 15
#: So many work at one time; each takes about 100 MB.
PROCESSES_MAX = 4
#: What pyvo asks of a service for one question of ours.
REQUESTS_MAX = 8
MESSAGE_MAX_BYTES = 32 * 2**20

_PACKAGES = str(Path(__file__).resolve().parents[2])
_turns = threading.BoundedSemaphore(PROCESSES_MAX)


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Fetch(_Message):
    """What pyvo wants to be asked."""

    op: Literal["fetch"]
    method: Literal["GET", "POST"]
    url: str = Field(max_length=20_000)
    content_type: str | None = Field(max_length=200)


class _Rows(_Message):
    """The answer."""

    op: Literal["rows"]
    rows: list[list[str]] = Field(max_length=100_000)


class _Problem(_Message):
    """There is none; ``said`` is the service's own text."""

    op: Literal["problem"]
    said: str
    is_too_large: bool


_MESSAGES: TypeAdapter[_Fetch | _Rows | _Problem] = TypeAdapter(
    Annotated[_Fetch | _Rows | _Problem, Field(discriminator="op")]
)


def ask(session: GuardedSession, operation: str, **arguments: Any) -> list[list[str]]:
    """The rows that an operation of ``votables_child`` gives: texts of strangers, not cleaned.

    Raises:
        CatalogueError: the service does not answer as it should, or its answer takes too much to be read.
    """
    if not _turns.acquire(timeout=session.budget.left_seconds()):
        raise CatalogueError("Many wait for answers of such services already; try again in a moment.")
    try:
        with _Process(session) as process:
            return process.ask({"op": operation, "arguments": arguments})
    finally:
        _turns.release()


class _Process:
    """One process, for one question."""

    def __init__(self, session: GuardedSession) -> None:
        self._session = session
        self._last_status = 200

    def __enter__(self) -> _Process:
        self._pipe, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - our own program
                    [sys.executable, "-P", "-m", f"{__name__}_child", str(MEMORY_BYTES), str(CPU_SECONDS)],
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=_bare_environment(),
                    start_new_session=True,
                )
            except OSError as error:
                self._pipe.close()
                raise CatalogueError("It cannot be asked now: no process can be started.") from error
        # whoever ends the operation from outside ends the wait for this process too
        self._session.budget.keep(self._pipe)
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.wait()

    def ask(self, wish: dict[str, Any]) -> list[list[str]]:
        """The rows."""
        try:
            self._wait()
            frames.send(self._pipe, wish)
            for _ in range(REQUESTS_MAX + 1):
                text, payload = frames.receive(self._pipe, MESSAGE_MAX_BYTES, self._wait)
                match _MESSAGES.validate_json(text):
                    case _Rows(rows=rows):
                        return rows
                    case _Problem() as problem:
                        raise self._spoken(problem)
                    case _Fetch() as fetch:
                        answer = self._fetch(fetch, payload)
                        said = {"status": answer.status_code, "content_type": answer.headers.get("Content-Type", "")}
                        self._wait()
                        frames.send(self._pipe, said, answer.content)
        except (EOFError, ValidationError, ValueError, OSError) as error:
            self._session.budget.left_seconds()
            raise CatalogueError("It answered with something that could not be read.") from error
        raise CatalogueError("It must be asked too often for one answer.")

    def _fetch(self, fetch: _Fetch, body: bytes) -> requests.Response:
        headers = {"Content-Type": fetch.content_type} if fetch.content_type else {}
        try:
            answer = self._session.request(fetch.method, fetch.url, data=body or None, headers=headers)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise spoken(error) from error
        self._last_status = answer.status_code
        return answer

    def _spoken(self, problem: _Problem) -> CatalogueError:
        if problem.is_too_large:
            return CatalogueError("It answered with more than can be read.")
        if said := texts.line(problem.said, 200):
            return CatalogueError(f"It refused the question: {said.rstrip('.')}.")
        if self._last_status >= 400:
            return CatalogueError(f"It answered {self._last_status}.")
        return CatalogueError("It answered with something that is not understood.")

    def _wait(self) -> None:
        self._pipe.settimeout(self._session.budget.left_seconds())


def _bare_environment() -> dict[str, str]:
    """What Python needs to start, and nothing of ours: no token, no address."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV") if name in os.environ}
    one_thread = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    paths = [_PACKAGES, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return kept | one_thread | {"PYTHONPATH": os.pathsep.join(paths)}
