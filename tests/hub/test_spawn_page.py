"""The hub's spawn page: what can be chosen, what it costs, who pays, and where it would run, as choices change."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.bed import Bed

TAG = "<img src=x onerror=alert(1)>"
PLATFORM = """\
currency: EUR
time_zone: Europe/Madrid
admission: {offer_seconds: 6, inventory_seconds: 0.4, sweep_seconds: 0.3, clock_margin_seconds: 0.1}
sites:
  near:
    kind: local
    title: Near
    region: here
    capacity: {cpu: 40, memory_gib: 80}
    price: {cpu_hour: 0.5}
    mounts_homes_of: [far]
    start_timeout_seconds: 4
  far:
    kind: local
    title: Far
    region: there
    capacity: {cpu: 400, memory_gib: 800}
    price: {cpu_hour: 2}
    mounts_homes_of: [near]
    start_timeout_seconds: 4
profiles:
  small:
    title: Small
    description: "<img src=x onerror=alert(1)>"
    cpu: 1
    memory_gib: 1
    max_hours: 12
    idle_minutes: 90
  large: {title: Large, cpu: 4, memory_gib: 8}
  for-staff: {title: For staff, cpu: 1, memory_gib: 1, groups: [staff]}
  exits: {title: Exits, cpu: 1, memory_gib: 1, env: {PJ_FAULT: exit}}
quotas:
  - {name: two-sessions, resource: sessions, limit: 2}
allocations:
  - {group: euclid, resource: credits, amount: 10, start: 2020-01-01, end: 2199-12-31}
  - {group: gaia, resource: credits, amount: 100, start: 2020-01-01, end: 2199-12-31}
