"""Who is near a limit: over all users, pools and sites, the fullest first."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from perijove.models import HomeSize, OverrideRequest
from perijove_hub.admission.desk import Desk
from perijove_hub.ledger import store
from tests.support.platforms import GIB, open_house, platform, profile, site

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


async def test_of_many_users_those_who_have_used_most_are_looked_at(
    ledger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perijove_hub.admission.near.USERS_LOOKED_AT", 2)
    async with open_house(ledger, POLICY) as house:
        # the first to come uses most and has long ended when the others come
        for owner, minutes in (("eva", 70), ("bob", 50), ("ana", 60)):
            lease = await house.start(owner)
            house.clock.advance(60 * minutes)
            await house.move(lease.id, "ended")
        near = await house.service.near(0.6, 10)
        assert [(view.subject, view.name, view.used) for view in near] == [
            ("user:eva", "day", 3.5), ("user:ana", "day", 3.0),
        ]  # fmt: skip
        assert await house.service.near(0.9, 10) == []


async def test_what_an_admin_set_for_one_user_brings_that_user_near(ledger: str) -> None:
    async with open_house(ledger, POLICY) as house:
        lease = await house.start("eva")
        house.clock.advance(1200)
        await house.move(lease.id, "ended")
        assert await house.service.near(0.8, 10) == []
        desk = Desk(house.database, lambda: house.platform, house.clock)
        expires = house.clock.now + timedelta(days=1)
        said = {"quota": "day", "subject": "user:eva", "limit": 1, "reason": "asked for less", "expires": expires}
        await desk.override(OverrideRequest.model_validate(said), "root")
        near = await house.service.near(0.8, 10)
        assert [(view.subject, view.name, view.used, view.limit) for view in near] == [("user:eva", "day", 1, 1)]


async def test_a_full_home_is_near_its_limit(ledger: str) -> None:
    home = {"name": "home", "resource": "home_gib", "limit": 10}
    async with open_house(ledger, platform(quotas=[home])) as house:
        for owner, gib in (("ana", 9), ("bob", 7)):
            lease = await house.start(owner, at="esac")
            await house.move(lease.id, "ended")
            size = HomeSize(owner=owner, used_bytes=gib * GIB, measured_at=house.clock.now)
            async with house.database.write() as connection:
                await store.save_home_size(connection, size, "esac")
        near = await house.service.near(0.8, 10)
        assert [(view.subject, view.name, view.used) for view in near] == [("user:ana", "home", 9)]
