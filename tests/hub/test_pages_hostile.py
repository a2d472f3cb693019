"""What nobody should send to the pages, and what must not come out of them as markup."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from perijove.models import Topic
from perijove_hub.ledger.notices import NewNotice, add_notice
from perijove_hub.web.pages_routes import PAGES
from tests.support.control_bed import PREFIX, SECRET, ControlBed, running_control
from tests.support.ledgers import dump_tables
from tests.support.pages import HEADERS, Browser
from tests.support.platforms import dataset, profile, replica, site

LEASE = "0" * 32
TAG = "<img src=x onerror=alert(1)>"
QUOTED = "\"><script>alert(1)</script>'"
#: What comes from people and machines; every one of them may hold markup.
HOSTILE = (TAG, QUOTED, "{{ 7 * 7 }}", "</pre></textarea></title>", "javascript:alert(1)")

#: An address for each page, by the pattern of its route.
ADDRESSES = {
    "([0-9a-f]{32})": LEASE,
    "([0-9]{1,18})": "1",
}
POSTS = (
    f"sessions/{LEASE}/keep",
    f"sessions/{LEASE}/stop",
    f"admin/leases/{LEASE}",
    f"admin/leases/{LEASE}/stop",
    f"admin/leases/{LEASE}/give-up",
    "admin/limits",
    "admin/overrides/1/revoke",
    "admin/closures",
    "admin/closures/1/withdraw",
    "admin/announcements",
    "admin/announcements/1/withdraw",
    "admin/people",
)
FIELDS = {
    "quota": "two-sessions", "name": "ana", "limit": "5", "reason": "because", "why": "because", "gone": "because",
    "expires": "2026-03-09T12:00",
    "site": "esac", "message": "Hello all", "severity": "info", "minutes": "60", "choice": "yes", "again": "ana",
}  # fmt: skip
MODES = ("navigate", "cors", "no-cors", "same-origin", "websocket", "nonsense", None)


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog) as control:
        yield control


def address(pattern: str) -> str:
    for group, value in ADDRESSES.items():
        pattern = pattern.replace(group, value)
    return pattern


def test_the_table_of_these_tests_has_every_page_that_changes_something() -> None:
    assert {address(pattern) for pattern, page in PAGES if hasattr(page, "post") and "post" in vars(page)} == set(POSTS)


@pytest.mark.parametrize("path", POSTS)
async def test_nothing_is_changed_without_the_token_of_the_form(control: ControlBed, path: str) -> None:
    admin, ana = Browser(control, control.admin), Browser(control, control.ana)
    own = (await admin.get("admin/limits")).form("admin/limits").fields["_xsrf"]
    anas = (await ana.get("admin/", 403), ana.cookies.get("_xsrf"), await ana.get(), ana.cookies["_xsrf"])[-1]
    before = await dump_tables(control.state.database)
    for mode in MODES:
        for fields in (
            FIELDS,
            {**FIELDS, "_xsrf": ""},
            {**FIELDS, "_xsrf": own[:-2] + "xx"},
            {**FIELDS, "_xsrf": anas},
        ):
            headers = {"Sec-Fetch-Mode": mode} if mode else {}
            answer = await admin.post(path, fields, {**headers, "Sec-Fetch-Site": "same-origin"})
            assert (answer.status, answer.page.heading) == (403, "Your login has ended"), (mode, fields)
            assert "Nothing was changed." in answer.page.text
    # with it, but from a socket that there is not
    answer = await admin.post(path, {**FIELDS, "_xsrf": own}, {"Sec-Fetch-Mode": "websocket"})
    assert answer.status == 403
    assert await dump_tables(control.state.database) == before


@pytest.mark.parametrize("path", [path for path in POSTS if path.startswith("admin/")])
async def test_who_is_no_admin_changes_nothing_with_a_good_token_either(control: ControlBed, path: str) -> None:
    ana = Browser(control, control.ana)
    await ana.get()
    before = await dump_tables(control.state.database)
    answer = await ana.post(path, {**FIELDS, "_xsrf": ana.cookies["_xsrf"]})
    assert (answer.status, answer.page.heading) == (403, "For admins only")
    assert await dump_tables(control.state.database) == before


async def full_of(control: ControlBed, text: str) -> str:
    """A platform in which everything that people can name is named ``text``; the id of a lease."""
    now = control.clock.now
    offer = await control.start("ana", "astro", name=text)
    asked: dict[str, Any] = {"owner": "ana", "groups": ["astro"], "kind": "session", "name": text}
    failed = (await control.call("POST", "leases", SECRET, body={**asked, "attempt_id": uuid.uuid4().hex})).body
    for patch in (
        {"state": "starting", "site": "esac"},
        {"state": "ended", "reason": text, "log_tail": f"{text}\n{text}", "site_failed": True},
    ):
        await control.call("PATCH", f"leases/{failed['id']}", SECRET, body=patch)
    who = {**asked, "owner": text, "groups": [text], "charge_to": text, "attempt_id": uuid.uuid4().hex}
    assert (await control.call("POST", "leases", SECRET, body=who)).status == 201
    async with control.state.database.write() as connection:
        await add_notice(connection, NewNotice("x", Topic.QUOTA, "error", text, owner="ana"), now)
    tomorrow = (now + timedelta(days=1)).isoformat()
    for route, body in (
        ("overrides", {"quota": "two-sessions", "subject": f"user:{text}", "limit": 0, "reason": text}),
        ("announcements", {"message": text, "groups": [text]}),
        ("announcements", {"message": text}),
        ("closures", {"site": "esac", "reason": text}),
    ):
        ends = {} if route == "closures" else {"expires": tomorrow}
        answer = await control.call("POST", route, control.admin, body=body | ends)
        assert answer.status == 201, answer.text
    control.clock.advance(1800)
    return str(offer["id"])


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_people_write_is_text_on_every_page(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    parts: dict[str, Any] = {
        "currency": "<b>EUR</b>",
        "sites": {"esac": site(text), "cloud-eu": site("Cloud", "eu-de-1", mounts_homes_of=["esac"])},
        "profiles": {"standard": profile(text, description=text)},
        "datasets": {"x": dataset(replica(site="esac"), title=text)},
    }
    async with running_control(tmp_path, caplog, **parts) as control:
        lease = await full_of(control, text)
        browsers = {"": Browser(control, control.ana), "admin": Browser(control, control.admin)}
        seen = 0
        for pattern, _ in PAGES:
            path = address(pattern).replace(LEASE, lease)
            browser = browsers["admin" if path.startswith("admin") else ""]
            answer = await browser.call("GET", path)
            if answer.status == 303:
                continue
            # a page that does not nest, or that has a script or a style of its own, would not be read
            page = answer.page
            assert page.status == 200
            assert TAG not in page.html
            assert "<script>" not in page.html
            assert "<b>EUR" not in page.html
            seen += text in page.text
            assert not [link for link in page.links.values() if link.startswith("javascript")]
        # most pages show some of it
        assert seen >= 8


async def test_a_form_that_comes_back_and_a_page_that_asks_show_text(control: ControlBed) -> None:
    admin = Browser(control, control.admin)
    for text in HOSTILE:
        page = await admin.get("admin/announcements")
        asked = (await admin.send(page, "admin/announcements", message=text, groups=text)).page
        assert asked.forms[0].fields["message"] == text
        back = await admin.post("admin/announcements", {**asked.forms[0].fields, "choice": "no"})
        assert back.page.form("admin/announcements").fields["message"] == text
        assert back.page.form("admin/announcements").fields["groups"] == text
        asked = (await admin.send(await admin.get("admin/people"), "admin/people", name=text)).page
        assert asked.heading == f"Forget {text}?"
        page = await admin.get("admin/limits?quota=two-sessions")
        wrong = await admin.send(page, "admin/limits", name=text, limit=text, reason=text)
        assert wrong.page.form("admin/limits").fields["limit"] == text
        for path in ("admin/leases?owner=", "admin/usage?user=", "admin/usage?group=", "usage?range="):
            answer = await admin.call("GET", path + "".join(f"%{byte:02x}" for byte in text.encode()))
            assert answer.page.status in (200, 400)
            assert TAG not in answer.html


async def test_a_sentence_that_is_said_once_is_only_for_whom_it_was(control: ControlBed) -> None:
    lease = (await control.start("ana"))["id"]
    ana, bob = Browser(control, control.ana), Browser(control, control.bob)
    await ana.get()
    assert (await ana.post(f"sessions/{lease}/keep", {"_xsrf": ana.cookies["_xsrf"]})).status == 303
    told = ana.cookies["perijove-said"]
    bob.cookies["perijove-said"] = told
    assert "is kept" not in (await bob.get()).text
    ana.cookies["perijove-said"] = told[:-1] + ("0" if told[-1] != "0" else "1")
    assert "is kept" not in (await ana.get()).text
    ana.cookies["perijove-said"] = "nonsense"
    assert (await ana.get()).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "usage?range=30d&range=90d&range=moon",
        "usage?unit=",
        "usage?by=%ff",
        "admin/leases?owner=%ff",
        "admin/leases?before=%00",
        "admin/leases?before=" + "A" * 5000,
        "admin/limits?share=0.5&share=x",
        "admin/usage?user=" + "x" * 4000,
        "admin/usage?by=owner",
    ],
)
async def test_a_strange_address_is_answered_in_words(control: ControlBed, path: str) -> None:
    page = (await Browser(control, control.admin).call("GET", path)).page
    assert page.status in (200, 400)
    assert page.heading


async def test_bodies_that_are_no_forms_change_nothing(control: ControlBed) -> None:
    admin = Browser(control, control.admin)
    await admin.get("admin/limits")
    token = {"X-XSRFToken": admin.cookies["_xsrf"]}
    before = await dump_tables(control.state.database)
    for kind, body in (
        ("application/json", '{"quota": "two-sessions"}'),
        ("text/plain", "x"),
        ("multipart/form-data", "x"),
        ("multipart/form-data; boundary=x", "--x\r\nnonsense"),
        ("application/x-www-form-urlencoded", "limit=%ff%fe&quota=%00"),
        ("application/x-www-form-urlencoded", "&".join(f"f{number}=1" for number in range(5000))),
    ):
        answer = await admin.call("POST", "admin/limits", body, {**token, "Content-Type": kind})
        assert answer.status in (400, 422), kind
        assert answer.page.heading
    answer = await admin.call("POST", "admin/limits", "x" * 70_000, token)
    assert (answer.status, answer.page.heading) == (413, "Too large")
    assert await dump_tables(control.state.database) == before


async def test_reading_pages_changes_nothing(control: ControlBed) -> None:
    lease = await full_of(control, "plain")
    before = await dump_tables(control.state.database)
    for token in (control.ana, control.bob, control.admin):
        browser = Browser(control, token)
        for pattern, _ in PAGES * 2:
            answer = await browser.call("GET", address(pattern).replace(LEASE, lease))
            assert answer.status in (200, 303, 403), pattern
            assert (await browser.call("HEAD", address(pattern))).status in (403, 405)
    assert await dump_tables(control.state.database) == before


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_method_that_a_page_has_not_is_refused(control: ControlBed, method: str) -> None:
    admin = Browser(control, control.admin)
    await admin.get("admin/limits")
    for path in ("", "usage", "admin/limits", "admin/closures/1/withdraw"):
        answer = await admin.call(method, path, headers={"X-XSRFToken": admin.cookies["_xsrf"]})
        assert answer.status == 405


async def test_a_hub_that_is_away_is_told_on_a_page(control: ControlBed) -> None:
    control.hub.fault = "drop"
    answer = await Browser(control, control.ana).call("GET", "")
    assert (answer.status, answer.page.heading) == (503, "Hub unreachable")
    assert answer.headers["Retry-After"] == "2"


async def test_a_fault_of_ours_is_a_page_without_its_inner_workings(
    control: ControlBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr(control.state.desk, "failures", broken)
    answer = await Browser(control, control.ana).call("GET", "starts")
    assert (answer.status, answer.page.heading) == (500, "Our fault")
    assert "inner workings" not in answer.html


# --- files ----------------------------------------------------------------------------------------------------------


async def test_files_of_the_pages_are_there_for_anybody_and_are_kept_only_as_long_as_they_are_the_newest(
    control: ControlBed,
) -> None:
    used: set[str] = set()
    for path in ("", "usage"):
        html = (await Browser(control, control.ana).get(path)).html
        used |= set(re.findall(rf'(?:href|src)="{PREFIX}(static/[^"]+)"', html))
    assert used == {
        "static/forms.js", "static/icon.svg", "static/perijove.css", "static/plots.js",
        "static/vendor/chart.umd.min.js",
    }  # fmt: skip
    kinds = {"js": "javascript", "css": "text/css", "svg": "image/svg+xml"}
    for path in used:
        answer = await control.call("GET", PREFIX + path)
        assert answer.status == 200, f"{path} is missing; `npm run build:pages` makes what comes from npm"
        assert kinds[path.rpartition(".")[2]] in answer.headers["Content-Type"]
        assert answer.headers["Cache-Control"] == "no-cache"
        for name in ("X-Content-Type-Options", "Referrer-Policy"):
            assert answer.headers[name] == HEADERS[name]
        again = await control.call("GET", PREFIX + path, headers={"If-None-Match": answer.headers["Etag"]})
        assert again.status == 304


@pytest.mark.parametrize(
    "path",
    [
        "static/",
        "static/vendor",
        "static/../pages.py",
        "static/..%2fpages.py",
        "static/%2e%2e/pages.py",
        "static//etc/passwd",
        "static/..%5cpages.py",
        "static/perijove.css/x",
        "static/.hidden",
        "static/nothing.js",
        "static/perijove.css%00",
    ],
)
async def test_nothing_beside_the_files_is_served(control: ControlBed, path: str) -> None:
    answer = await control.call("GET", PREFIX + path)
    assert answer.status in (400, 403, 404)
    assert "PageHandler" not in answer.text
    assert "root:" not in answer.text
