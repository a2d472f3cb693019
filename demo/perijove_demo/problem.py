"""What may go wrong on the machine that the demo runs on, in words for whoever started it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


class DemoProblem(Exception):
    """The demo cannot go on. The message is one sentence that says what is wrong, where, and what would help."""


@contextlib.contextmanager
def os_errors_explained(path: Path | None = None) -> Iterator[None]:
    """Turn what the operating system refuses, as on a full disk, into a :class:`DemoProblem`.

    Args:
        path: what is worked on; without it, the file that the error names.

    Raises:
        DemoProblem: the block raised an OSError.
    """
    try:
        yield
    except OSError as error:
        where = path or error.filename or "this machine"
        raise DemoProblem(f"The demo cannot work with {where}: {error.strerror or error}.") from error
