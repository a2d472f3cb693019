"""What people and schedulers ask of a gateway, checked: counts, ranges, titles. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isnan

from dask_gateway_server.backends.base import PublicException

from perijove.models import TITLE_MAX_CHARS, Adaptive

#: One line, without anything that moves a cursor; what control and the hub take for a name, too.
_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f]*")


def one_line(text: str) -> str:
    """What goes into the status line of an answer, where a line break would be a fault."""
    return " ".join(text.split())[:1000]


def count_of(said: object) -> int:
    """How many workers a scheduler or its owner asks for.

    Raises:
        PublicException: it is no such number.
    """
    if not isinstance(said, int) or isinstance(said, bool) or said < 0:
        raise PublicException("count: expected a whole number of workers, 0 or more.")
    return said


def title_of(said: object) -> str:
    """What an owner calls a cluster.

    Raises:
        PublicException: it is no title.
    """
    if not isinstance(said, str) or len(said) > TITLE_MAX_CHARS or not _ONE_LINE.fullmatch(said):
        raise PublicException(f"title: expected one line of {TITLE_MAX_CHARS} characters at most.")
    return said.strip()


def range_of(msg: Mapping[str, object], most: int) -> dict[str, object]:
    """A wish to adapt whose bounds are numbers that a lease may have room for; a scheduler would count with others.

    Raises:
        PublicException: it is no such wish.
    """
    if not isinstance(active := msg.get("active", True), bool):
        raise PublicException("active: expected true or false.")
    least, highest = (_bound(name, msg.get(name), most) for name in ("minimum", "maximum"))
    if least is not None and highest is not None and least > highest:
        raise PublicException(f"minimum: expected no more than maximum, which is {highest}.")
    return {**msg, "minimum": least, "maximum": highest, "active": active}


def adaptive_of(msg: Mapping[str, object], most: int) -> Adaptive | None:
    """What a wish of :func:`range_of` comes to; None: the cluster does not choose any more."""
    if not msg["active"]:
        return None
    least, highest = msg["minimum"], msg["maximum"]
    return Adaptive(
        minimum=least if isinstance(least, int) else 0, maximum=highest if isinstance(highest, int) else most
    )


def _bound(name: str, said: object, most: int) -> int | None:
    if said is None:
        return None
    # Python's 1e9 is a float, and JSON's NaN is neither more nor less than anything
    if not isinstance(said, (int, float)) or isinstance(said, bool) or isnan(said) or said < 0:
        raise PublicException(f"{name}: expected a number of workers, 0 or more.")
    return int(min(said, most))
