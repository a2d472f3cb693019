"""A start that is refused or fails leaves no server behind, and never ends the hub."""

from __future__ import annotations

import html
import itertools
import json
import re

import httpx
import pytest

from tests.support.bed import Bed
from tests.support.browser import Browser

FOR_STAFF = "Profile For staff is for staff only."
_numbers = itertools.count()


@pytest.fixture
def user(bed: Bed) -> str:
    return _new_user(bed)


def _new_user(bed: Bed) -> str:
    name = f"refused-{next(_numbers)}"
    bed.add_user(name)
    return name


def _still_counts_nothing(bed: Bed) -> None:
    """The hub says so when failures in a row begin to count, and again when it ends for them."""
    assert "consecutive spawn" not in bed.log("hub")
    assert bed.hub_is_up()


def test_ten_refused_users_leave_no_server_and_a_hub_that_lives(bed: Bed) -> None:
    users = [_new_user(bed) for _ in range(10)]
    for user in users:
        refused = bed.ask(user, "mine", profile="for-staff")
        assert (refused.status_code, refused.json()["message"]) == (403, FOR_STAFF)
    assert {user: bed.all_servers(user) for user in users} == {user: set() for user in users}
    _still_counts_nothing(bed)


def test_ten_people_refused_at_the_form_leave_no_server_and_a_hub_that_lives(bed: Bed) -> None:
    for _ in range(10):
        user = _new_user(bed)
        with Browser(bed, user) as browser:
            page = browser.start(user, "mine", profile="for-staff")
        assert page.status_code == 403
        assert f"Error: {FOR_STAFF}" in page.text
        assert bed.all_servers(user) == set()
    _still_counts_nothing(bed)


def test_the_form_of_a_refused_named_server_keeps_what_was_chosen_once(bed: Bed, user: str) -> None:
    assert bed.ask(user, profile="small").status_code == 201
    assert bed.ask(user, "two", profile="small").status_code == 201
    with Browser(bed, user) as browser:
        page = browser.start(user, "three", profile="counting", datasets="sky", site="far")
        assert page.status_code == 403
        chosen = re.findall(r'value="([a-z-]+)"[^>]*\bchecked', page.text)
        assert {"counting", "sky"} <= set(chosen)
        again = browser.client.get(f"/hub/spawn/{user}/three").text
    assert "small" in re.findall(r'value="([a-z-]+)"[^>]*\bchecked', again)


def test_the_sentence_on_the_page_is_text_and_no_markup(bed: Bed, user: str) -> None:
    name = "<img src=x onerror=alert(1)>"
    with Browser(bed, user) as browser:
        page = browser.start(user, "mine", **{name: "x"})
    assert page.status_code == 400
    assert f"there is no {html.escape(repr(name), quote=False)}" in page.text.replace("&#39;", "'")
    assert name not in page.text
    assert bed.all_servers(user) == set()


def test_a_file_that_is_sent_with_the_form_is_refused_like_any_other_field(bed: Bed, user: str) -> None:
    for _ in range(4):
        with Browser(bed, user) as browser:
            browser.client.get(f"/hub/spawn/{user}/mine")
            page = browser.client.post(
                f"/hub/spawn/{user}/mine?_xsrf={browser.hub_xsrf}", files={"profile": ("p", b"\xff\x00binary")}
            )
        assert page.status_code == 400
        assert "there is no &#39;profile_file&#39;" in page.text
    assert bed.all_servers(user) == set()
    _still_counts_nothing(bed)


def test_a_server_that_was_up_before_stays_when_a_later_start_is_refused(bed: Bed, user: str) -> None:
    assert bed.ask(user, "mine").status_code == 201
    assert bed.api.delete(f"users/{user}/servers/mine").status_code == 204
    assert bed.ask(user, "mine", profile="for-staff").status_code == 403
    assert bed.ask(user, "mine", image="evil").status_code == 400
    assert bed.all_servers(user) == {"mine"}
    # and what was refused as nonsense is not what it begins with
    assert bed.api.post(f"users/{user}/servers/mine").status_code == 201


def test_a_server_that_was_made_ahead_of_its_start_stays_when_that_is_refused(bed: Bed, user: str) -> None:
    for name, body in (("plain", {}), ("chosen", {"user_options": {"profile": "small"}})):
        assert bed.api.put(f"users/{user}/servers/{name}", json=body).status_code == 201
        assert bed.ask(user, name, profile="for-staff").status_code == 403
    assert bed.all_servers(user) == {"plain", "chosen"}


def test_a_server_that_was_refused_can_be_started_right_away(bed: Bed, user: str) -> None:
    assert bed.ask(user, "mine", profile="for-staff").status_code == 403
    assert bed.ask(user, "mine").status_code == 201
    assert bed.all_servers(user) == {"mine"}
    bed.wait("open leases = live servers", bed.settled)


def test_a_start_that_fails_while_its_page_waits_is_explained_there_and_leaves_no_server(bed: Bed, user: str) -> None:
    with Browser(bed, user) as browser:
        waiting = browser.start(user, "mine", profile="deaf", site="near")
        assert waiting.url.path == f"/hub/spawn-pending/{user}/mine"
        lines = browser.client.get(
            f"/hub/api/users/{user}/servers/mine/progress?_xsrf={browser.hub_xsrf}"
        ).text.splitlines()
        events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        page = browser.client.get(waiting.url)
    sentence = "No site could start your server. Near: the server did not answer within 4 s."
    assert [event["message"] for event in events] == [
        "Server requested",
        "Asking for a place to run",
        events[2]["message"],  # why there: in the words of placement
        "Starting at Near",
        "Near did not start it: the server did not answer within 4 s.",
        f"Spawn failed: {sentence}",
    ]
    assert events[-1]["failed"] is True
    assert page.status_code == 503
    assert sentence in page.text
    assert bed.api.get(f"users/{user}").json()["servers"] == {}
    assert bed.api.delete(f"users/{user}/servers/mine", params={"remove": True}).status_code == 404
    # one good start, so that the site is not taken out for the tests that follow
    assert bed.ask(user, site="near").status_code == 201


def test_options_that_were_refused_are_not_those_of_the_next_start(bed: Bed, user: str) -> None:
    assert bed.ask(user, image="evil").status_code == 400
    assert bed.api.post(f"users/{user}/server").status_code == 201


@pytest.mark.parametrize(("profile", "site"), [("exits", "far"), ("broken", "near")])
def test_ten_users_whose_servers_do_not_come_up_leave_no_server_and_a_hub_that_lives(
    bed: Bed, profile: str, site: str
) -> None:
    before = set(bed.session_processes())
    statuses = []
    for _ in range(10):
        user = _new_user(bed)
        answer: httpx.Response = bed.ask(user, "mine", profile=profile, site=site)
        statuses.append(answer.status_code)
        bed.wait("the start to be over", lambda user=user: not bed.servers(user))
        assert bed.all_servers(user) == set()
    # after three users the site is out of play, and the others are told so
    assert statuses[:3] == [503] * 3
    assert set(statuses[3:]) == {403}
    assert set(bed.session_processes()) == before
    _still_counts_nothing(bed)
    bed.wait("open leases = live servers", bed.settled)
