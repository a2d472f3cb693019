"""The desk on both databases: what admins say is kept with its author, and what people are told is theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from perijove.models import (
    Announcement,
    AnnouncementRequest,
    Closure,
    ClosureRequest,
    Override,
    OverrideRequest,
    Topic,
)
from perijove_hub.admission.desk import Desk
from perijove_hub.admission.models import Refused
from perijove_hub.ledger import said_store
from perijove_hub.ledger.notices import NewNotice, add_notice
from tests.support.platforms import FakeClock, House, open_house, platform, request

HOUR = timedelta(hours=1)
NOON = FakeClock().now
TOMORROW = NOON + timedelta(days=1)


@pytest.fixture
async def house(ledger: str) -> AsyncIterator[House]:
    async with open_house(ledger) as opened:
        yield opened


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house.database, lambda: house.platform, house.clock)


def limit(number: float, subject: str = "user:ana", **more: Any) -> OverrideRequest:
    said = {"quota": "two-sessions", "subject": subject, "limit": number, "reason": "a course", "expires": TOMORROW}
    return OverrideRequest(**{**said, **more})


def problem(caught: pytest.ExceptionInfo[Refused]) -> tuple[int, str]:
    return caught.value.problem.status, caught.value.problem.detail


# --- overrides ----------------------------------------------------------------------------------------------------


async def test_an_override_is_kept_with_its_author_until_it_expires(house: House, desk: Desk) -> None:
    said = await desk.override(limit(3), "root")
    assert said == Override(
        id=said.id,
        quota="two-sessions",
        subject="user:ana",
        limit=3,
        reason="a course",
        author="root",
        created=NOON,
        expires=TOMORROW,
        revoked=None,
        revoked_by=None,
    )
    assert await desk.overrides() == [said]
    house.clock.advance(86_400)
    assert await desk.overrides() == []
    assert await desk.overrides(active_only=False) == [said]


async def test_an_override_changes_what_is_admitted(house: House, desk: Desk) -> None:
    await house.start()
    await desk.override(limit(1), "root")
    with pytest.raises(Refused, match="two-sessions"):
        await house.service.ask(request())
    await desk.override(limit(3), "root")
    await house.start()
    await house.start()
    with pytest.raises(Refused, match="two-sessions"):
        await house.service.ask(request())
    await house.start("bob")


async def test_a_new_override_takes_the_place_of_the_one_before(house: House, desk: Desk) -> None:
    first = await desk.override(limit(3), "root")
    others = await desk.override(limit(5, "user:bob"), "root")
    house.clock.advance(60)
    second = await desk.override(limit(4), "eva")
    assert await desk.overrides() == [second, others]
    replaced = first.model_copy(update={"revoked": house.clock.now, "revoked_by": "eva"})
    assert await desk.overrides(active_only=False) == [second, others, replaced]


async def test_parallel_overrides_leave_one_in_force(desk: Desk) -> None:
    said = await asyncio.gather(*(desk.override(limit(number), f"admin{number}") for number in range(6)))
    [left] = await desk.overrides()
    assert left in said
    over = [each for each in await desk.overrides(active_only=False) if each.revoked is None]
    assert over == [left]


async def test_a_revoked_override_says_who_did_it_and_stays_so(house: House, desk: Desk) -> None:
    said = await desk.override(limit(3), "root")
    later = house.clock.advance(60)
    revoked = await desk.revoke_override(said.id, "eva")
    assert revoked == said.model_copy(update={"revoked": later, "revoked_by": "eva"})
    house.clock.advance(60)
    assert await desk.revoke_override(said.id, "root") == revoked
    assert await desk.overrides() == []
    assert await house.used() == 0
    with pytest.raises(Refused) as caught:
        await desk.revoke_override(said.id + 1, "root")
    assert problem(caught) == (404, f"There is no override {said.id + 1}.")


async def test_a_refused_override_changes_nothing(desk: Desk) -> None:
    said = await desk.override(limit(3), "root")
    with pytest.raises(Refused) as caught:
        await desk.override(limit(4, "group:staff"), "root")
    assert problem(caught) == (422, "subject: limit two-sessions is per user; expected user:NAME.")
    assert await desk.overrides(active_only=False) == [said]


# --- closures -----------------------------------------------------------------------------------------------------


async def test_a_closed_site_takes_no_starts_until_it_opens(house: House, desk: Desk) -> None:
    said = await desk.close_site(ClosureRequest(site="esac", reopens=NOON + HOUR, reason="new disks"), "root")
    assert said == Closure(
        id=said.id,
        site="esac",
        starts=NOON,
        stops_at=None,
        reopens=NOON + HOUR,
        reason="new disks",
        author="root",
        created=NOON,
        withdrawn=None,
        withdrawn_by=None,
    )
    assert await desk.closures() == [said]
    sites = await house.service.sites()
    assert (sites["esac"].closed, sites["cloud-eu"].closed) == (
        "takes no starts until 1 March 2026, 13:00 UTC: new disks",
        "",
    )
    assert [each.site for each in (await house.service.ask(request())).candidates] == ["cloud-eu"]
    house.clock.advance(3600)
    assert await desk.closures() == []
    assert await desk.closures(active_only=False) == [said]
    assert [each.site for each in (await house.service.ask(request())).candidates] == ["esac", "cloud-eu"]


async def test_closures_to_come_are_listed_by_their_start(desk: Desk) -> None:
    late = await desk.close_site(ClosureRequest(site="cloud-eu", starts=NOON + 2 * HOUR, reason="later"), "root")
    soon = await desk.close_site(ClosureRequest(site="esac", starts=NOON + HOUR, reason="sooner"), "root")
    assert await desk.closures() == [soon, late]
    assert await desk.closures(active_only=False) == [soon, late]


async def test_one_closure_of_a_site_at_a_time(house: House, desk: Desk) -> None:
    drain = ClosureRequest(site="esac", reason="new disks")
    answers = await asyncio.gather(*(desk.close_site(drain, f"admin{n}") for n in range(4)), return_exceptions=True)
    said = [answer for answer in answers if isinstance(answer, Closure)]
    assert len(said) == 1
    refused = {answer.problem.detail for answer in answers if isinstance(answer, Refused)}
    overlap = f"Closure {said[0].id} of site esac overlaps; withdraw it first, or choose other times."
    assert refused == {overlap}
    later = house.clock.advance(60)
    withdrawn = await desk.withdraw_closure(said[0].id, "eva")
    assert withdrawn == said[0].model_copy(update={"withdrawn": later, "withdrawn_by": "eva"})
    house.clock.advance(60)
    assert await desk.withdraw_closure(said[0].id, "root") == withdrawn
    again = await desk.close_site(drain, "root")
    assert await desk.closures() == [again]
    with pytest.raises(Refused) as caught:
        await desk.withdraw_closure(again.id + 1, "root")
    assert problem(caught) == (404, f"There is no closure {again.id + 1}.")


async def test_a_change_whose_answer_was_lost_is_made_once(
    house: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def twice(work: Any) -> Any:
        async with house.database.write() as connection:
            await work(connection)
        async with house.database.write() as connection:
            return await work(connection)

    monkeypatch.setattr(house.database, "transact", twice)
    closure = await desk.close_site(ClosureRequest(site="esac", reason="new disks"), "root")
    override = await desk.override(limit(3), "root")
    announcement = await desk.announce(AnnouncementRequest(message="Hello", expires=TOMORROW), "root")
    assert await desk.closures(active_only=False) == [closure]
    assert await desk.overrides(active_only=False) == [override]
    assert await desk.announcements() == [announcement]


# --- announcements ------------------------------------------------------------------------------------------------


async def test_an_announcement_reaches_whom_it_is_for_until_it_is_withdrawn(house: House, desk: Desk) -> None:
    everybody = AnnouncementRequest(message="Coffee at ten", expires=TOMORROW)
    staff = AnnouncementRequest(message="New badges", severity="warning", groups=["staff"], expires=NOON + HOUR)
    said = [await desk.announce(asked, "root") for asked in (everybody, staff)]
    assert said[1] == Announcement(
        id=said[1].id,
        message="New badges",
        severity="warning",
        groups=["staff"],
        author="root",
        created=NOON,
        expires=NOON + HOUR,
        withdrawn=None,
    )
    assert await desk.announcements() == [said[1], said[0]]
    assert [notice.message for notice in await desk.notices("ana", frozenset())] == ["Coffee at ten"]
    told = await desk.notices("bob", frozenset({"staff"}), since=said[0].id)
    assert [(notice.id, notice.message, notice.topic.value, notice.severity) for notice in told] == [
        (said[1].id, "New badges", "announcement", "warning")
    ]
    withdrawn = await desk.withdraw_announcement(said[0].id, "eva")
    assert withdrawn == said[0].model_copy(update={"withdrawn": NOON})
    assert await desk.withdraw_announcement(said[0].id, "eva") == withdrawn
    assert await desk.notices("ana", frozenset()) == []
    house.clock.advance(3600)
    assert await desk.announcements() == []


async def test_an_announcement_for_the_group_of_all_is_for_everybody(desk: Desk) -> None:
    said = await desk.announce(AnnouncementRequest(message="Hello", groups=["*", "staff"], expires=TOMORROW), "root")
    assert said.groups == []
    assert [notice.message for notice in await desk.notices("ana", frozenset())] == ["Hello"]


async def test_only_announcements_are_withdrawn(house: House, desk: Desk) -> None:
    async with house.database.write() as connection:
        await add_notice(connection, NewNotice("k", Topic.QUOTA, "warning", "Nearly used up", owner="ana"), NOON)
    [notice] = await desk.notices("ana", frozenset())
    with pytest.raises(Refused) as caught:
        await desk.withdraw_announcement(notice.id, "root")
    assert problem(caught) == (404, f"There is no announcement {notice.id}.")
    assert await desk.notices("ana", frozenset()) == [notice]
    assert await desk.announcements() == []
    with pytest.raises(Refused) as late:
        await desk.announce(AnnouncementRequest(message="Too late", expires=NOON), "root")
    assert problem(late) == (422, "expires: lies in the past; say a time to come.")


# --- starts that came to nothing ----------------------------------------------------------------------------------


async def test_failed_starts_tell_what_went_wrong_newest_first(house: House, desk: Desk) -> None:
    offer = await house.service.ask(request(name="lab"))
    await house.move(offer.id, "starting", "esac")
    house.clock.advance(10)
    ended = house.clock.now
    await house.move(offer.id, "ended", reason="it did not answer in 60 s", log_tail="Traceback\nMemoryError")
    worked = await house.start()
    await house.move(worked.id, "ended", reason="stopped")
    await house.start()
    await house.start()
    house.clock.advance(10)
    refused = request(name="third", profile="standard")
    with pytest.raises(Refused) as caught:
        await house.service.ask(refused)
    await house.start("bob")

    failures = await desk.failures("ana", 10)
    assert [failed.attempt_id for failed in failures] == [refused.attempt_id, offer.attempt_id]
    assert failures[0].model_dump(exclude={"explanation"}) == {
        "attempt_id": refused.attempt_id,
        "owner": "ana",
        "name": "third",
        "at": house.clock.now,
        "title": caught.value.problem.title,
        "detail": caught.value.problem.detail,
        "profile": "standard",
        "site": None,
        "log_tail": None,
    }
    assert failures[1].model_dump(exclude={"explanation"}) == {
        "attempt_id": offer.attempt_id,
        "owner": "ana",
        "name": "lab",
        "at": ended,
        "title": "Not started",
        "detail": "it did not answer in 60 s",
        "profile": "standard",
        "site": "esac",
        "log_tail": "Traceback\nMemoryError",
    }
    assert failures[1].explanation == offer.explanation
    assert await desk.failures(None, 10) == failures
    assert await desk.failures(None, 1) == failures[:1]
    assert await desk.failures("bob", 10) == []


async def test_an_offer_that_nobody_took_up_is_a_failed_start(house: House, desk: Desk) -> None:
    await house.service.ask(request())
    house.clock.advance(61)
    await house.service.sweep()
    [failed] = await desk.failures("ana", 10)
    assert (failed.title, failed.detail) == ("Not started", "the offer was not taken up in time")


async def test_the_same_refusal_is_kept_once(house: House, desk: Desk) -> None:
    refused = request(site="moon")
    for _ in range(2):
        with pytest.raises(Refused):
            await house.service.ask(refused)
    assert [failed.attempt_id for failed in await desk.failures("ana", 10)] == [refused.attempt_id]


async def test_refusals_and_notices_are_kept_for_a_while_and_not_for_ever(ledger: str) -> None:
    async with open_house(ledger, platform(quotas=[{"name": "none", "resource": "sessions", "limit": 0}])) as house:
        desk = Desk(house.database, lambda: house.platform, house.clock)
        with pytest.raises(Refused):
            await house.service.ask(request())
        said = AnnouncementRequest(message="Maintenance on Friday", expires=house.clock.now + timedelta(days=1))
        await desk.announce(said, "root")

        async def removed_before(days: int) -> int:
            before = house.clock.now - timedelta(days=days)
            return await house.database.transact(lambda connection: said_store.remove_old(connection, before))

        house.clock.advance(2 * 24 * 3600)
        assert await removed_before(3) == 0
        assert len(await desk.failures("ana", 10)) == 1
        assert await removed_before(0) == 2
        assert await desk.failures("ana", 10) == []
