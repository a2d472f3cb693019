"""What the parts of the platform file share."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

#: The group that everybody is in.
EVERYBODY = "*"

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DURATION_PATTERN = r"^[1-9][0-9]{0,5}[smhd]$|^0s$"


class PlatformModel(BaseModel):
    """Base of every part of the platform file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _check_address(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError("expected an http(s) address without user or query, such as https://s3.example")
    return address


HttpAddress = Annotated[str, StringConstraints(pattern=r"^[!-~]+$"), AfterValidator(_check_address)]


def parse_duration(value: Any) -> timedelta:
    """A length of time as people write it: ``30s``, ``15m``, ``2h``, ``7d``.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not re.fullmatch(DURATION_PATTERN, value):
        raise ValueError("expected a length of time such as 30s, 15m, 2h or 7d")
    return timedelta(seconds=int(value[:-1]) * _UNIT_SECONDS[value[-1]])


def write_duration(length: timedelta) -> str:
    """A length of whole seconds in the largest unit that measures it, as :func:`parse_duration` reads it."""
    seconds = int(length.total_seconds())
    unit = next(unit for unit in "dhms" if seconds % _UNIT_SECONDS[unit] == 0) if seconds else "s"
    return f"{seconds // _UNIT_SECONDS[unit]}{unit}"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(write_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN}),
]