datasets:
""" + "".join(
    f'  sky-{number}: {{title: "Sky {number}", licence: CC0, size_bytes: 1181116006, replicas: [{{site: far, '
    f'url: "s3://sky/", endpoint: "http://127.0.0.1:9", credentials: {{kind: anonymous}}}}]}}\n'
    for number in range(9)
)


@pytest.fixture(scope="module")
def bed_settings() -> dict[str, Any]:
    return {"platform": PLATFORM}


class Visitor:
    """Somebody with a browser in front of the hub."""

    def __init__(self, bed: Bed, name: str) -> None:
        self.http = httpx.Client(base_url=bed.url, timeout=30, follow_redirects=True)
        self.name = name
        self.http.get("/hub/login")
        form = {"username": name, "password": "x", "_xsrf": self.xsrf}
        self.http.post("/hub/login", data=form).raise_for_status()

    @property
    def xsrf(self) -> str:
        return next(cookie.value or "" for cookie in self.http.cookies.jar if cookie.name == "_xsrf")

    def spawn_page(self, whose: str = "") -> str:
        return self.http.get(f"/hub/spawn/{whose or self.name}").raise_for_status().text

    def place(self, token: str | None = None, **wish: Any) -> httpx.Response:
        headers = {"X-XSRFToken": self.xsrf if token is None else token}
        return self.http.post("/hub/perijove/placement", json=wish, headers=headers)


def words(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


@pytest.fixture(scope="module")
def ana(bed: Bed) -> Iterator[Visitor]:
    bed.add_user("ana", ("euclid", "gaia"))
    visitor = Visitor(bed, "ana")
    yield visitor
    visitor.http.close()


@pytest.fixture(scope="module")
def bob(bed: Bed) -> Iterator[Visitor]:
    bed.add_user("bob", ("euclid",))
    visitor = Visitor(bed, "bob")
    yield visitor
    visitor.http.close()


def test_profiles_say_what_they_cost_when_they_end_and_for_whom_they_are(ana: Visitor) -> None:
    page = ana.spawn_page()
    told = words(page)
    assert "Small 1 core, 1 GiB" in told
    assert "0.50 to 2.00 EUR per hour ends after 12 h, or after 1 h 30 min in which nothing runs" in told
    assert "Large 4 cores, 8 GiB 2.00 to 8.00 EUR per hour" in told
    assert "For staff 1 core, 1 GiB 0.50 to 2.00 EUR per hour Not for you: for staff only" in told
    assert re.search(r'name="profile" value="small" checked', page)
    assert re.search(r'name="profile" value="for-staff" disabled', page)
    assert TAG not in page
    assert TAG in told


def test_the_page_says_where_it_would_run_what_it_costs_there_and_how_long_it_lasts(ana: Visitor) -> None:
    told = words(ana.spawn_page())
    assert "Place Automatic · Near: " in told
    # ten euros of euclid at half a euro an hour
    assert "0.50 EUR per hour · lasts about 20 h at this size · paid by euclid" in told
    assert "Far, 2.00 EUR per hour: " in told
    assert "Sessions at once 0 of 2 sessions" in told
    assert "Cost of the allocation 0 of 100 EUR group gaia, everybody together" in told


def test_who_pays_is_asked_of_who_can_choose(ana: Visitor, bob: Visitor) -> None:
    page = ana.spawn_page()
    assert '<select class="form-select" name="charge_to" id="pj-charge">' in page
    assert '<option value="euclid" selected>euclid</option>' in page
    page = bob.spawn_page()
    assert 'name="charge_to"' not in page
    assert "paid by euclid" in words(page)


def test_many_datasets_can_be_searched(ana: Visitor) -> None:
    page = ana.spawn_page()
    assert page.count('name="datasets"') == 9
    assert "Search the 9 datasets" in page
    # where they are is told by the name of the site, and the box of the search is no choice of the form
    assert "Sky 3 sky-3 · Far" in words(page)
    assert re.search(r'<input class="form-control" type="search" id="pj-search" autocomplete="off">', page)


def test_the_place_is_asked_as_choices_change(ana: Visitor) -> None:
    said = ana.place(profile="large", datasets=["sky-1"], charge_to="gaia").raise_for_status().json()
    assert (said["allowed"], said["candidates"][0]["site"], said["cost_hour"]) == (True, "far", 8.0)
    assert (said["charge_to"], said["lasts_hours"], said["may_charge"]) == ("gaia", 12.5, ["euclid", "gaia"])
    said = ana.place(profile="small", site="near", charge_to="euclid").raise_for_status().json()
    assert [each["site"] for each in said["candidates"]] == ["near"]
    # nobody picked: that is a reason, and no error
    said = ana.place(profile="small").raise_for_status().json()
    assert (said["allowed"], said["reason"]) == (
        False,
        "charge_to: several of your groups could pay; choose from euclid, gaia.",
    )


@pytest.mark.parametrize(
    "wish", [{"profile": 3}, {"owner": "bob"}, {"groups": ["staff"]}, {"image": ["x"]}, {"site": "!"}]
)
def test_what_is_no_choice_of_a_session_is_refused(ana: Visitor, wish: dict[str, Any]) -> None:
    answer = ana.place(**wish)
    assert (answer.status_code, answer.json()) == (400, {"detail": "These options are not those of a session."})


def test_a_choice_that_is_not_there_is_told(ana: Visitor) -> None:
    answer = ana.place(profile="moon")
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("There is no profile 'moon'")


def test_the_place_is_told_to_nobody_without_login_and_token(bed: Bed, ana: Visitor) -> None:
    assert ana.place(token="").status_code == 403
    assert ana.place(token="guess").status_code == 403
    answer = httpx.post(f"{bed.url}/hub/perijove/placement", json={}, follow_redirects=False)
    assert answer.status_code in (302, 403)


def test_the_script_and_the_style_are_files_and_nothing_beside_them_is(bed: Bed, ana: Visitor) -> None:
    page = ana.spawn_page()
    ours = page[page.index('<div class="pj"') : page.index("</form>")]
    assert re.findall(r"<script[^>]*>", ours) == ['<script type="module" src="/hub/perijove/static/spawn.js">']
    assert "<style" not in page
    assert " style=" not in ours
    for name, kind in (("spawn.js", "javascript"), ("spawn.css", "text/css")):
        answer = httpx.get(f"{bed.url}/hub/perijove/static/{name}")
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")
        assert kind in answer.headers["Content-Type"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for name in ("plots.js", "perijove.css", "..%2fpages.py", "spawn.js%00", ""):
        assert httpx.get(f"{bed.url}/hub/perijove/static/{name}").status_code == 404


def test_the_form_starts_what_was_chosen_without_any_script(bed: Bed, ana: Visitor) -> None:
    fields = {"profile": "large", "datasets": "sky-1", "site": "near", "charge_to": "gaia", "_xsrf": ana.xsrf}
    form = {name: (None, value) for name, value in fields.items()}
    ana.http.post(f"/hub/spawn/ana?_xsrf={ana.xsrf}", files=form)
    bed.wait("a server", lambda: bed.servers("ana").get("", {}).get("ready"))
    with bed.control_as("ana") as control:
        lease = control.get("leases").json()["items"][0]
    assert (lease["profile"], lease["site"], lease["charge_to"], lease["state"]) == ("large", "near", "gaia", "active")
    bed.api.delete("users/ana/server")
    bed.wait("no server", lambda: not bed.servers("ana"))
    # the choices of the last start are ticked
    page = ana.spawn_page()
    assert re.search(r'name="profile" value="large" checked', page)
    assert re.search(r'name="datasets" value="sky-1" checked', page)
    assert '<option value="near" selected>' in page
    assert '<option value="gaia" selected>gaia</option>' in page
    assert "Chosen · Near" in words(page)
    assert "Your last start failed" not in page


def test_who_failed_to_start_is_led_to_the_reason_until_a_start_works(bed: Bed, bob: Visitor) -> None:
    assert bed.ask("bob", profile="exits").status_code >= 500
    page = bob.spawn_page()
    assert "Your last start failed on " in words(page)
    link = re.search(r'<a class="alert-link" href="([^"]+)">Why did it fail\?</a>', page)
    assert link
    told = words(bob.http.get(link[1]).raise_for_status().text)
    assert "Why did my last start fail?" in told
    assert "the server ended while starting" in told
    assert bed.ask("bob", profile="small").status_code in (201, 202)
    bed.wait("a server", lambda: bed.servers("bob").get("", {}).get("ready"))
    bed.api.delete("users/bob/server")
    bed.wait("no server", lambda: not bed.servers("bob"))
    assert "Your last start failed" not in bob.spawn_page()


# the last, since it takes control away
def test_a_page_without_control_says_so_and_comes_back(bed: Bed, ana: Visitor) -> None:
    bed.kill("control")
    try:
        assert "The choices cannot be shown now: The platform's control service does not answer now." in words(
            ana.spawn_page()
        )
        answer = ana.place(profile="small")
        assert (answer.status_code, answer.json()) == (
            503,
            {"detail": "The platform's control service does not answer now."},
        )
    finally:
        bed.launch("control")
    bed.wait("control", lambda: "Small" in ana.spawn_page())
