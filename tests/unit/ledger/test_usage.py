"""Sums of use: how they are put in order, and what they add up."""

from __future__ import annotations

from datetime import date

from perijove_hub.ledger.usage import UsageService
from tests.support.platforms import open_house


async def test_sums_come_in_the_order_of_their_days(ledger: str) -> None:
    async with open_house(ledger) as house:
        usage = UsageService(house.database, lambda: house.platform, house.clock)
        for owner in ("bob", "ana"):
            await house.start(owner)
        house.clock.advance(9 * 24 * 3600)
        first, last = date(2026, 3, 1), date(2026, 3, 10)
        days = await usage.rows(first, last, ["day"])
        assert [row.day for row in days] == [f"2026-03-{day:02}" for day in range(1, 11)]
        assert [row.session_hours for row in days] == [24, *[48] * 8, 24]
        keyed = await usage.rows(date(2026, 3, 9), last, ["user", "day"])
        assert [(row.user, row.day) for row in keyed] == [
            ("ana", "2026-03-09"), ("ana", "2026-03-10"), ("bob", "2026-03-09"), ("bob", "2026-03-10"),
        ]  # fmt: skip
