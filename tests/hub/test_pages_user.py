"""The pages of a user: what runs, what is left, what was used, and why a start failed."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from perijove.models import Topic
from perijove_hub.ledger.notices import NewNotice, add_notice
from tests.support.control_bed import PREFIX, SECRET, ControlBed, running_control
from tests.support.pages import Browser, said
from tests.support.platforms import profile, site

PAGES = ("", "usage", "starts", "admin/", "admin/leases", "admin/limits")
PARTS: dict[str, Any] = {
    "time_zone": "Europe/Madrid",
    "sites": {
        "esac": site("ESAC", cpu=64, price={"cpu_hour": 0.5, "memory_gib_hour": 0.25}, mounts_homes_of=["cloud-eu"]),
        "cloud-eu": site("Cloud EU", "eu-de-1", cpu=64, price={"cpu_hour": 2}, mounts_homes_of=["esac"]),
    },
    "profiles": {"standard": profile(max_hours=12, idle_minutes=60, keeps=2)},
    "quotas": [
        {"name": "two-sessions", "resource": "sessions", "limit": 2},
        {"name": "month", "resource": "cpu_hours", "limit": 10, "window": "month", "warn_at": [0.5]},
    ],
    "allocations": [
        {"group": "astro", "resource": "credits", "amount": 100, "start": "2026-01-01", "end": "2026-12-31"}
    ],
}


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog, **PARTS) as control:
        yield control


async def end(control: ControlBed, lease: str, **more: Any) -> None:
    body = {"state": "ended", "reason": "stopped", **more}
    assert (await control.call("PATCH", f"leases/{lease}", SECRET, body=body)).status == 200


@pytest.mark.parametrize("path", PAGES)
async def test_nobody_is_sent_to_the_login_and_comes_back(control: ControlBed, path: str) -> None:
    answer = await control.get(PREFIX + path)
    assert answer.status == 302
    assert answer.headers["Location"].startswith("/hub/api/oauth2/authorize?client_id=service-perijove")
    forged = Browser(control, "nobody-knows-this")
    assert (await forged.call("GET", path)).status == 302


async def test_who_has_done_nothing_is_told_where_to_begin(control: ControlBed) -> None:
    page = await Browser(control, control.bob).get()
    assert (page.title, page.heading) == ("My sessions · Perijove", "My sessions")
    assert "Nothing of yours runs now. Start a session and it shows up here." in page.text
    assert "No session of yours has ended yet." in page.text
    assert page.links["Start a session"] == "/hub/spawn"
    assert "Sessions at once 0 of 2 sessions" in page.text
    assert "Times are Europe/Madrid time; today is 1 March 2026." in page.text
    assert "Admin" not in page.links
    usage = await Browser(control, control.bob).get("usage")
    assert "You have used nothing in this time. Once a session of yours has run, it shows up here." in usage.text
    starts = await Browser(control, control.bob).get("starts")
    assert "No start of yours has failed." in starts.text


async def test_a_session_says_where_why_what_it_costs_and_when_it_ends(control: ControlBed) -> None:
    offer = await control.start("ana", "astro", name="lab")
    control.clock.advance(1800)
    page = await Browser(control, control.ana).get()
    assert "lab at ESAC running" in page.text
    assert offer["explanation"]["summary"] in page.text
    assert "Size Standard: 1 core, 2 GiB" in page.text
    assert "Cost 1.00 EUR per hour So far 0.50 EUR from astro Since 1 March 2026, 13:00 CET" in page.text
    assert "Stops in 30 min , on 1 March 2026, 14:00 CET : nothing runs in it." in page.text
    assert (
        "Stops in 11 h 30 min , on 2 March 2026, 01:00 CET : its time is over; you can still put it off twice."
        in page.text
    )
    assert "It is stopped once nothing has run in it for 1 h." in page.text
    assert page.links["Open"] == "/user/ana/lab/"
    # the soonest end comes first
    assert page.text.index("nothing runs in it.") < page.text.index("its time is over")
    # half an hour is used and half an hour is held
    assert "Core hours this month 1 of 10 core hours, 0.5 of it reserved by what runs" in page.text
    assert "Cost of the allocation 1 of 100 EUR, 0.5 of it reserved by what runs" in page.text
    assert "group astro, everybody together" in page.text


async def test_a_session_that_runs_code_is_not_said_to_end_for_idleness(control: ControlBed) -> None:
    lease = (await control.start("ana", "astro"))["id"]
    body = {"last_activity": "2026-03-01T12:00:00Z", "busy": True}
    assert (await control.call("POST", f"leases/{lease}/activity", control.ana, body=body)).status == 200
    page = await Browser(control, control.ana).get()
    assert "Code runs in it. Once nothing has run for 1 h, it is stopped." in page.text
    assert "nothing runs in it." not in page.text


async def test_an_end_that_is_due_is_not_told_as_a_time_to_come(control: ControlBed) -> None:
    await control.start("ana", "astro")
    control.clock.advance(2 * 3600)
    page = await Browser(control, control.ana).get()
    assert "Is stopped any moment , due 1 March 2026, 14:00 CET : nothing runs in it." in page.text


async def test_the_closing_of_a_site_is_an_end_of_its_sessions(control: ControlBed) -> None:
    await control.start("ana", "astro")
    body = {"site": "esac", "stops_at": "2026-03-01T14:00:00Z", "reason": "new disks"}
    assert (await control.call("POST", "closures", control.admin, body=body)).status == 201
    page = await Browser(control, control.ana).get()
    assert "Stops in 2 h , on 1 March 2026, 15:00 CET : its site closes: new disks." in page.text


async def test_a_press_keeps_a_session_and_says_until_when(control: ControlBed) -> None:
    lease = (await control.start("ana", "astro", name="lab"))["id"]
    control.clock.advance(50 * 60)
    ana = Browser(control, control.ana)
    page = await ana.follow(await ana.send(await ana.get(), f"sessions/{lease}/keep"))
    assert said(page) == "lab is kept for 30 minutes more. It runs until 1 March 2026, 14:20 CET at least."
    assert "you can still put it off once." in page.text
    # it is said once
    assert 'role="status"' not in (await ana.get()).html
    row = await control.state.admission.lease(lease)
    assert row is not None
    assert (row.keeps_left, row.kept_until) == (1, control.clock.now + timedelta(minutes=30))


async def test_a_session_that_is_kept_runs_no_longer_than_its_site(control: ControlBed) -> None:
    lease = (await control.start("ana", "astro", name="lab"))["id"]
    body = {"site": "esac", "stops_at": "2026-03-01T13:10:00Z", "reason": "new disks"}
    assert (await control.call("POST", "closures", control.admin, body=body)).status == 201
    control.clock.advance(50 * 60)
    ana = Browser(control, control.ana)
    page = await ana.follow(await ana.send(await ana.get(), f"sessions/{lease}/keep"))
    assert said(page) == "lab is kept for 30 minutes more. It runs until 1 March 2026, 14:10 CET at least."


async def test_what_cannot_be_kept_says_why(control: ControlBed) -> None:
    lease = (await control.start("ana", "astro"))["id"]
    ana = Browser(control, control.ana)
    page = await ana.get()
    body = {"site": "esac", "stops_at": "2026-03-01T12:05:00Z", "reason": "new disks"}
    assert (await control.call("POST", "closures", control.admin, body=body)).status == 201
    answer = await ana.send(page, f"sessions/{lease}/keep")
    assert answer.status == 409
    assert f"sessions/{lease}/keep" not in answer.html
    assert said(answer.page) == (
        "Your server is stopped at 1 March 2026, 13:05 CET, since ESAC closes: new disks. "
        "That cannot be put off: save your work."
    )
    assert answer.page.heading == "My sessions"


async def test_nobody_keeps_the_session_of_another(control: ControlBed) -> None:
    lease = (await control.start("bob"))["id"]
    ana = Browser(control, control.ana)
    await ana.get()
    xsrf = {"_xsrf": ana.cookies["_xsrf"]}
    answer = await ana.post(f"sessions/{lease}/keep", xsrf)
    nothing = await ana.post(f"sessions/{'0' * 32}/keep", xsrf)
    assert (answer.status, said(answer.page)) == (404, f"You have no lease {lease}.")
    assert said(nothing.page) == f"You have no lease {'0' * 32}."
    row = await control.state.admission.lease(lease)
    assert row is not None
    assert row.kept_until is None


async def test_messages_stand_on_top_for_whom_they_are(control: ControlBed) -> None:
    now = control.clock.now
    async with control.state.database.write() as connection:
        for number, notice in enumerate(
            (
                NewNotice("a", Topic.QUOTA, "warning", "ana used much", owner="ana"),
                NewNotice("b", Topic.QUOTA, "warning", "bob used much", owner="bob"),
                NewNotice("c", Topic.ANNOUNCEMENT, "info", "to astro", groups=("astro",), expires=now + timedelta(7)),
                NewNotice("d", Topic.ANNOUNCEMENT, "info", "to staff", groups=("staff",), expires=now + timedelta(7)),
                NewNotice("e", Topic.ANNOUNCEMENT, "error", "to all", expires=now + timedelta(hours=1)),
            )
        ):
            await add_notice(connection, notice, now + timedelta(seconds=number))
    page = await Browser(control, control.ana).get()
    assert [word for word in ("to all", "to astro", "ana used much") if word in page.text] == [
        "to all",
        "to astro",
        "ana used much",
    ]
    assert page.text.index("to all") < page.text.index("to astro") < page.text.index("ana used much")
    assert "bob used much" not in page.text
    assert "to staff" not in page.text
    control.clock.advance(2 * 86_400)
    page = await Browser(control, control.ana).get()
    assert "to astro" in page.text
    # one that says no end is shown for a day
    assert "ana used much" not in page.text
    assert "to all" not in page.text


async def test_nothing_of_others_is_on_any_page(control: ControlBed) -> None:
    await control.start("bob", name="bobs-server")
    await end(control, (await control.start("bob", name="bobs-second"))["id"])
    asked = {"owner": "bob", "kind": "session", "attempt_id": uuid.uuid4().hex, "profile": "moon"}
    await control.call("POST", "leases", SECRET, body=asked)
    ana = Browser(control, control.ana)
    for path in ("", "usage", "starts"):
        html = (await ana.get(path)).html
        assert "bob" not in html
        assert "moon" not in html
    # an argument of admins' pages means nothing here
    assert "You have used nothing" in (await ana.get("usage?user=bob&group=staff")).text


async def test_a_full_home_is_told_with_the_way_to_make_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    quotas = [{"name": "home", "resource": "home_gib", "limit": 0}]
    async with running_control(tmp_path, caplog, **(PARTS | {"quotas": quotas})) as control:
        await control.start("ana", "astro", name="lab")
        page = await Browser(control, control.ana).get()
        assert "Your home is full. This session has no kernels and no terminals" in page.text
        assert page.links["make room"] == "/user/ana/lab/perijove/cleanup"


# --- use ------------------------------------------------------------------------------------------------------------


async def used_by_ana(control: ControlBed) -> None:
    """Two hours at ESAC on the first, one at Cloud EU on the third."""
    lease = (await control.start("ana", "astro"))["id"]
    control.clock.advance(2 * 3600)
    await end(control, lease)
    control.clock.advance(2 * 86_400)
    lease = (await control.start("ana", "astro", site="cloud-eu"))["id"]
    control.clock.advance(3600)
    await end(control, lease)


async def test_the_figures_of_a_plot_are_those_of_the_ledger(control: ControlBed) -> None:
    await used_by_ana(control)
    page = await Browser(control, control.ana).get("usage?range=7d&unit=cpu&by=site")
    assert page.rows[:10] == [
        ["When", "ESAC", "Cloud EU"],
        ["25 Feb", "0", "0"],
        ["26 Feb", "0", "0"],
        ["27 Feb", "0", "0"],
        ["28 Feb", "0", "0"],
        ["1 Mar", "2", "0"],
        ["2 Mar", "0", "0"],
        ["3 Mar", "0", "1"],
        ["Together", "2", "1"],
        ["Site", "Sessions ran", "Core hours", "GiB hours", "GPU hours", "Cost"],
    ]
    assert page.rows[10:] == [
        ["ESAC", "2 h", "2", "4", "0", "2.00 EUR"],
        ["Cloud EU", "1 h", "1", "2", "0", "2.00 EUR"],
        ["Together", "3 h", "3", "6", "0", "4.00 EUR"],
    ]
    assert 'data-value="2.0"' in page.html
    assert "Stacked bars: core hours by site. The same numbers are in the table below." in page.html


async def test_a_year_is_told_by_weeks(control: ControlBed) -> None:
    await used_by_ana(control)
    page = await Browser(control, control.ana).get("usage?range=year&unit=cost&by=kind")
    weeks = [row for row in page.rows if row[0].startswith("week of")]
    assert len(weeks) == 53
    assert weeks[-2:] == [["week of 23 Feb 2026", "2"], ["week of 2 Mar 2026", "2"]]


async def test_every_choice_is_a_link_and_the_rest_stays(control: ControlBed) -> None:
    ana = Browser(control, control.ana)
    page = await ana.get("usage")
    for label in ("7 days", "30 days", "90 days", "A year", "Cost", "GPU hours", "Session hours", "Site", "Kind"):
        assert (await ana.get("usage" + page.links[label])).heading == "My use"
    page = await ana.get("usage?range=90d&unit=gpu&by=kind")
    assert page.links["7 days"] == "?range=7d&unit=gpu&by=kind"
    assert page.links["Site"] == "?range=90d&unit=gpu&by=site"


async def test_the_table_to_take_home_is_of_the_same_days(control: ControlBed) -> None:
    await used_by_ana(control)
    ana = Browser(control, control.ana)
    link = (await ana.get("usage?range=7d")).links["Download as CSV"]
    assert link == f"{PREFIX}api/v1/usage?since=2026-02-25&until=2026-03-03&by=day&by=site&format=csv"
    answer = await ana.call("GET", link, headers={"Sec-Fetch-Mode": "navigate"})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8; header=present")
    assert answer.html.splitlines() == [
        "day,site,cpu_hours,memory_gib_hours,gpu_hours,session_hours,cost",
        "2026-03-01,esac,2.0,4.0,0.0,2.0,2.0",
        "2026-03-03,cloud-eu,1.0,2.0,0.0,1.0,2.0",
    ]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("range=1d", "range: choose one of 7d, 30d, 90d, year."),
        ("unit=euros", "unit: choose one of cost, cpu, memory, gpu, sessions."),
        ("by=user", "by: choose one of site, kind."),
        ("by=", "by: choose one of site, kind."),
    ],
)
async def test_a_choice_that_is_not_there_is_refused_in_words(control: ControlBed, query: str, detail: str) -> None:
    page = await Browser(control, control.ana).get(f"usage?{query}", 400)
    assert (page.heading, detail in page.text) == ("No such choice", True)


async def test_limits_say_how_long_they_last(control: ControlBed) -> None:
    ana = Browser(control, control.ana)
    page = await ana.get("usage")
    assert "Nothing that runs now uses it; it is there until it is renewed on 1 April 2026, 00:00 CEST." in page.text
    assert "Nothing that runs now uses it; it is there until it ends on 1 January 2027, 00:00 CET." in page.text
    await control.start("ana", "astro")
    page = await ana.get("usage")
    assert "At this rate used up in 10 h, on 1 March 2026, 23:00 CET." in page.text
    control.clock.advance(11 * 3600)
    page = await ana.get("usage")
    assert "used up month" in page.text
    assert "Used up. It is renewed on 1 April 2026, 00:00 CEST." in page.text


# --- failed starts --------------------------------------------------------------------------------------------------


async def test_a_start_that_did_not_come_up_says_why_with_the_end_of_its_log(control: ControlBed) -> None:
    asked = {"owner": "ana", "groups": ["astro"], "kind": "session", "attempt_id": uuid.uuid4().hex, "name": "lab"}
    offer = (await control.call("POST", "leases", SECRET, body=asked)).body
    body = {"state": "starting", "site": "esac"}
    assert (await control.call("PATCH", f"leases/{offer['id']}", SECRET, body=body)).status == 200
    await end(control, offer["id"], reason="ESAC: the server ended while starting.", log_tail="line 1\nno space left\n")
    assert (await Browser(control, control.ana).get()).links["Why it did not start"] == f"{PREFIX}starts"
    page = await Browser(control, control.ana).get("starts")
    assert page.heading == "Why did my last start fail?"
    assert "Not started lab · standard · ESAC · 1 March 2026, 13:00 CET" in page.text
    assert "ESAC: the server ended while starting." in page.text
    assert "If it fails again, read the end of its log below, or show this to an admin." in page.text
    assert "The end of the server's log line 1 no space left" in page.text
    # the losers are told with their reasons
    assert "Cloud EU" in page.text
    assert "score" in page.text


async def test_a_refusal_says_which_limit_and_what_to_do(control: ControlBed) -> None:
    for _ in range(2):
        await control.start("ana", "astro")
    asked = {"owner": "ana", "groups": ["astro"], "kind": "session", "attempt_id": uuid.uuid4().hex}
    refused = await control.call("POST", "leases", SECRET, body=asked)
    assert refused.status == 403
    page = await Browser(control, control.ana).get("starts")
    assert "Limit reached default server · 1 March 2026, 13:00 CET" in page.text
    assert refused.body["detail"] in page.text
    assert "Before that" not in page.text
    control.clock.advance(60)
    await control.call("POST", "leases", SECRET, body={**asked, "attempt_id": uuid.uuid4().hex, "profile": "moon"})
    page = await Browser(control, control.ana).get("starts")
    assert page.text.index("There is no profile 'moon'") < page.text.index("Before that")
    assert page.text.index("Before that") < page.text.index(refused.body["detail"])
