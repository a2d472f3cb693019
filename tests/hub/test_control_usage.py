"""What people have used, are told, and keep, over HTTP; on both databases."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy.exc import OperationalError

from perijove.models import Topic, UsageRow
from perijove_hub.ledger.notices import NewNotice, add_notice
from perijove_hub.web import usage_api
from perijove_hub.web.usage_api import usage_csv
from tests.support.control_bed import SECRET, Answer, ControlBed, running_control
from tests.support.platforms import site

SITES = {
    "esac": site(price={"cpu_hour": 0.5}, mounts_homes_of=["cloud-eu"]),
    "cloud-eu": site("Cloud EU", "eu-de-1", price={"cpu_hour": 2}, mounts_homes_of=["esac"]),
}
TIMED = {"standard": {"title": "Standard", "cpu": 1, "memory_gib": 2, "max_hours": 2, "idle_minutes": 30}}
#: 12:00 UTC, where the bed's clock begins, is 21:00 of 1 March there.
ZONE = "Asia/Tokyo"
EMPTY = {"items": [], "next": None}


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture, ledger: str) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog, ledger=ledger, sites=SITES, time_zone=ZONE) as control:
        yield control


async def run(control: ControlBed, owner: str, hours: float, *groups: str, at: str = "esac", **wish: Any) -> None:
    lease = (await control.start(owner, *groups, site=at, **wish))["id"]
    control.clock.advance(hours * 3600)
    await control.call("PATCH", f"leases/{lease}", SECRET, body={"state": "ended"})


def row(hours: float, cost: float, **keys: str) -> dict[str, Any]:
    """A sum of sessions with one core and two GiB."""
    names = {"day": None, "user": None, "group": None, "site": None, "kind": None}
    amounts = {"cpu_hours": hours, "memory_gib_hours": 2 * hours, "gpu_hours": 0.0, "session_hours": hours}
    return {**names, **keys, **amounts, "cost": cost}


async def items(control: ControlBed, token: str, **query: Any) -> Any:
    answer = await control.get("usage", token, **query)
    assert (answer.status, answer.headers["Content-Type"], answer.body["next"]) == (200, "application/json", None)
    return answer.body["items"]


async def test_usage_is_summed_by_what_is_asked_for(control: ControlBed) -> None:
    await run(control, "ana", 4, "astro")
    await run(control, "ana", 1, "astro", at="cloud-eu")
    await run(control, "bob", 2, "staff")
    ana = control.ana
    assert await items(control, ana) == [row(5, 4)]
    assert await items(control, ana, by="site") == [row(1, 2, site="cloud-eu"), row(4, 2, site="esac")]
    # the days of the platform's time zone: 21:00 and three hours are midnight
    assert await items(control, ana, by="day") == [row(3, 1.5, day="2026-03-01"), row(2, 2.5, day="2026-03-02")]
    assert await items(control, ana, by=["day", "site"]) == [
        row(3, 1.5, day="2026-03-01", site="esac"),
        row(1, 2, day="2026-03-02", site="cloud-eu"),
        row(1, 0.5, day="2026-03-02", site="esac"),
    ]
    assert await items(control, ana, by=["kind", "user", "group", "kind"]) == [
        row(5, 4, kind="session", user="ana", group="astro")
    ]
    assert await items(control, ana, since="2026-03-02", until="2026-03-02") == [row(2, 2.5)]
    assert await items(control, ana, until="2026-02-28", by="day") == []
    assert await items(control, ana, group="staff", by="group") == []
    assert await items(control, ana, group="astro", by="group") == [row(5, 4, group="astro")]


async def test_what_runs_now_counts_up_to_the_moment(control: ControlBed) -> None:
    await control.start("ana", "astro")
    control.clock.advance(1800)
    assert await items(control, control.ana, by="user") == [row(0.5, 0.25, user="ana")]
    assert await items(control, control.ana, by="user") == [row(0.5, 0.25, user="ana")]
    control.clock.advance(1800)
    assert await items(control, control.ana, by="user") == [row(1, 0.5, user="ana")]


async def test_an_admin_sees_everybodys_usage(control: ControlBed) -> None:
    await run(control, "ana", 1, "astro")
    await run(control, "eva", 2, "astro")
    await run(control, "bob", 4, "staff")
    admin = control.admin
    assert await items(control, admin) == [row(0, 0)]
    assert await items(control, admin, user="ana") == [row(1, 0.5)]
    assert await items(control, admin, user="*", by="group") == [row(3, 1.5, group="astro"), row(4, 2, group="staff")]
    astro = [row(1, 0.5, user="ana"), row(2, 1, user="eva")]
    assert await items(control, admin, group="astro", by="user") == astro
    assert await items(control, admin, group="astro", user="*", by="user") == astro
    assert await items(control, admin, group="astro", user="eva", by="user") == astro[1:]
    assert await items(control, control.ana, group="astro", by="user") == astro[:1]
    answer = await control.get("usage", control.ana, group="astro", user="*")
    assert (answer.status, answer.detail) == (403, "Only admins may ask about others with `user`.")


async def test_the_last_thirty_days_are_meant_unless_said(control: ControlBed) -> None:
    await run(control, "ana", 1)
    control.clock.advance(29 * 86_400 - 3600)
    assert await items(control, control.ana) == [row(1, 0.5)]
    control.clock.advance(86_400)
    assert await items(control, control.ana) == [row(0, 0)]
    assert await items(control, control.ana, since="2026-03-01") == [row(1, 0.5)]
    assert await items(control, control.ana, until="2026-03-30") == [row(1, 0.5)]
    # a month that is not over yet
    assert await items(control, control.ana, since="2026-03-01", until="2026-04-30") == [row(1, 0.5)]


@pytest.mark.parametrize(
    ("query", "headers", "is_csv"),
    [
        ({"format": "csv"}, {}, True),
        ({}, {"Accept": "text/csv"}, True),
        ({}, {"Accept": "text/csv;q=0.9, */*;q=0.1"}, True),
        ({}, {"Accept": "application/json, text/csv"}, False),
        ({}, {"Accept": "*/*"}, False),
        ({}, {"Accept": "text/html,;;,"}, False),
        ({"format": "json"}, {"Accept": "text/csv"}, False),
        ({"format": "csv"}, {"Accept": "application/json"}, True),
    ],
)
async def test_usage_comes_as_csv_to_who_asks_for_it(
    control: ControlBed, query: dict[str, str], headers: dict[str, str], is_csv: bool
) -> None:
    await run(control, "ana", 1, "astro")
    answer = await control.call("GET", "usage", control.ana, headers=headers, by=["site", "group"], **query)
    assert (answer.status, answer.headers["Vary"]) == (200, "Accept")
    if not is_csv:
        assert answer.body == {"items": [row(1, 0.5, site="esac", group="astro")], "next": None}
        return
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="usage-2026-01-31-2026-03-01.csv"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.text == (
        "site,group,cpu_hours,memory_gib_hours,gpu_hours,session_hours,cost\r\nesac,astro,1.0,2.0,0.0,1.0,0.5\r\n"
    )


FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    '=HYPERLINK("http://evil.example","x")',
    "=cmd|'/c calc'!A0",
    "\t=1",
    "\r=1",
    " =1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
]


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_is_a_formula(name: str) -> None:
    used = UsageRow(
        user=name, group='a,b\n"c"', cpu_hours=-1.5, memory_gib_hours=0, gpu_hours=0, session_hours=0, cost=-0.25
    )
    text = usage_csv([used], ["user", "group"])
    rows = list(csv.reader(io.StringIO(text, newline="")))
    # numbers are numbers, also below zero; text that looks like a formula is marked as text
    assert rows[1] == [f"'{name}", 'a,b\n"c"', "-1.5", "0.0", "0.0", "0.0", "-0.25"]


async def test_a_hostile_name_comes_out_of_the_service_as_text(control: ControlBed) -> None:
    await run(control, "=1+1", 1, "@group")
    answer = await control.get("usage", control.admin, user="*", by=["user", "group"], format="csv")
    assert answer.text.splitlines()[1] == "'=1+1,'@group,1.0,2.0,0.0,1.0,0.5"


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"since": "yesterday"}, "since is a day from 2000-01-01 to 2199-12-31, written as 2026-01-31."),
        ({"since": "2026-02-30"}, "since is a day from 2000-01-01 to 2199-12-31, written as 2026-01-31."),
        ({"since": "20260201"}, "since is a day from 2000-01-01 to 2199-12-31, written as 2026-01-31."),
        ({"since": "2026-W05-1"}, "since is a day from 2000-01-01 to 2199-12-31, written as 2026-01-31."),
        ({"since": ""}, "since is a day from 2000-01-01 to 2199-12-31, written as 2026-01-31."),
        ({"since": "0001-01-01"}, "since is a day from 2000-01-01 to 2199-12-31, written as 2026-01-31."),
        ({"until": "9999-12-31"}, "until is a day from 2000-01-01 to 2199-12-31, written as 2026-01-31."),
        ({"until": "١٩٩٩-١٢-٣١"}, "until is a day from 2000-01-01 to 2199-12-31, written as 2026-01-31."),
        ({"since": "2026-03-02"}, "since (2026-03-02) lies after until (2026-03-01)."),
        ({"since": "2026-01-02", "until": "2026-01-01"}, "since (2026-01-02) lies after until (2026-01-01)."),
        ({"since": "2000-01-01"}, "since and until span at most 1100 days."),
        ({"by": "moon"}, "by is one of day, site, kind, user, group, not 'moon'."),
        ({"by": ["day", "'; drop table leases"]}, "by is one of day, site, kind, user, group, not \"'; drop"),
        ({"by": ""}, "by is one of day, site, kind, user, group, not ''."),
        ({"by": "x" * 5000}, f"by is one of day, site, kind, user, group, not '{'x' * 40}'."),
        ({"format": "xlsx"}, "format is csv or json."),
        ({"format": ""}, "format is csv or json."),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    control: ControlBed, query: dict[str, Any], detail: str
) -> None:
    answer = await control.get("usage", control.ana, **query)
    assert (answer.status, answer.detail[: len(detail)]) == (400, detail)


async def test_the_ends_of_time_are_days_too(control: ControlBed) -> None:
    assert await items(control, control.ana, since="2000-01-01", until="2000-01-01") == [row(0, 0)]
    assert await items(control, control.ana, until="2000-01-01") == [row(0, 0)]
    assert await items(control, control.ana, since="2199-12-31", until="2199-12-31") == [row(0, 0)]


async def test_an_answer_without_bounds_is_refused(control: ControlBed, monkeypatch: pytest.MonkeyPatch) -> None:
    await run(control, "ana", 4)
    monkeypatch.setattr(usage_api, "MOST_ROWS", 1)
    assert await items(control, control.ana, by="user") == [row(4, 2, user="ana")]
    answer = await control.get("usage", control.ana, by="day")
    assert (answer.status, answer.detail) == (
        422,
        "The answer has more than 1 rows: ask for fewer days, or by fewer keys.",
    )


async def test_a_table_by_day_is_as_long_as_it_is(control: ControlBed, monkeypatch: pytest.MonkeyPatch) -> None:
    await run(control, "ana", 4)
    await run(control, "bob", 30)
    monkeypatch.setattr(usage_api, "MOST_ROWS", 1)
    lines = ["user,day,cpu_hours,memory_gib_hours,gpu_hours,session_hours,cost"]
    lines += ["ana,2026-03-01,3.0,6.0,0.0,3.0,1.5", "ana,2026-03-02,1.0,2.0,0.0,1.0,0.5"]
    lines += ["bob,2026-03-02,23.0,46.0,0.0,23.0,11.5", "bob,2026-03-03,7.0,14.0,0.0,7.0,3.5"]
    query = {"user": "*", "by": ["user", "day"], "since": "2026-02-01", "until": "2026-03-31", "format": "csv"}
    whole = await control.get("usage", control.admin, **query)
    assert (whole.status, whole.headers["Content-Type"]) == (200, "text/csv; charset=utf-8; header=present")
    assert whole.text.splitlines() == lines
    for days in (1, 2):
        monkeypatch.setattr(usage_api, "DAYS_AT_ONCE", days)
        mine = await control.get("usage", control.ana, by=["user", "day"], format="csv", since="2026-03-01")
        assert mine.text.splitlines() == lines[:3]


@pytest.mark.parametrize("days_that_work", [0, 1])
async def test_a_table_that_cannot_go_on_does_not_look_whole(
    control: ControlBed, monkeypatch: pytest.MonkeyPatch, days_that_work: int
) -> None:
    rows, asked = control.state.usage.rows, list[date]()

    async def fail_later(since: date, *arguments: Any) -> list[UsageRow]:
        asked.append(since)
        if len(asked) > days_that_work:
            raise OperationalError("select", {}, Exception("the server is gone"))
        return await rows(since, *arguments)

    monkeypatch.setattr(control.state.usage, "rows", fail_later)
    table = control.get("usage", control.admin, user="*", by=["day", "user"], format="csv")
    if days_that_work:
        with pytest.raises(aiohttp.ClientPayloadError):
            await table
    else:
        assert (await table).status == 503


# --- notices and failures -----------------------------------------------------------------------------------------


async def test_notices_go_on_from_the_last_one_seen(control: ControlBed) -> None:
    async with control.state.database.write() as connection:
        for number, owner in enumerate(("ana", None, "bob", "ana")):
            notice = NewNotice(f"k{number}", Topic.QUOTA, "warning", f"notice {number}", owner=owner)
            await add_notice(connection, notice, control.clock.now)
    first = (await control.get("notices", control.ana)).body
    assert [notice["message"] for notice in first["items"]] == ["notice 0", "notice 1", "notice 3"]
    since = first["items"][0]["id"]
    assert (await control.get("notices", control.ana, since=since)).body["items"] == first["items"][1:]
    assert (await control.get("notices", control.ana, since=since, limit=1)).body["items"] == first["items"][1:2]
    assert (await control.get("notices", control.ana, since=first["items"][2]["id"])).body == EMPTY
    # from before the ledger was restored
    assert (await control.get("notices", control.ana, since=2**63 - 1)).body == first


@pytest.mark.parametrize("since", ["-1", "x", "", "1.5", "1e3", str(2**63), "9" * 5000, "١", "0x1"])
async def test_since_is_the_id_of_a_notice(control: ControlBed, since: str) -> None:
    answer = await control.get("notices", control.ana, since=since)
    assert (answer.status, answer.detail) == (400, "since is the id of a notice, or 0.")


async def test_failed_starts_are_shown_to_whose_they_are(control: ControlBed) -> None:
    for _ in range(2):
        await control.start("ana")
    control.clock.advance(60)
    asked = {"owner": "ana", "kind": "session", "attempt_id": "1" * 32, "name": "lab", "profile": "standard"}
    refused = await control.call("POST", "leases", SECRET, body=asked)
    assert refused.status == 403
    offer = (await control.call("POST", "leases", SECRET, body={**asked, "owner": "bob", "attempt_id": "2" * 32})).body
    path = f"leases/{offer['id']}"
    await control.call("PATCH", path, SECRET, body={"state": "starting", "site": "esac"})
    patch = {"state": "ended", "reason": "it did not answer", "log_tail": "Segmentation fault\x00<script>"}
    assert (await control.call("PATCH", path, SECRET, body=patch)).status == 200

    ana = (await control.get("failures", control.ana)).body
    assert ana == {
        "items": [
            {
                "attempt_id": "1" * 32,
                "owner": "ana",
                "name": "lab",
                "at": "2026-03-01T12:01:00Z",
                "title": "Limit reached",
                "detail": refused.body["detail"],
                "profile": "standard",
                "site": None,
                "explanation": ana["items"][0]["explanation"],
                "log_tail": None,
            }
        ],
        "next": None,
    }
    bob = (await control.get("failures", control.bob)).body["items"]
    assert bob == [
        {
            "attempt_id": "2" * 32,
            "owner": "bob",
            "name": "lab",
            "at": "2026-03-01T12:01:00Z",
            "title": "Not started",
            "detail": "it did not answer",
            "profile": "standard",
            "site": "esac",
            "explanation": offer["explanation"],
            "log_tail": "Segmentation fault\ufffd<script>",
        }
    ]
    assert (await control.get("failures", control.admin)).body == EMPTY
    assert (await control.get("failures", control.admin, owner="bob")).body["items"] == bob
    everybody = (await control.get("failures", control.admin, owner="*")).body["items"]
    assert sorted(everybody, key=lambda failed: str(failed["attempt_id"])) == [*ana["items"], *bob]
    assert len((await control.get("failures", control.admin, owner="*", limit=1)).body["items"]) == 1


# --- activity, keep -----------------------------------------------------------------------------------------------


@pytest.fixture
async def timed(tmp_path: Path, caplog: pytest.LogCaptureFixture, ledger: str) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog, ledger=ledger, profiles=TIMED) as control:
        yield control


async def test_a_servers_activity_puts_off_its_idle_stop(timed: ControlBed) -> None:
    lease = (await timed.start("ana"))["id"]
    before = (await timed.get(f"leases/{lease}", timed.ana)).body
    assert (before["idle_stop_at"], before["ends_at"]) == ("2026-03-01T12:30:00Z", "2026-03-01T14:00:00Z")
    timed.clock.advance(600)

    async def active(**body: Any) -> Answer:
        return await timed.call("POST", f"leases/{lease}/activity", timed.ana, body=body)

    answer = await active(last_activity="2026-03-01T12:10:00Z", busy=False)
    assert (answer.status, answer.body["idle_stop_at"]) == (200, "2026-03-01T12:40:00Z")
    answer = await active(last_activity="2026-03-01T12:10:00Z", busy=True)
    assert (answer.status, answer.body) == (200, {**before, "idle_stop_at": None, "cost": answer.body["cost"]})
    assert (await timed.get(f"leases/{lease}", timed.ana)).body["idle_stop_at"] is None


async def test_an_owner_keeps_a_session(timed: ControlBed) -> None:
    lease = (await timed.start("ana"))["id"]
    timed.clock.advance(115 * 60)
    before = (await timed.get(f"leases/{lease}", timed.ana)).body
    answer = await timed.call("POST", f"leases/{lease}/keep", timed.ana, body={})
    assert (answer.status, answer.body) == (
        200,
        {
            **before,
            "keeps_left": 1,
            "ends_at": "2026-03-01T14:30:00Z",
            "idle_stop_at": "2026-03-01T14:25:00Z",
        },
    )


@pytest.mark.parametrize(
    ("tail", "body"),
    [("activity", {"last_activity": "2026-03-01T12:00:00Z", "busy": True}), ("keep", {"minutes": 30})],
)
async def test_only_its_owner_speaks_for_a_session(timed: ControlBed, tail: str, body: dict[str, Any]) -> None:
    lease = (await timed.start("bob"))["id"]
    before = (await timed.get(f"leases/{lease}", timed.bob)).body
    for token in (timed.ana, timed.admin):
        for asked in (lease, "0" * 32):
            answer = await timed.call("POST", f"leases/{asked}/{tail}", token, body=body)
            # the same answer for another's as for none
            assert (answer.status, answer.detail) == (404, f"You have no lease {asked}.")
    answer = await timed.call("POST", f"leases/{lease}/{tail}", SECRET, body=body)
    assert (answer.status, answer.detail) == (403, "This is asked by users for themselves.")
    assert (await timed.get(f"leases/{lease}", timed.bob)).body == before


ENDS_OF_TIME = ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "1e300", 2**53]


@pytest.mark.parametrize("moment", ENDS_OF_TIME)
async def test_no_clock_of_a_server_breaks_control(timed: ControlBed, moment: Any) -> None:
    lease = (await timed.start("ana"))["id"]
    for body in (
        {"last_activity": moment, "busy": False},
        {"last_activity": moment, "busy": False, "sent_at": "2026-03-01T12:00:00Z"},
        {"last_activity": "2026-03-01T12:00:00Z", "busy": False, "sent_at": moment},
    ):
        answer = await timed.call("POST", f"leases/{lease}/activity", timed.ana, body=body)
        assert answer.status in (200, 422)
    assert (await timed.get(f"leases/{lease}", timed.ana)).status == 200
