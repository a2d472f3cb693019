"""Notices and "keep 30 minutes", as a Lab sees them: events over the websocket, routes over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import websocket

from perijove.models import Notice, Page, Topic
from perijove_server.notices import NOTICES_KEPT, PAGE, SCHEMA_ID, NoticeBoard, notices_for
from tests.support.control import TOKEN, FakeControl
from tests.support.jupyter import SERVER_TOKEN, JupyterServer, jupyter_server

from .test_usage_and_snippets import LEASE

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)> {{7*7}} \u202e"


def notice(number: int, **change: Any) -> dict[str, Any]:
    created = datetime.now(UTC)
    return {
        "id": number,
        "created": created.isoformat(),
        "expires": (created + timedelta(hours=1)).isoformat(),
        "severity": "warning",
        "topic": "quota",
        "message": f"Notice {number}",
        "lease": None,
        "keep_minutes": None,
    } | change


@pytest.fixture
def told(control: FakeControl) -> Iterator[list[dict[str, Any]]]:
    """What control has to say; change it in the test."""
    control.leases["noticed"] = LEASE | {
        "id": "noticed",
        "ends_at": (datetime.now(UTC) + timedelta(minutes=8)).isoformat(),
        "keeps_left": 2,
    }
    yield control.notices
    control.notices.clear()
    control.refuses_to_keep = None


@pytest.fixture(scope="module")
def listening(session_control: FakeControl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    environment = {
        "PERIJOVE_CONTROL_URL": session_control.url,
        "JUPYTERHUB_API_TOKEN": TOKEN,
        "PERIJOVE_LEASE_ID": "noticed",
        "JUPYTERHUB_SERVICE_PREFIX": "/user/x/",
    }
    options = ["--PerijoveServer.notices_seconds=0.1", "--PerijoveServer.heartbeat_seconds=3600"]
    with jupyter_server(tmp_path_factory.mktemp("listening"), environment, *options) as server:
        yield server


def events_until(server: JupyterServer, last_id: int, control: FakeControl, more: list[dict[str, Any]]) -> list[Any]:
    """The notices that come as events after ``more`` are there, until that of ``last_id``."""
    url = f"{server.url.replace('http', 'ws', 1)}api/events/subscribe"
    header = [f"Authorization: token {SERVER_TOKEN}"]
    heard: list[Any] = []
    with closing(websocket.create_connection(url, header=header, timeout=30)) as socket:
        control.notices.extend(more)
        while not heard or heard[-1]["id"] < last_id:
            event = json.loads(socket.recv())
            if event.pop("schema_id") == SCHEMA_ID:
                heard.append({name: value for name, value in event.items() if not name.startswith("__")})
    return heard


def test_each_notice_comes_once_as_an_event_and_as_text(
    listening: JupyterServer, control: FakeControl, told: list[dict[str, Any]]
) -> None:
    given = [notice(1), notice(2, message=HOSTILE), notice(3, lease="noticed", topic="idle", keep_minutes=30)]
    heard = events_until(listening, 3, control, given)
    listening.get("notices").raise_for_status()
    after = events_until(listening, 4, control, [notice(4, severity="error")])

    expected = [Notice.model_validate(item).model_dump(mode="json") for item in control.notices]
    assert heard == expected[:3]
    assert after == expected[3:]


def test_a_lab_that_is_opened_later_gets_those_in_force(
    listening: JupyterServer, control: FakeControl, told: list[dict[str, Any]]
) -> None:
    over = notice(11, expires=(datetime.now(UTC) - timedelta(seconds=1)).isoformat())
    later = notice(13, topic="of a later version")
    told.extend([notice(10), over, notice(12, topic="announcement", message="Maintenance on Monday"), later])
    all_told = listening.get("notices").json()
    usage = listening.get("usage").json()
    del told[0]  # withdrawn

    assert [item["id"] for item in all_told["items"]] == [10, 12, 13]
    assert all_told["next"] is None
    assert usage["notices"] == all_told["items"]
    assert [item["id"] for item in listening.get("notices").json()["items"]] == [12, 13]


def test_what_is_withdrawn_goes_from_an_open_lab_without_a_question(
    listening: JupyterServer, control: FakeControl, told: list[dict[str, Any]]
) -> None:
    events_until(listening, 21, control, [notice(20), notice(21)])
    both = listening.get("usage").json()["notices"]
    del told[0]
    asked = control.calls["GET notices"]
    deadline = time.monotonic() + 30
    # the first of these may have been under way
    while control.calls["GET notices"] < asked + 3 and time.monotonic() < deadline:
        time.sleep(0.02)

    assert [item["id"] for item in both] == [20, 21]
    assert [item["id"] for item in listening.get("usage").json()["notices"]] == [21]


def test_a_session_that_control_does_not_know_cannot_be_kept(
    listening: JupyterServer, control: FakeControl, told: list[dict[str, Any]]
) -> None:
    del told
    control.leases.pop("noticed")

    answer = listening.http.post("keep", json={"minutes": 30})

    assert answer.status_code == 404
    assert "no session of the platform" in answer.json()["detail"]


def test_a_session_is_kept_on(listening: JupyterServer, control: FakeControl, told: list[dict[str, Any]]) -> None:
    del told
    before = datetime.fromisoformat(control.leases["noticed"]["ends_at"])

    lease = listening.http.post("keep", json={"minutes": 30}).raise_for_status().json()

    assert datetime.fromisoformat(lease["ends_at"]) == before + timedelta(minutes=30)
    assert lease["keeps_left"] == 1
    usage = listening.get("usage").json()
    assert usage["lease"] == lease
    assert (usage["rescue"], usage["pages"]) == (False, "/services/perijove/")


def test_a_refusal_to_keep_is_told_in_controls_words(
    listening: JupyterServer, control: FakeControl, told: list[dict[str, Any]]
) -> None:
    del told
    control.refuses_to_keep = "The limit gpu-hours is used up: it cannot be put off."

    answer = listening.http.post("keep", json={"minutes": 30})

    assert answer.status_code == 403
    assert answer.json()["detail"] == control.refuses_to_keep


@pytest.mark.parametrize("fault", ["drop", 503])
def test_keeping_is_asked_once_even_if_the_answer_is_lost(
    listening: JupyterServer, control: FakeControl, told: list[dict[str, Any]], fault: int | str
) -> None:
    """Twice would take two of the times that the user has."""
    del told
    control.calls.clear()
    deadline = time.monotonic() + 30
    status = 200
    while status == 200 and time.monotonic() < deadline:
        # the pulse asks for notices in between and may get the fault
        control.faults.append(fault)
        asked = control.calls["POST leases/noticed/keep"]
        status = listening.http.post("keep", json={"minutes": 1}).status_code

    assert status == 503
    assert control.calls["POST leases/noticed/keep"] == asked + 1


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ('{"minutes": 31}', "minutes"),
        ('{"minutes": 0}', "minutes"),
        ('{"minutes": "many"}', "minutes"),
        ('{"minutes": 30, "lease": "other"}', "lease"),
        ("[]", "body"),
        ("{", "body"),
        ('{"minutes": ' + "[" * 1200, "bytes"),
        (b"\xff", "body"),
    ],
)
def test_a_bad_wish_to_keep_is_refused_and_changes_nothing(
    listening: JupyterServer, control: FakeControl, told: list[dict[str, Any]], body: str | bytes, where: str
) -> None:
    del told
    before = dict(control.leases["noticed"])

    answer = listening.http.post("keep", content=body)

    assert answer.status_code == 400
    assert where in answer.json()["detail"]
    assert control.leases["noticed"] == before


class Platform:
    """What is in force, and what was told of it; ``heard`` is what the board held at that moment."""

    def __init__(self, *notices: Notice) -> None:
        self.notices = list(notices)
        self.told: list[Notice] = []
        self.heard: list[list[Notice]] = []
        self.board = NoticeBoard(self.ask, self.tell, lambda: NOW, lambda: "own")

    async def ask(self, since: int) -> Page[Notice]:
        return Page(items=[notice for notice in self.notices if notice.id > since][:PAGE], next=None)

    def tell(self, notice: Notice) -> None:
        self.told.append(notice)
        self.heard.append(self.board.current())


async def test_who_hears_a_notice_finds_it_among_those_in_force() -> None:
    platform = Platform(made(id=1), made(id=2))

    await platform.board.refresh()

    assert platform.told == platform.notices
    assert platform.heard == [platform.notices, platform.notices]


async def test_another_notice_of_a_known_number_is_told_after_the_ledger_was_restored() -> None:
    platform = Platform(made(id=1), made(id=2), made(id=3))
    await platform.board.refresh()
    other = made(id=2, created=NOW + timedelta(minutes=1))
    platform.notices = [platform.notices[0], other]
    platform.told.clear()

    await platform.board.refresh()
    await platform.board.refresh()

    assert platform.told == [other]
    assert platform.board.current() == platform.notices


async def test_all_are_told_of_more_than_a_page_and_the_newest_are_kept() -> None:
    platform = Platform(*(made(id=number) for number in range(1, 2 * PAGE + 2)))

    await platform.board.refresh()

    assert platform.told == platform.notices
    assert platform.board.current() == platform.notices[-NOTICES_KEPT:]


def made(**change: Any) -> Notice:
    fields = {"id": 1, "created": NOW, "expires": None, "severity": "info", "topic": Topic.QUOTA, "message": "m"}
    return Notice.model_validate(fields | change)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({}, True),
        ({"expires": NOW}, False),
        ({"expires": NOW + timedelta(seconds=1)}, True),
        ({"created": NOW - timedelta(days=1)}, False),
        ({"created": NOW - timedelta(days=2), "expires": NOW + timedelta(days=1)}, True),
        ({"lease": "own", "topic": Topic.TIME}, True),
        ({"lease": "other", "topic": Topic.TIME}, False),
        ({"lease": "other", "topic": Topic.IDLE}, False),
        ({"lease": "other", "topic": Topic.ENDED}, True),
    ],
)
def test_a_session_shows_what_is_in_force_and_concerns_it(change: dict[str, Any], shown: bool) -> None:
    given = made(**change)

    assert list(notices_for([given], "own", NOW)) == ([given] if shown else [])


def test_only_the_own_session_can_be_kept_from_here() -> None:
    other, own = made(lease="other", keep_minutes=30), made(lease="own", keep_minutes=30)

    assert [item.keep_minutes for item in notices_for([other, own], "own", NOW)] == [None, 30]
