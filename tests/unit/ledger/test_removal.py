"""A removed user leaves sums and no name, anywhere in the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from perijove.models import (
    RESERVED_OWNERS,
    AnnouncementRequest,
    ClosureRequest,
    Forgotten,
    HomeSize,
    OverrideRequest,
    Topic,
    UsageRow,
)
from perijove_hub.admission.desk import Desk
from perijove_hub.admission.models import Refused
from perijove_hub.ledger import schema, store
from perijove_hub.ledger.notices import NewNotice, add_notice
from perijove_hub.ledger.removal import REMOVED
from perijove_hub.ledger.usage import UsageService
from perijove_hub.policy.models import EVERYBODY
from tests.support.ledgers import dump_tables, ledger_url
from tests.support.platforms import FakeClock, House, open_house, platform, request, site

ZOE = "zoe.marlowe"
NOON = FakeClock().now
TOMORROW = NOON + timedelta(days=1)
PRICES = {
    "esac": site(price={"cpu_hour": 0.1}, mounts_homes_of=["cloud-eu"]),
    "cloud-eu": site("Cloud EU", "eu-de-1", cpu=16, price={"cpu_hour": 1.0}, mounts_homes_of=["esac"]),
}


@pytest.fixture
async def house(ledger: str) -> AsyncIterator[House]:
    async with open_house(ledger, platform(sites=PRICES)) as opened:
        yield opened


def desk_of(house: House) -> Desk:
    return Desk(house.database, lambda: house.platform, house.clock)


async def dump(house: House) -> dict[str, list[dict[str, Any]]]:
    return await dump_tables(house.database)


async def sums(house: House, *by: Any) -> list[UsageRow]:
    usage = UsageService(house.database, lambda: house.platform, house.clock)
    return await usage.rows(NOON.date() - timedelta(days=9), NOON.date() + timedelta(days=9), by)


async def run(house: House, owner: str, at: str, hours: float, **more: Any) -> None:
    """A session that ran for some hours, and ended."""
    lease = await house.start(owner, at, **more)
    house.clock.advance(hours * 3600)
    await house.move(lease.id, "ended", reason=f"stopped by {owner}", log_tail=f"/home/{owner}: bye")


async def live(house: House, name: str) -> None:
    """Everything that puts a name into the ledger."""
    desk = desk_of(house)
    await run(house, name, "esac", 3, name=f"{name}-lab", groups=["euclid"])
    await run(house, name, "cloud-eu", 30)
    failed = await house.service.ask(request(name, name=f"{name}-2"))
    await house.move(failed.id, "starting", "esac")
    await house.move(failed.id, "starting", "cloud-eu", site_failed=True)
    await house.move(failed.id, "ended", reason=f"no server of {name} came up", log_tail=f"cd /home/{name}")
    with pytest.raises(Refused):
        await house.service.ask(request(name, name=f"{name}-3", site="moon"))
    expires = house.clock.now + timedelta(days=1)
    said = {"quota": "two-sessions", "limit": 3, "expires": expires}
    mine = await desk.override(OverrideRequest(subject=f"user:{name}", reason=f"{name} asked", **said), "root")
    await desk.revoke_override(mine.id, name)
    await desk.override(OverrideRequest(subject=f"user:{name}", reason="a course", **said), "root")
    await desk.override(OverrideRequest(subject="user:bob", reason=f"instead of {name.title()}", **said), name)
    closure = await desk.close_site(ClosureRequest(site="esac", reason=f"ask {name}."), name)
    # what others are told of it is kept with their leases and with their refused starts
    await house.move((await house.service.ask(request("eva"))).id, "ended", reason="stopped")
    with pytest.raises(Refused):
        await house.service.ask(request("eva", site="esac"))
    await desk.withdraw_closure(closure.id, name)
    bring = AnnouncementRequest(message=f"{name}, bring your disks", groups=[name, "staff"], expires=expires)
    await desk.announce(bring, name)
    async with house.database.write() as connection:
        await store.save_home_size(connection, HomeSize(owner=name, used_bytes=5, measured_at=house.clock.now), "esac")
        own = NewNotice(f"quota:user:{name}", Topic.QUOTA, "info", f"{name}: nearly used up", owner=name)
        await add_notice(connection, own, house.clock.now)
        entry = await connection.execute(select(schema.usage_entries).where(schema.usage_entries.c.owner == name))
        first = dict(next(entry.mappings()))
        del first["id"]
        first |= {"entry": "correction", "author": name, "reason": f"{name} was right", "cpu": -1.0, "owner": "bob"}
        await connection.execute(insert(schema.usage_entries).values(**first))


async def test_nothing_of_a_removed_user_but_the_sums_is_left(house: House) -> None:
    await live(house, ZOE)
    await run(house, "bob", "cloud-eu", 2)
    kinds = [("day",), ("site",), ("kind",), ("group",), (), ("day", "site", "group")]
    before = {by: await sums(house, *by) for by in kinds}
    assert {row.user: row.session_hours for row in await sums(house, "user")} == {"bob": 2, ZOE: 33}
    held = str(await dump(house)).lower()
    assert held.count(ZOE) > 20
    tables = await dump(house)
    of = [name for name, rows in tables.items() if ZOE in str(rows).lower()]
    assert of == [
        "closures", "homes", "leases", "notices", "overrides", "refusals", "sites", "usage_days", "usage_entries",
    ]  # fmt: skip

    forgotten = await desk_of(house).forget(ZOE)

    # the longer of its two sessions ran over a midnight
    assert forgotten == Forgotten(leases=3, usage_entries=3)
    after = await dump(house)
    assert ZOE not in str(after).lower()
    assert {by: await sums(house, *by) for by in kinds} == before
    assert {row.user: row.session_hours for row in await sums(house, "user")} == {"bob": 2, REMOVED: 33}
    # what others said stays, without the name
    assert [row["reason"] for row in after["overrides"]] == [f"instead of {REMOVED}"]
    assert [row["reason"] for row in after["closures"]] == [f"ask {REMOVED}."]
    assert [row["message"] for row in after["notices"]] == [f"{REMOVED}, bring your disks"]
    owners = sorted(lease.owner for lease in await house.service.leases(None, None, 10))
    assert owners == [REMOVED, REMOVED, REMOVED, "bob", "eva"]
    assert [row["groups"] for row in after["notices"]] == [[REMOVED, "staff"]]
    [offer] = [row["offer"] for row in after["leases"] if row["owner"] == "eva"]
    [refused] = [row["explanation"] for row in after["refusals"]]
    for explanation in (offer["explanation"], refused):
        [closed] = [each for each in explanation["rejected"] if each["site"] == "esac"]
        assert f"ask {REMOVED}." in str(closed["reasons"])
    assert {failed.owner for failed in await desk_of(house).failures(None, 10)} == {"eva"}


async def test_removing_again_changes_nothing(house: House) -> None:
    await live(house, ZOE)
    await desk_of(house).forget(ZOE)
    after = await dump(house)
    assert await desk_of(house).forget(ZOE) == Forgotten(leases=0, usage_entries=0)
    with pytest.raises(Refused) as caught:
        await desk_of(house).forget(REMOVED)
    assert caught.value.problem.detail == f"{REMOVED} stands for users who were removed before."
    assert await dump(house) == after


async def test_days_of_several_removed_users_add_up(house: House) -> None:
    for name in (ZOE, "yan", "xia"):
        await run(house, name, "esac", 1, groups=["euclid"])
    [before] = await sums(house, "group")
    for name in (ZOE, "yan"):
        await desk_of(house).forget(name)
    assert await sums(house, "group") == [before]
    rows = (await dump(house))["usage_days"]
    assert [(row["owner"], row["session_hours"], row["cpu_hours"]) for row in rows] == [
        (REMOVED, 2.0, 2.0),
        ("xia", 1.0, 1.0),
    ]


async def test_a_user_whose_server_runs_is_not_removed(house: House) -> None:
    lease = await house.start(ZOE)
    await house.service.ask(request(ZOE))
    before = await dump(house)
    with pytest.raises(Refused) as caught:
        await desk_of(house).forget(ZOE)
    refused = caught.value.problem
    assert (refused.status, refused.detail) == (
        409,
        "2 leases are open: stop what runs of this user, then remove the name.",
    )
    assert await dump(house) == before
    house.clock.advance(61)  # the offer runs out
    with pytest.raises(Refused, match="1 lease is open: stop"):
        await desk_of(house).forget(ZOE)
    await house.move(lease.id, "ended")
    assert await desk_of(house).forget(ZOE) == Forgotten(leases=2, usage_entries=1)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("ana asked", f"{REMOVED} asked"),
        ("for Ana, ana.", f"for {REMOVED}, {REMOVED}."),
        ("(ana)", f"({REMOVED})"),
        ("analysis of banana", "analysis of banana"),
        ("ana-maria, ana.maria, ana@esa.int, dr-ana", "ana-maria, ana.maria, ana@esa.int, dr-ana"),
        ("100% of ana_2", "100% of ana_2"),
    ],
)
async def test_a_name_goes_as_a_word_and_not_out_of_longer_ones(tmp_path: Path, text: str, after: str) -> None:
    async with open_house(tmp_path) as house:
        await desk_of(house).announce(AnnouncementRequest(message=text, expires=TOMORROW), "root")
        await desk_of(house).forget("ana")
        assert [row["message"] for row in (await dump(house))["notices"]] == [after]


@pytest.mark.parametrize("name", ["a%", "a_a", "a.b", "x\\", "o'neil", "**", "(b)", "ümit"])
async def test_odd_names_are_removed_and_others_are_not(house: House, name: str) -> None:
    for owner in (name, "anna"):
        await run(house, owner, "esac", 1)
        await desk_of(house).announce(AnnouncementRequest(message=f"by {owner} today", expires=TOMORROW), owner)
    assert await desk_of(house).forget(name) == Forgotten(leases=1, usage_entries=1)
    rows = (await dump(house))["notices"]
    assert [(row["author"], row["message"]) for row in rows] == [
        (REMOVED, f"by {REMOVED} today"),
        ("anna", "by anna today"),
    ]
    assert [row["owner"] for row in (await dump(house))["usage_days"]] == [REMOVED, "anna"]


async def test_a_name_that_a_site_has_too_leaves_the_site_alone(house: House) -> None:
    lease = await house.start("eva", "esac")
    before = lease.explanation
    await desk_of(house).forget("esac")
    after = await house.service.lease(lease.id)
    assert after is not None
    assert [each.site for each in after.offer.candidates] == [each.site for each in lease.offer.candidates]
    assert after.explanation.candidates == before.candidates


async def test_no_byte_of_the_name_is_left_in_the_file(tmp_path: Path) -> None:
    async with open_house(tmp_path, platform(sites=PRICES)) as house:
        await live(house, ZOE)
        await desk_of(house).forget(ZOE)
    ledger = Path(ledger_url(tmp_path).partition("///")[2])
    left = {path.name for path in ledger.parent.iterdir() if ZOE.encode() in path.read_bytes().lower()}
    assert left == set()


def test_what_stands_for_others_is_no_users_name() -> None:
    assert {EVERYBODY, REMOVED} == RESERVED_OWNERS
