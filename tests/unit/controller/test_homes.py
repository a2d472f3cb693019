"""The owner of a home that fills up is told once a day for each threshold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from perijove.models import HomeSize, Notice, OverrideRequest, Topic
from perijove_hub.admission.desk import Desk
from perijove_hub.controller.homes import GIB, Homes
from perijove_hub.ledger import store
from tests.support.platforms import House, open_house, platform

QUOTAS = [
    {"name": "home", "resource": "home_gib", "limit": 2, "warn_at": [0.8, 0.95]},
    {
        "name": "home-euclid", "resource": "home_gib", "limit": 20, "warn_at": [0.8],
        "applies_to": {"groups": ["euclid"]},
    },
]  # fmt: skip


@pytest.fixture
async def house(ledger: str) -> AsyncIterator[House]:
    async with open_house(ledger, platform(quotas=QUOTAS, time_zone="Europe/Madrid")) as opened:
        yield opened


def homes_of(house: House) -> Homes:
    return Homes(house.database, lambda: house.platform, house.clock)


async def measure(house: House, gib: float, owner: str = "ana") -> None:
    house.clock.advance(1)
    size = HomeSize(owner=owner, used_bytes=round(gib * GIB), measured_at=house.clock.now)
    async with house.database.write() as connection:
        await store.save_home_size(connection, size, await store.find_home(connection, owner) or "esac")


async def told(house: House, owner: str = "ana") -> list[Notice]:
    return await Desk(house.database, lambda: house.platform, house.clock).notices(owner, frozenset())


async def test_each_threshold_is_told_once_a_day_while_it_is_reached(house: House) -> None:
    homes = homes_of(house)
    await house.start()
    await measure(house, 1.5)
    assert (await homes.tell(), await told(house)) == (0, [])
    await measure(house, 1.7)
    assert [await homes.tell() for _ in range(3)] == [1, 0, 0]
    assert await homes_of(house).tell() == 0, "another controller knows it too"
    [notice] = await told(house)
    assert notice == Notice(
        id=notice.id,
        created=house.clock.now,
        expires=house.clock.now.replace(hour=23, minute=0, second=0),
        severity="warning",
        topic=Topic.STORAGE,
        message="Your home holds 1.7 of 2 GiB (limit home): clean up. Once it is full, new sessions start without "
        "kernels.",
        lease=None,
        keep_minutes=None,
    )
    await measure(house, 2)
    assert [await homes.tell() for _ in range(2)] == [1, 0]
    assert [each.message.partition(" (")[0] for each in await told(house)] == [
        "Your home holds 1.7 of 2 GiB", "Your home holds 2 of 2 GiB",
    ]  # fmt: skip
    house.clock.advance(12 * 3600)
    assert await told(house) == []
    assert [await homes.tell() for _ in range(2)] == [1, 0]
    house.clock.advance(24 * 3600)
    await measure(house, 0.1)
    assert await homes.tell() == 0


async def test_the_limit_is_the_one_that_binds_the_owner(house: House) -> None:
    homes = homes_of(house)
    await house.start(groups=["euclid"])
    await house.start("bob")
    for owner in ("ana", "bob"):
        await measure(house, 1.9, owner)
    assert await homes.tell() == 1
    assert (await told(house), len(await told(house, "bob"))) == ([], 1)
    more = OverrideRequest(
        quota="home-euclid", subject="user:ana", limit=2, reason="a course", expires=house.clock.now + timedelta(days=1)
    )
    await Desk(house.database, lambda: house.platform, house.clock).override(more, "root")
    assert await homes.tell() == 1
    assert [each.message.partition(" (")[2][:17] for each in await told(house)] == ["limit home-euclid"]


async def test_who_has_no_session_or_no_limit_is_not_told(house: House) -> None:
    lease = await house.start()
    await measure(house, 1.9)
    await house.move(lease.id, "ended")
    assert await homes_of(house).tell() == 0
    await house.start()
    house.platform = platform(quotas=[])
    assert await homes_of(house).tell() == 0
