"""What admins change on the pages: a form, a page that asks, a word when it is done, and nothing lost on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from perijove_hub.ledger import gateway_store, life_store, schema
from perijove_hub.ledger.models import SiteRow
from tests.support.control_bed import SECRET, ControlBed, running_control
from tests.support.ledgers import dump_tables
from tests.support.pages import Browser, fields_at_fault, said
from tests.support.platforms import profile

PARTS: dict[str, Any] = {
    "time_zone": "Europe/Madrid",
    "profiles": {"standard": profile(max_hours=2, idle_minutes=60)},
    "quotas": [
        {"name": "two-sessions", "resource": "sessions", "limit": 2},
        {"name": "pool", "per": "group", "applies_to": {"groups": ["astro"]}, "resource": "cpu_hours", "limit": 40,
         "window": "month"},
        {"name": "all-cores", "per": "platform", "resource": "cpu", "limit": 12},
    ],
    "allocations": [
        {"group": "class:physics", "resource": "credits", "amount": 5, "start": "2026-01-01", "end": "2026-12-31"}
    ],
}  # fmt: skip


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture, ledger: str) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog, ledger=ledger, **PARTS) as control:
        yield control


@pytest.fixture
def admin(control: ControlBed) -> Browser:
    return Browser(control, control.admin)


OVERRIDE = {"quota": "two-sessions", "name": "ana", "limit": "5", "reason": "a workshop"}


async def test_a_limit_is_changed_for_somebody_after_it_was_asked_about(control: ControlBed, admin: Browser) -> None:
    page = await admin.get("admin/limits")
    before = await dump_tables(control.state.database)
    asked = await admin.send(page, "admin/limits", **OVERRIDE)
    assert asked.status == 200
    assert asked.page.heading == "Set two-sessions to 5 sessions for user ana?"
    assert "Until 8 March 2026, 13:00 CET Reason a workshop Decided by root" in asked.page.text
    assert asked.page.forms[0].buttons == [("choice", "yes"), ("choice", "no")]
    assert await dump_tables(control.state.database) == before

    done = await admin.change(page, "admin/limits", **OVERRIDE)
    assert said(done) == "two-sessions is 5 sessions for user ana from now on."
    assert done.rows[1][:3] == ["user ana", "two-sessions", "5"]
    (override,) = await control.state.desk.overrides()
    assert (override.quota, override.subject, override.limit) == ("two-sessions", "user:ana", 5)
    assert (override.author, override.reason) == ("root", "a workshop")
    assert override.expires == control.clock.now + timedelta(days=7)
    assert "root set it to 5 until 8 March 2026, 13:00 CET" in (await Browser(control, control.ana).get()).text


async def test_whoever_goes_back_finds_the_form_as_it_was(control: ControlBed, admin: Browser) -> None:
    asked = (await admin.send(await admin.get("admin/limits"), "admin/limits", **OVERRIDE)).page
    back = await admin.post("admin/limits", {**asked.forms[0].fields, "choice": "no"})
    assert back.status == 200
    form = back.page.form("admin/limits")
    assert {name: form.fields[name] for name in OVERRIDE} == OVERRIDE
    assert await control.state.desk.overrides() == []


NEEDED, NUMBER = "This is needed.", "Write a number, such as 40 or 2.5."
FAULTS: list[tuple[dict[str, str], dict[str, str]]] = [
    ({"limit": ""}, {"limit": NEEDED}),
    ({"limit": "many"}, {"limit": NUMBER}),
    ({"limit": "nan"}, {"limit": NUMBER}),
    ({"limit": "-1"}, {"limit": "Write 0 or more."}),
    ({"reason": "x"}, {"reason": "Write at least 3 characters."}),
    ({"reason": ""}, {"reason": NEEDED}),
    ({"reason": "x" * 501}, {"reason": "Write at most 500 characters."}),
    ({"expires": ""}, {"expires": NEEDED}),
    ({"expires": "tomorrow"}, {"expires": "Write a date and a time, such as 2026-04-01T12:00."}),
    ({"expires": "2026-02-01T10:00"}, {"expires": "Lies in the past; say a time to come."}),
    ({"expires": "2036-02-01T10:00"}, {"expires": "Lies more than two years ahead."}),
    ({"expires": "1969-01-01T00:00"}, {"expires": "Write a date between 1970 and 2199."}),
    ({"expires": "0026-03-09T12:00"}, {"expires": "Write a date between 1970 and 2199."}),
    ({"expires": "9999-12-31T23:59"}, {"expires": "Write a date between 1970 and 2199."}),
    ({"name": ""}, {"name": "Say for which user."}),
    ({"name": "x" * 256}, {"name": "This name is not one that the platform can have."}),
    ({"quota": "moon"}, {"quota": "Choose one of those offered."}),
    ({"quota": "pool", "name": "staff"}, {"name": "Limit pool binds astro, not 'staff'."}),
    ({"limit": "many", "reason": ""}, {"limit": NUMBER, "reason": NEEDED}),
]


@pytest.mark.parametrize(("wrong", "faults"), FAULTS, ids=[str(sorted(wrong)) for wrong, _ in FAULTS])
async def test_a_form_that_does_not_fit_comes_back_with_what_to_mend(
    control: ControlBed, admin: Browser, wrong: dict[str, str], faults: dict[str, str]
) -> None:
    answer = await admin.send(await admin.get("admin/limits"), "admin/limits", **(OVERRIDE | wrong))
    assert answer.status == 422
    page = answer.page
    assert fields_at_fault(page) == faults
    assert said(page) == "Nothing was changed yet: mend what is marked below."
    sent, shown = OVERRIDE | wrong, page.form("admin/limits").fields
    kept = {name: value for name, value in sent.items() if name != "quota"}
    assert {name: shown[name] for name in kept} == kept
    assert page.html.count('aria-invalid="true"') == len(faults)
    assert await control.state.desk.overrides() == []


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ({"quota": "pool", "name": "astro"}, "group:astro"),
        ({"quota": "all-cores", "name": ""}, "platform"),
        # an allocation is of its group, whatever is written
        ({"quota": "class-physics-credits-20260101", "name": ""}, "class:physics"),
    ],
)
async def test_whom_a_change_is_for_follows_from_the_limit(
    control: ControlBed, admin: Browser, written: dict[str, str], subject: str
) -> None:
    await admin.change(await admin.get("admin/limits"), "admin/limits", **(OVERRIDE | written))
    assert [each.subject for each in await control.state.desk.overrides()] == [subject]


async def test_a_link_to_change_a_limit_fills_the_form(admin: Browser) -> None:
    fields = (await admin.get("admin/limits?quota=pool&name=astro")).form("admin/limits").fields
    assert (fields["quota"], fields["name"], fields["limit"]) == ("pool", "astro", "")


async def test_an_override_is_revoked_after_it_was_asked_about(control: ControlBed, admin: Browser) -> None:
    page = await admin.change(await admin.get("admin/limits"), "admin/limits", **OVERRIDE)
    path = "admin/overrides/1/revoke"
    asked = await admin.send(page, path)
    assert asked.page.heading == "Revoke the override of two-sessions for user ana?"
    assert len(await control.state.desk.overrides()) == 1
    # back to the list, which still has it
    assert (await admin.post(path, {**asked.page.forms[0].fields, "choice": "no"})).status == 303
    done = await admin.change(page, path)
    assert said(done) == "The platform file's two-sessions counts again for user ana."
    assert await control.state.desk.overrides() == []
    (over,) = await control.state.desk.overrides(active_only=False)
    assert over.revoked_by == "root"
    # somebody else was faster
    again = await admin.send(page, path)
    assert (again.status, again.page.heading) == (404, "Not revoked")
    assert "This override is not in force any more." in again.page.text


CLOSURE = {"site": "esac", "reason": "new disks", "stops_at": "2026-03-01T16:00", "reopens": "2026-03-02T08:00"}


async def test_a_site_is_drained_with_notice_and_opened_again(control: ControlBed, admin: Browser) -> None:
    page = await admin.get("admin/closures?site=esac")
    assert page.form("admin/closures").fields["site"] == "esac"
    asked = (await admin.send(page, "admin/closures", **CLOSURE)).page
    assert asked.heading == "Close ESAC to new sessions?"
    assert (
        "No starts from now Sessions there are stopped 1 March 2026, 16:00 CET "
        "Opens again 2 March 2026, 08:00 CET What people are told new disks"
    ) in asked.text
    done = await admin.change(page, "admin/closures", **CLOSURE)
    assert said(done) == "ESAC takes no starts from now on."
    assert "ESAC closed new disks · from 1 March 2026, 13:00 CET , sessions stop" in done.text
    (closure,) = await control.state.desk.closures()
    # what was written is the platform's time
    assert str(closure.stops_at) == "2026-03-01 15:00:00+00:00"
    done = await admin.change(done, f"admin/closures/{closure.id}/withdraw")
    assert said(done) == "The closure of ESAC is withdrawn."
    assert "withdrawn 1 March 2026, 13:00 CET by root" in done.text
    assert await control.state.desk.closures() == []
    again = await admin.get("admin/closures")
    assert "Every site takes starts, and none is going to close." in again.text


@pytest.mark.parametrize(
    ("wrong", "faults"),
    [
        ({"reason": ""}, {"reason": NEEDED}),
        ({"stops_at": "2026-03-01T10:00"}, {"stops_at": "Lies in the past; sessions can be stopped from now on."}),
        ({"reopens": "2026-03-01T14:00"}, {"reopens": "Lies before stops_at; an open site stops nothing."}),
        ({"starts": "soon"}, {"starts": "Write a date and a time, such as 2026-04-01T12:00."}),
        ({"site": "moon"}, {"site": "There is no site 'moon'; choose from cloud-eu, esac."}),
        ({"site": ""}, {"site": NEEDED}),
    ],
)
async def test_a_closure_that_does_not_fit_is_told_before_it_is_asked_about(
    control: ControlBed, admin: Browser, wrong: dict[str, str], faults: dict[str, str]
) -> None:
    answer = await admin.send(await admin.get("admin/closures"), "admin/closures", **(CLOSURE | wrong))
    assert (answer.status, fields_at_fault(answer.page)) == (422, faults)
    assert answer.page.form("admin/closures").fields["reopens"] == (CLOSURE | wrong)["reopens"]
    assert await control.state.desk.closures() == []


async def test_what_only_the_ledger_knows_is_told_after_the_yes_and_the_form_stays(
    control: ControlBed, admin: Browser
) -> None:
    page = await admin.get("admin/closures")
    await admin.change(page, "admin/closures", **CLOSURE)
    control.clock.advance(60)
    asked = (await admin.send(page, "admin/closures", **CLOSURE)).page
    answer = await admin.post("admin/closures", {**asked.forms[0].fields, "choice": "yes"})
    assert answer.status == 409
    assert said(answer.page) == "Closure 1 of site esac overlaps; withdraw it first, or choose other times."
    assert answer.page.form("admin/closures").fields["reason"] == "new disks"


ANNOUNCEMENT = {"message": "Disks on Thursday", "severity": "warning", "groups": "staff, astro"}


async def test_an_announcement_reaches_its_groups_until_it_is_withdrawn(control: ControlBed, admin: Browser) -> None:
    page = await admin.get("admin/announcements")
    asked = (await admin.send(page, "admin/announcements", **ANNOUNCEMENT)).page
    assert "Message Disks on Thursday Kind Warning To staff, astro Until 2 March 2026, 13:00 CET" in asked.text
    done = await admin.change(page, "admin/announcements", **ANNOUNCEMENT)
    assert said(done) == "It is announced."
    assert "Warning: Disks on Thursday to staff, astro · until 2 March 2026, 13:00 CET · root" in done.text
    for token in (control.ana, control.bob):
        assert "Disks on Thursday" in (await Browser(control, token).get()).text
    stranger = control.hub.add("eva")
    assert "Disks on Thursday" not in (await Browser(control, stranger).get()).text
    done = await admin.change(done, "admin/announcements/1/withdraw")
    assert said(done) == "The announcement is withdrawn."
    assert "Disks on Thursday" not in (await Browser(control, control.ana).get()).text
    # ids of notices that are no announcements are no handle to withdraw them
    again = await admin.post("admin/announcements/1/withdraw", {"_xsrf": admin.cookies["_xsrf"]})
    assert (again.status, again.page.heading) == (404, "Not withdrawn")


@pytest.mark.parametrize(
    ("wrong", "faults"),
    [
        ({"message": " "}, {"message": NEEDED}),
        ({"message": "x" * 1001}, {"message": "Write at most 1000 characters."}),
        ({"severity": "loud"}, {"severity": "Choose one of those offered."}),
        ({"groups": "x" * 256}, {"groups": "Write at most 255 characters."}),
        ({"groups": ",".join(f"g{number}" for number in range(101))}, {"groups": "Name at most 100."}),
        ({"expires": "2020-01-01T00:00"}, {"expires": "Lies in the past; say a time to come."}),
    ],
)
async def test_an_announcement_that_does_not_fit_is_not_lost(
    control: ControlBed, admin: Browser, wrong: dict[str, str], faults: dict[str, str]
) -> None:
    sent = ANNOUNCEMENT | wrong
    answer = await admin.send(await admin.get("admin/announcements"), "admin/announcements", **sent)
    assert (answer.status, fields_at_fault(answer.page)) == (422, faults)
    assert answer.page.form("admin/announcements").fields["message"].strip() == sent["message"].strip()
    assert await control.state.desk.announcements() == []


async def test_a_session_gets_more_time(control: ControlBed, admin: Browser) -> None:
    lease = (await control.start("ana", "astro", name="lab"))["id"]
    path = f"admin/leases/{lease}"
    page = await admin.open(path)
    assert page.form().fields["minutes"] == "60"
    asked = (await admin.send(page, minutes="240", reason="nearly done")).page
    assert asked.heading == "Give the session of ana 4 h more?"
    assert "Session lab Ends now 1 March 2026, 15:00 CET Reason nearly done Decided by root" in asked.text
    done = await admin.change(page, minutes="240", reason="nearly done")
    assert said(done) == "The session of ana has 4 h more. It ends on 1 March 2026, 19:00 CET."
    assert done.heading == "lab of ana"
    row = await control.state.admission.lease(lease)
    assert row is not None
    assert row.ends_at == control.clock.now + timedelta(hours=6)
    for wrong, faults in (
        ({"reason": ""}, {"reason": NEEDED}),
        ({"minutes": "0"}, {"minutes": "Write 1 or more."}),
        ({"minutes": "99999"}, {"minutes": "Write 10080 or less."}),
        ({"minutes": "x"}, {"minutes": "Write a whole number, such as 30."}),
    ):
        answer = await admin.send(page, **({"minutes": "60", "reason": "nearly done"} | wrong))
        assert (answer.status, fields_at_fault(answer.page)) == (422, faults)
    await control.call("PATCH", f"leases/{lease}", SECRET, body={"state": "ended"})
    asked = (await admin.send(page, minutes="60", reason="nearly done")).page
    answer = await admin.post(path, {**asked.forms[0].fields, "choice": "yes"})
    assert (answer.status, said(answer.page)) == (409, f"Lease {lease} is ended.")


async def test_an_admin_stops_what_somebody_runs_and_says_why(control: ControlBed, admin: Browser) -> None:
    lease = (await control.start("ana", "astro", name="lab"))["id"]
    path, stop = f"admin/leases/{lease}", f"admin/leases/{lease}/stop"
    page = await admin.open(path)
    answer = await admin.send(page, stop, why="")
    assert (answer.status, fields_at_fault(answer.page)) == (422, {"why": NEEDED})
    asked = (await admin.send(page, stop, why="it holds all GPUs")).page
    assert asked.heading == "Stop the session of ana?"
    assert "Session lab Reason it holds all GPUs Decided by root" in asked.text
    done = await admin.change(page, stop, why="it holds all GPUs")
    assert said(done) == "The session of ana is being stopped; that takes up to half a minute."
    assert "Stop it It is being stopped: root has stopped it: it holds all GPUs." in done.text
    row = await control.state.admission.lease(lease)
    assert row is not None
    assert row.reason == "root has stopped it: it holds all GPUs"
    again = await admin.post(stop, {**asked.forms[0].fields, "choice": "yes"})
    assert again.status == 303


async def test_more_time_is_offered_only_where_it_can_be_given(control: ControlBed, admin: Browser) -> None:
    asked = {"owner": "ana", "groups": ["astro"], "kind": "session", "name": "new", "attempt_id": "1" * 32}
    offered = (await control.call("POST", "leases", SECRET, body=asked)).body["id"]
    stopped, endless, over = [(await control.start(owner))["id"] for owner in ("ana", "bob", "eva")]
    async with control.state.database.write() as connection:
        await life_store.set_reason(connection, stopped, None, "its site closes")
        await connection.execute(update(schema.leases).where(schema.leases.c.id == endless).values(ends_at=None))
    await control.call("PATCH", f"leases/{over}", SECRET, body={"state": "ended"})
    for lease, sentence in (
        (offered, "Its session has not begun. Once it runs, it can be given more time."),
        (stopped, "It is being stopped, so no time can be added: its site closes."),
        (endless, "Its time has no end, so there is nothing to put off."),
    ):
        page = await admin.get(f"admin/leases/{lease}")
        assert f"Give it more time {sentence}" in page.text
        assert [form.action for form in page.forms] == (
            [f"/services/perijove/admin/leases/{lease}/stop"] if lease == endless else []
        )
    page = await admin.get(f"admin/leases/{over}")
    assert "Give it more time" not in page.text


async def test_a_user_is_forgotten_only_after_the_name_was_typed_again(control: ControlBed, admin: Browser) -> None:
    lease = (await control.start("ana", "astro"))["id"]
    page = await admin.get("admin/people")
    asked = (await admin.send(page, "admin/people", name="ana")).page
    assert asked.heading == "Forget ana?"
    fields = {**asked.forms[0].fields, "choice": "yes"}
    for again in ("", "Ana", "ana.", "bob"):
        answer = await admin.post("admin/people", {**fields, "again": again})
        assert (answer.status, fields_at_fault(answer.page)) == (
            422,
            {"again": "That is not the name. Nothing was changed."},
        )
    answer = await admin.post("admin/people", {**fields, "again": "ana"})
    assert (answer.status, said(answer.page)) == (
        409,
        "1 lease is open: stop what runs of this user, then remove the name.",
    )
    await control.call("PATCH", f"leases/{lease}", SECRET, body={"state": "ended"})
    done = await admin.follow(await admin.post("admin/people", {**fields, "again": "ana"}))
    assert said(done).startswith("ana is forgotten: the name is gone from 1 leases")
    row = await control.state.admission.lease(lease)
    assert row is not None
    assert row.owner != "ana"
    for name, fault in (("", NEEDED), ("x" * 256, "Write at most 255 characters.")):
        answer = await admin.send(page, "admin/people", name=name)
        assert (answer.status, fields_at_fault(answer.page)) == (422, {"name": fault})


async def test_a_page_that_only_takes_forms_leads_back_to_its_list(admin: Browser) -> None:
    for path, back in (
        ("admin/overrides/1/revoke", "admin/limits"),
        ("admin/closures/1/withdraw", "admin/closures"),
        ("admin/announcements/1/withdraw", "admin/announcements"),
        (f"sessions/{'0' * 32}/keep", ""),
    ):
        answer = await admin.call("GET", path)
        assert (answer.status, answer.headers["Location"]) == (303, f"/services/perijove/{back}")


async def test_a_cluster_is_given_up_only_when_its_gateway_is_away(control: ControlBed, admin: Browser) -> None:
    lease = (await control.start("ana", "astro"))["id"]
    async with control.state.database.write() as connection:
        await connection.execute(update(schema.leases).where(schema.leases.c.id == lease).values(kind="cluster"))
        row = SiteRow("esac", control.clock(), control.clock(), reachable=True, attempts=())
        await gateway_store.save_gateway(connection, row)
    path, give_up = f"admin/leases/{lease}", f"admin/leases/{lease}/give-up"
    page = await admin.get(path)
    assert "Its gateway was last heard" in page.text
    assert "Give it up" not in page.text
    control.clock.advance(900)
    page = await admin.open(path)
    asked = (await admin.send(page, give_up, gone="the rack burnt down")).page
    assert asked.heading == "Give up the cluster of ana?"
    done = await admin.change(page, give_up, gone="the rack burnt down")
    assert said(done) == "The cluster of ana is given up, and not charged any more."
    assert "root has given it up, as its gateway is gone: the rack burnt down" in done.text
