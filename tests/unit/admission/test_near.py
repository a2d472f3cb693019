"""Who is near a limit: over all users, pools and sites, the fullest first."""

from __future__ import annotations

from datetime import date

import pytest

from tests.support.platforms import open_house, platform, profile, site

QUOTAS = [
    {"name": "sessions", "resource": "sessions", "limit": 2},
    {"name": "staff-sessions", "resource": "sessions", "limit": 10, "applies_to": {"groups": ["staff"]}},
    {"name": "day", "resource": "cpu_hours", "window": "day", "limit": 4},
    {"name": "pool", "resource": "cpu", "limit": 8, "per": "group", "applies_to": {"groups": ["euclid"]}},
    {"name": "all", "resource": "sessions", "limit": 100, "per": "platform"},
]
POLICY = platform(
    sites={"esac": site(cpu=100)},
    profiles={"standard": profile(cpu=3, memory_gib=2)},
    quotas=QUOTAS,
    allocations=[
        {
            "group": "euclid", "resource": "cpu_hours", "amount": 5,
            "start": date(2026, 1, 1), "end": date(2026, 12, 31),
        }
    ],
)  # fmt: skip


async def test_the_limits_of_everybody_are_listed_the_fullest_first(ledger: str) -> None:
    async with open_house(ledger, POLICY) as house:
        assert await house.service.near(0.5, 10) == []
        first = await house.start("ana", groups=["euclid"])
        await house.start("ana", groups=["euclid"])
        await house.start("bob", groups=["staff"])
        house.clock.advance(1800)
        await house.move(first.id, "ended")
        near = await house.service.near(0.5, 10)
        # her first session used 1.5 core hours; the second did too, which is more than the 20 minutes that were left
        # of her day for it. Half of bob's 3 is reserved.
        assert [(view.subject, view.name, view.used, view.limit) for view in near] == [
            ("user:ana", "day", 3.0, 4.0),
            ("user:bob", "day", 3.0, 4.0),
            ("group:euclid", "euclid-cpu-hours-20260101", 3.0, 5.0),
            ("user:ana", "sessions", 1.0, 2.0),
        ]
        assert await house.service.near(0.5, 2) == near[:2]
        assert [view.subject for view in await house.service.near(0.7, 10)] == ["user:ana", "user:bob"]
        own = {view.name: view.used for view in await house.service.quotas("ana", frozenset({"euclid"}))}
        assert own == pytest.approx({"sessions": 1, "day": 3, "pool": 3, "euclid-cpu-hours-20260101": 3, "all": 2})
