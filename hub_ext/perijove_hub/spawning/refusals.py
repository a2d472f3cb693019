"""How a start ends that does not become a session."""

from __future__ import annotations

from jupyterhub.spawner import SpawnException


class StartRefused(SpawnException):  # type: ignore[misc]  # jupyterhub has no types
    """A start that the platform does not make. The sentence is for the user; pages show it as it is.

    The hub counts none of these towards its limit of failures in a row.
    """

    def __init__(self, sentence: str, *, reason: str, status_code: int) -> None:
        super().__init__(sentence, reason=reason, status_code=status_code)
        # without it, the hub's pages would show the exception's name and status as well
        self.jupyterhub_message = sentence


class StartFailed(Exception):
    """One candidate did not start the session; the message says why, in plain words.

    ``sites_fault`` tells whether that counts against the site: a lease that control no longer grants does not.
    """

    def __init__(self, message: str, *, sites_fault: bool) -> None:
        super().__init__(message)
        self.sites_fault = sites_fault


def unreachable() -> StartRefused:
    """Nobody can say whether the user may start a session."""
    return StartRefused(
        "The platform cannot check your quota now, so nothing was started. Try again in a minute.",
        reason="control-unreachable",
        status_code=503,
    )


def stranger() -> StartRefused:
    """Control does not take this hub's secret."""
    return StartRefused(
        "The platform's control service does not know this hub, so nothing was started. Tell whoever runs the "
        "platform that the two do not share one secret.",
        reason="control-secret",
        status_code=503,
    )


def legible(text: str, longest: int = 40) -> str:
    """Text that somebody chose, as it can be shown to anybody: short, and of printable signs."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in text[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[:longest]}…"
