"""The admins' pages that look: who may see them, and what they say of sites, leases, use, limits and the policy."""

from __future__ import annotations

import json
import uuid
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from perijove_hub.web import pages_admin
from tests.support.control_bed import PREFIX, SECRET, ControlBed, running_control
from tests.support.hub_api import ACCESS
from tests.support.pages import Browser
from tests.support.platforms import profile, site

ADMIN_PAGES = ("admin/", "admin/leases", "admin/usage", "admin/limits", "admin/closures", "admin/announcements")
ADMIN_PAGES += ("admin/platform", "admin/people")
PARTS: dict[str, Any] = {
    "sites": {
        "esac": site("ESAC", cpu=20, gpu=2, price={"cpu_hour": 0.5}, mounts_homes_of=["cloud-eu"]),
        "cloud-eu": site("Cloud EU", "eu-de-1", cpu=20, price={"cpu_hour": 2}, mounts_homes_of=["esac"]),
    },
    "profiles": {"standard": profile(max_hours=12, idle_minutes=60), "wide": profile("Wide", cpu=19, memory_gib=4)},
    "quotas": [{"name": "two-sessions", "resource": "sessions", "limit": 2}],
}


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog, **PARTS) as control:
        yield control


@pytest.fixture
def admin(control: ControlBed) -> Browser:
    return Browser(control, control.admin)


async def inventory(control: ControlBed, site: str, *, reachable: bool = True) -> None:
    body = {"observed_at": control.clock.now.isoformat(), "reachable": reachable}
    assert (await control.call("PUT", f"sites/{site}/inventory", SECRET, body=body)).status == 200


@pytest.mark.parametrize("path", [*ADMIN_PAGES, f"admin/leases/{'0' * 32}", "admin/leases?before=x"])
async def test_who_is_no_admin_is_told_so_in_plain_words(control: ControlBed, path: str) -> None:
    # the token of an admin's own server has no such scope, so a notebook of an admin is no admin
    notebook = control.hub.add("root", scopes=(ACCESS, "access:servers!server=root/", "users:activity!user=root"))
    for token in (control.ana, notebook):
        page = await Browser(control, token).get(path, 403)
        assert page.heading == "For admins only"
        assert "If you have become one just now, log out of the hub and in again." in page.text
        assert not [form for form in page.forms if form.method == "post"]


async def test_every_page_for_admins_is_reached_from_every_other(control: ControlBed, admin: Browser) -> None:
    reached = {link.removeprefix(PREFIX) for link in (await admin.get("admin/")).links.values()}
    assert set(ADMIN_PAGES) <= reached
    for path in ADMIN_PAGES:
        page = await admin.get(path)
        assert {link.removeprefix(PREFIX) for link in page.links.values()} >= set(ADMIN_PAGES)
        assert page.html.count('aria-current="page"') == 1


async def test_a_new_platform_is_told_to_be_empty(admin: Browser) -> None:
    page = await admin.get("admin/")
    assert "0 open leases" in page.text
    assert page.text.count("not heard of") == 2
    for sentence in ("Nobody has used 80 % of a limit.", "Nothing is announced.", "No start has failed."):
        assert sentence in page.text
    assert "Nothing is open." in (await admin.get("admin/leases")).text
    assert "Nothing was used in this time." in (await admin.get("admin/usage")).text
    assert "Everybody has the limits of the platform file." in (await admin.get("admin/limits")).text


async def test_the_overview_shows_sites_with_health_load_and_closures(control: ControlBed, admin: Browser) -> None:
    await control.start("ana", "astro")
    await control.start("bob", site="cloud-eu", profile="wide")
    await inventory(control, "esac")
    await inventory(control, "cloud-eu", reachable=False)
    closure = {"site": "esac", "starts": "2026-03-01T15:00:00Z", "reopens": "2026-03-02T15:00:00Z", "reason": "disks"}
    assert (await control.call("POST", "closures", control.admin, body=closure)).status == 201
    page = await admin.get("admin/")
    assert "2 open leases" in page.text
    assert (
        "ESAC up esac · local · eu-es-madrid cores 1 of 20 held GiB of memory 2 of 40 held GPUs 0 of 2 held "
        "closes in 3 h disks · from 1 March 2026, 15:00 UTC , opens again 2 March 2026, 15:00 UTC · root 1 open lease"
    ) in page.text
    assert "Cloud EU down cloud-eu · local · eu-de-1 · it does not answer cores 19 of 20 held" in page.text
    # nearly full
    assert page.html.count('class="bar warning"') == 1
    assert page.links["Drain it"] == f"{PREFIX}admin/closures?site=cloud-eu#close"


