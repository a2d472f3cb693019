"""The login of browsers at control: how it ends, what becomes of one that failed, and which processes know it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port

from perijove_hub.web import base
from perijove_hub.web.auth import CallerCheck
from perijove_hub.web.control import make_app
from tests.support.control_bed import PREFIX, SECRET, ControlBed, running_control
from tests.support.pages import Browser

TOO_OLD = "its answer belongs to no login that began here in the last ten minutes"


@pytest.fixture
async def control(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[ControlBed]:
    async with running_control(tmp_path, caplog) as control:
        yield control


@pytest.fixture
async def other(control: ControlBed) -> AsyncIterator[ControlBed]:
    """A second control beside the first, as another process with the same secret would be."""
    callers = CallerCheck(SECRET, "perijove", PREFIX)
    app = make_app(replace(control.state, callers=callers), PREFIX)
    server = HTTPServer(app)
    socket, port = bind_unused_port()
    server.add_socket(socket)
    yield replace(control, url=f"http://127.0.0.1:{port}", app=app)
    server.stop()
    await server.close_all_connections()


def stranger(control: ControlBed) -> Browser:
    """A browser without a login."""
    browser = Browser(control, "")
    browser.cookies.clear()
    return browser


async def begin(browser: Browser, path: str = "usage") -> str:
    """Open a page without a login; the address to which the hub would send the browser back."""
    answer = await browser.call("GET", path)
    assert answer.status == 302
    (state,) = parse_qs(urlsplit(answer.headers["Location"]).query)["state"]
    return f"oauth_callback?code=a-code&state={state}"


async def test_a_login_ends_at_the_page_that_was_wanted(control: ControlBed) -> None:
    browser = stranger(control)
    control.hub.codes["a-code"] = control.ana
    answer = await browser.call("GET", await begin(browser))
    assert (answer.status, answer.headers["Location"]) == (302, f"{PREFIX}usage")
    assert "ana" in (await browser.get("usage")).text


@pytest.mark.parametrize("lost", ["the cookie", "the memory of control", "both"])
async def test_a_login_whose_state_is_lost_begins_anew_once(control: ControlBed, lost: str) -> None:
    browser = stranger(control)
    for status in (302, 403, 302):
        back = await begin(browser)
        if lost != "the cookie":
            control.state.callers.hub_auth.clear_oauth_state(back.rpartition("=")[2])
        if lost != "the memory of control":
            browser.cookies.pop("service-perijove-oauth-state")
        answer = await browser.call("GET", back)
        assert answer.status == status
        if status == 302:
            assert answer.headers["Location"] == PREFIX
        else:
            assert (answer.page.heading, TOO_OLD in answer.page.text) == ("Login not completed", True)
            assert answer.page.links["My sessions"] == PREFIX


async def test_an_old_login_of_somebody_who_is_logged_in_does_no_harm(control: ControlBed) -> None:
    ana = Browser(control, control.ana)
    answer = await ana.call("GET", "oauth_callback?code=a-code&state=old")
    assert (answer.status, answer.headers["Location"]) == (302, PREFIX)


async def test_what_the_hub_refuses_is_a_page_without_the_words_of_the_address(control: ControlBed) -> None:
    answer = await stranger(control).call("GET", "oauth_callback?error=access_denied&error_description=Call+us")
    assert (answer.status, answer.page.heading) == (400, "Login not completed")
    assert "Call us" not in answer.html


async def test_a_hub_that_does_not_confirm_a_login_is_told_on_a_page(control: ControlBed) -> None:
    browser = stranger(control)
    answer = await browser.call("GET", await begin(browser))
    assert (answer.status, answer.page.heading) == (503, "Login not completed")
    assert answer.headers["Retry-After"] == "2"


async def test_a_slow_hub_does_not_hold_up_the_process_at_the_end_of_a_login(
    control: ControlBed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "HUB_SECONDS", 0.2)
    control.hub.fault = "slow"
    # the hub of this test runs in the same loop: a call that waited for it would never end
    began = time.monotonic()
    answer = await Browser(control, control.ana).call("GET", "oauth_callback?code=a-code&state=old")
    assert (answer.status, answer.headers["Location"]) == (302, PREFIX)
    assert time.monotonic() - began < 5


async def test_every_control_with_the_secret_takes_the_login_and_the_forms_of_another(
    control: ControlBed, other: ControlBed
) -> None:
    admin = Browser(control, control.admin)
    page = await admin.get("admin/announcements")
    written = {"message": "Hello all", "expires": "2026-03-09T12:00", "choice": "yes"}
    fields = {**page.form("admin/announcements").fields, **written}
    at_other = Browser(other, control.admin)
    at_other.cookies = admin.cookies
    answer = await at_other.post("admin/announcements", fields)
    assert answer.status == 303
    assert [each.message for each in await control.state.desk.announcements()] == ["Hello all"]


async def test_a_login_that_ends_at_another_control_begins_anew(control: ControlBed, other: ControlBed) -> None:
    browser, at_other = stranger(control), stranger(other)
    back = await begin(browser)
    at_other.cookies = browser.cookies
    answer = await at_other.call("GET", back)
    assert (answer.status, answer.headers["Location"]) == (302, PREFIX)
    control.hub.codes["a-code"] = control.ana
    answer = await at_other.call("GET", await begin(at_other))
    assert (answer.status, answer.headers["Location"]) == (302, f"{PREFIX}usage")


def test_the_key_of_cookies_tells_nothing_of_the_secret_and_changes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_CLIENT_ID", "service-perijove")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "none")
    first, second = (CallerCheck(secret, "perijove", PREFIX).cookie_secret for secret in ("one", "two"))
    assert first != second
    assert (len(first), first.find(b"one")) == (32, -1)
