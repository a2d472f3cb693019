"""What may go wrong on the machine that the demo runs on, in words for whoever started it."""

from __future__ import annotations


class DemoProblem(Exception):
    """The demo cannot go on. The message is one sentence that says what is wrong, where, and what would help."""