async def test_the_overview_shows_who_is_near_a_limit_and_whose_starts_failed(
    control: ControlBed, admin: Browser
) -> None:
    for _ in range(2):
        await control.start("ana")
    asked = {"owner": "ana", "kind": "session", "attempt_id": uuid.uuid4().hex}
    assert (await control.call("POST", "leases", SECRET, body=asked)).status == 403
    page = await admin.get("admin/")
    assert ["user ana", "Sessions at once two-sessions", "2 of 2 sessions", "", "now"] in [row[:5] for row in page.rows]
    assert page.links["Change two-sessions for user ana"] == f"{PREFIX}admin/limits?quota=two-sessions&name=ana#change"
    assert "Limit reached ana · default server" in page.text


async def test_leases_are_narrowed_by_owner_site_and_state(control: ControlBed, admin: Browser) -> None:
    ana = await control.start("ana", "astro", name="lab")
    await control.start("bob", site="cloud-eu")
    asked = {"owner": "eva", "kind": "session", "attempt_id": uuid.uuid4().hex}
    await control.call("POST", "leases", SECRET, body=asked)

    async def owners(query: str = "") -> set[str]:
        return {row[0].split()[0] for row in (await admin.get(f"admin/leases{query}")).rows[1:]}

    assert await owners() == {"ana", "bob", "eva"}
    assert await owners("?owner=ana") == {"ana"}
    assert await owners("?site=cloud-eu") == {"bob"}
    assert await owners("?state=active") == {"ana", "bob"}
    assert await owners("?state=offered") == {"eva"}
    assert await owners("?owner=ana&site=cloud-eu") == set()
    page = await admin.get("admin/leases?owner=ana")
    assert page.rows[1][:3] == ["ana pays: astro", "lab of ana", "running"]
    assert ana["explanation"]["summary"] in page.text
    assert "All sites and their reasons" in page.text
    assert "Nothing is open that fits; show all ." in (await admin.get("admin/leases?owner=nobody")).text
    # an offer that nobody took up is not open
    control.clock.advance(120)
    assert await owners() == {"ana", "bob"}
    for query, detail in (("site=moon", "site: choose one of"), ("state=ended", "state: choose one of active")):
        assert detail in (await admin.get(f"admin/leases?{query}", 400)).text
    strange = [json.dumps(["2026-03-01T12:00:00+00:00", name]).encode() for name in ("\0", "\ud800", "x", "")]
    for before in (
        "x",
        "bnVsbA==",
        "WzEsMl0=",
        "WyJub3ciLCJ4Il0=",
        *(urlsafe_b64encode(each).decode() for each in strange),
    ):
        assert "take the link of the page before" in (await admin.get(f"admin/leases?before={before}", 400)).text


async def test_many_leases_are_paged_to_the_end(
    control: ControlBed, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_admin, "LEASES_ON_PAGE", 2)
    monkeypatch.setattr(pages_admin, "LEASES_AT_A_TIME", 2)
    for number in range(5):
        control.clock.advance(1)
        await control.start(f"user{number}", site="cloud-eu" if number == 2 else "esac")
    found, path = [], "admin/leases"
    while True:
        page = await admin.get(path)
        found.append([row[0] for row in page.rows[1:]])
        if "Older ones" not in page.links:
            break
        path = "admin/leases" + page.links["Older ones"]
    assert found == [["user4", "user3"], ["user2", "user1"], ["user0"]]
    # what does not fit is passed over, however much of it there is
    assert [row[0] for row in (await admin.get("admin/leases?site=cloud-eu")).rows[1:]] == ["user2"]


async def test_a_lease_is_shown_with_everything_about_it(control: ControlBed, admin: Browser) -> None:
    lease = (await control.start("ana", "astro", name="lab"))["id"]
    page = await admin.get(f"admin/leases/{lease}")
    assert page.heading == "lab of ana"
    for fact in (
        "Site ESAC",
        "Paid by astro",
        "Cost per hour 0.50 EUR per hour",
        "Ends 2 March 2026, 00:00 UTC",
        "Idle stop 1 March 2026, 13:00 UTC",
        "Keeps left 2",
        f"Lease {lease}",
    ):
        assert fact in page.text
    missing = await admin.get(f"admin/leases/{'0' * 32}", 404)
    assert f"There is no lease {'0' * 32}." in missing.text


async def used(control: ControlBed, owner: str, hours: float, *groups: str, at: str = "esac") -> None:
    lease = (await control.start(owner, *groups, site=at))["id"]
    control.clock.advance(hours * 3600)
    assert (await control.call("PATCH", f"leases/{lease}", SECRET, body={"state": "ended"})).status == 200


