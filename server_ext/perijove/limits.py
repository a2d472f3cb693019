"""What ``perijove.limits()`` gives: the limits of the user, as a list that shows itself."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime
from typing import overload

from .client import ControlClient, quotas_call
from .models import QuotaView

_HEAD = ("limit", "used", "of", "unit", "per", "over", "starts again", "used up at", "state")


class LimitList(Sequence[QuotaView]):
    """Limits in the platform's order; shows itself as a table in notebooks and as lines elsewhere."""

    def __init__(self, items: Sequence[QuotaView]) -> None:
        self._items = tuple(items)

    @overload
    def __getitem__(self, index: int) -> QuotaView: ...
    @overload
    def __getitem__(self, index: slice) -> LimitList: ...
    def __getitem__(self, index: int | slice) -> QuotaView | LimitList:
        """The limit at ``index``, or a shorter list for a slice."""
        return LimitList(self._items[index]) if isinstance(index, slice) else self._items[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._items)

    def __repr__(self) -> str:
        """One line for each limit."""
        if not self._items:
            return "no limits"
        rows = [_HEAD, *map(_row, self._items)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)

    def _repr_html_(self) -> str:
        """A table; everything that comes from the platform is text and escaped."""
        head = "".join(f"<th>{name}</th>" for name in _HEAD)
        body = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell, quote=True)}</td>' for cell in _row(item))}</tr>"
            for item in self._items
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def limits() -> LimitList:
    """Your limits and what is used of them.

    Raises:
        PerijoveError: not in a session of the platform, or control is away.
    """
    with ControlClient() as client:
        return LimitList(client.send(quotas_call()).items)


def _row(item: QuotaView) -> tuple[str, ...]:
    return (
        item.name,
        f"{item.used:.4g}",
        f"{item.limit:.4g}",
        item.unit,
        item.per,
        item.window or "at once",
        _moment(item.window_end),
        _moment(item.empty_at),
        item.state,
    )


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else ""
