from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import perijove
from tests.support.control import FakeControl

ATTACK = "<img src=x onerror=alert(1)>\"'"


def quota(name: str, **change: Any) -> dict[str, Any]:
    base = {"name": name, "resource": "sessions", "unit": "sessions", "limit": 2.0, "used": 1.0, "per": "user"}
    return base | {"state": "ok"} | change


def test_limits_show_themselves_as_lines_and_as_a_table(control: FakeControl) -> None:
    end = datetime(2026, 12, 1, tzinfo=UTC)
    hours = {"unit": "GPU hours", "limit": 40.0, "used": 39.25, "window": "month", "window_end": end.isoformat()}
    control.quotas[:] = [quota("two-labs"), quota("gpu", state="warning", **hours)]

    found = perijove.limits()

    local = f"{end.astimezone():%Y-%m-%d %H:%M}"
    assert [item.name for item in found[:1]] == ["two-labs"]
    assert repr(found).splitlines() == [
        "limit     used   of  unit       per   over     starts again      used up at  state",
        "two-labs  1      2   sessions   user  at once                                ok",
        f"gpu       39.25  40  GPU hours  user  month    {local}              warning",
    ]
    assert found._repr_html_().count("<tr>") == 3
    assert f"<td>{local}</td>" in found._repr_html_()


def test_the_table_escapes_what_the_platform_says(control: FakeControl) -> None:
    control.quotas[:] = [quota(ATTACK, unit=ATTACK)]

    assert "<img" not in perijove.limits()._repr_html_()
    assert "&lt;img" in perijove.limits()._repr_html_()


def test_without_limits_it_says_so(control: FakeControl) -> None:
    control.quotas.clear()

    assert repr(perijove.limits()) == "no limits"