async def test_use_is_shown_by_group_site_and_user(control: ControlBed, admin: Browser) -> None:
    await used(control, "ana", 2, "astro")
    await used(control, "bob", 1, "staff", at="cloud-eu")
    await used(control, "eva", 3)
    page = await admin.get("admin/usage?range=7d&unit=cpu&by=group")
    assert page.rows[0] == ["When", "charged to no group", "astro", "staff"]
    assert page.rows[7] == ["1 Mar", "3", "2", "1"]
    assert page.rows[-4:] == [
        ["charged to no group", "3 h", "3", "6", "0", "1.50 EUR"],
        ["astro", "2 h", "2", "4", "0", "1.00 EUR"],
        ["staff", "1 h", "1", "2", "0", "2.00 EUR"],
        ["Together", "6 h", "6", "12", "0", "4.50 EUR"],
    ]
    page = await admin.get("admin/usage?range=7d&unit=cost&by=site")
    assert page.rows[7] == ["1 Mar", "2.5", "2"]
    page = await admin.get("admin/usage?range=7d&unit=cpu&by=user")
    assert page.rows[0] == ["When", "eva", "ana", "bob"]
    assert page.rows[7] == ["1 Mar", "3", "2", "1"]


async def test_use_is_narrowed_to_a_group_or_a_user(control: ControlBed, admin: Browser) -> None:
    await used(control, "ana", 2, "astro")
    await used(control, "bob", 1, "staff", at="cloud-eu")
    page = await admin.get("admin/usage?range=7d&unit=cpu&by=user&group=astro")
    assert page.rows[-2:] == [["ana", "2 h", "2", "4", "0", "1.00 EUR"], ["Together", "2 h", "2", "4", "0", "1.00 EUR"]]
    # the narrowing stays when something else is chosen
    assert page.links["Cost"] == "?range=7d&unit=cost&by=user&group=astro"
    assert page.links["Download as CSV"].endswith("by=day&by=user&group=astro&format=csv")
    page = await admin.get("admin/usage?range=7d&by=site&user=bob")
    assert page.rows[-2][0] == "Cloud EU"
    page = await admin.get("admin/usage?by=site&user=nobody")
    assert "Nothing was used in this time by those that you chose." in page.text


async def test_the_csv_of_admins_is_of_everybody(control: ControlBed, admin: Browser) -> None:
    await used(control, "ana", 2, "astro")
    await used(control, "bob", 1, "staff", at="cloud-eu")
    link = (await admin.get("admin/usage?range=7d&by=user")).links["Download as CSV"]
    answer = await admin.call("GET", link)
    assert [line.rpartition(",")[0].split(",")[:3] for line in answer.html.splitlines()[1:]] == [
        ["2026-03-01", "ana", "2.0"],
        ["2026-03-01", "bob", "1.0"],
    ]


async def test_the_csv_of_a_year_of_users_has_a_row_for_each_and_not_for_each_day(admin: Browser) -> None:
    link = (await admin.get("admin/usage?range=year&by=user")).links["Download as CSV"]
    assert link.endswith("?since=2025-03-02&until=2026-03-01&by=user&user=%2A&format=csv")
    assert (await admin.call("GET", link)).status == 200
    link = (await admin.get("admin/usage?range=year&by=site")).links["Download as CSV"]
    assert "&by=day&by=site&" in link


async def test_more_users_than_colours_are_added_up(control: ControlBed, admin: Browser) -> None:
    for number in range(9):
        await used(control, f"user{number}", 0.1 * (number + 1))
    page = await admin.get("admin/usage?range=7d&unit=cpu&by=user")
    assert page.rows[0] == ["When", *(f"user{number}" for number in range(8, 1, -1)), "All others"]
    assert page.rows[7][-1] == "0.3"
    together = next(row for row in page.rows if row[0] == "Together")
    assert together == ["Together", "0.9", "0.8", "0.7", "0.6", "0.5", "0.4", "0.3", "0.3"]
    assert 'data-value="-' not in page.html


async def test_the_page_of_the_platform_file_says_what_was_wrong(control: ControlBed, admin: Browser) -> None:
    page = await admin.get("admin/platform")
    version = control.state.platform().version
    assert f"In force version {version} Since 1 March 2026, 12:00 UTC" in page.text
    assert "refused" not in page.text
    control.state.platform._path.write_text("sites:\n  esac: {kind: moon}\nprofiles: {}\n")
    control.clock.advance(60)
    assert control.state.platform.reload() is False
    page = await admin.get("admin/platform")
    assert "It was read 1 March 2026, 12:01 UTC . The one before stays in force." in page.text
    assert "perijove.yaml:2: sites.esac.kind:" in page.text
    assert f"version {version}" in page.text
    assert "The platform file was changed and refused" in (await admin.get("admin/")).text


async def test_near_limits_are_listed_from_a_share_on(control: ControlBed, admin: Browser) -> None:
    await control.start("ana")
    assert "Nobody has used 80 % of a limit." in (await admin.get("admin/limits")).text
    page = await admin.get("admin/limits?share=0.5")
    assert page.rows[1][:3] == ["user ana", "Sessions at once two-sessions", "1 of 2 sessions"]
    assert "share: choose one of 0.5, 0.8, 0.95, 1." in (await admin.get("admin/limits?share=2", 400)).text
