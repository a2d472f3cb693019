"""What a user meets at the hub: starts, refusals, fail-over, and the form."""

from __future__ import annotations

import itertools
import re

import httpx
import psutil
import pytest

from tests.support.bed import Bed
from tests.support.browser import Browser

_numbers = itertools.count()


@pytest.fixture
def user(bed: Bed) -> str:
    name = f"person-{next(_numbers)}"
    bed.add_user(name)
    return name


def test_session_starts_where_its_data_are_and_tells_why(bed: Bed, user: str) -> None:
    assert bed.ask(user, datasets=["sky"]).status_code == 201
    with bed.control_as(user) as control:
        (lease,) = control.get("leases").json()["items"]
    assert (lease["state"], lease["site"], lease["owner"], lease["kind"]) == ("active", "near", user, "session")
    assert lease["explanation"]["summary"] == "Near: it holds sky; the other site would move 1.1 GiB"
    assert [c["site"] for c in lease["explanation"]["candidates"]] == ["near", "far"]


def test_session_is_told_its_lease_site_and_datasets_and_no_secret_of_the_platform(bed: Bed, user: str) -> None:
    before = set(bed.session_processes())
    assert bed.ask(user, datasets=["sky"]).status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    env = bed.session_processes()[attempt].environ()
    assert env["PERIJOVE_SITE"] == "near"
    assert env["PERIJOVE_DATASETS"] == "sky"
    assert env["PERIJOVE_CONTROL_URL"] == f"{bed.url}/services/perijove"
    assert re.fullmatch("[0-9a-f]{32}", env["PERIJOVE_LEASE_ID"])
    assert not [name for name in env if name.startswith("AWS_")]
    secret = (bed.directory / "secrets/hub-to-control").read_text()
    assert secret not in "\n".join(env.values())
    assert "CONFIGPROXY_AUTH_TOKEN" not in env


def test_stop_ends_process_and_lease(bed: Bed, user: str) -> None:
    before = set(bed.session_processes())
    bed.ask(user)
    assert bed.api.delete(f"users/{user}/server").status_code == 204
    assert set(bed.session_processes()) == before
    with bed.control_as(user) as control:
        (lease,) = control.get("leases").json()["items"]
    assert (lease["state"], lease["reason"]) == ("ended", "stopped")


def test_kernels_of_a_server_that_died_by_itself_are_ended_with_it(bed: Bed, user: str) -> None:
    before = set(bed.session_processes())
    assert bed.ask(user, profile="parent").status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    family = [p for p in psutil.process_iter() if _attempt_of(p) == attempt]
    assert len(family) == 2
    server = bed.session_server(attempt)
    server.kill()
    bed.wait("the whole family to be gone", lambda: not [p for p in family if p.is_running()])
    bed.wait("open leases = live servers", bed.settled)


def _attempt_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("PERIJOVE_ATTEMPT_ID")
    except psutil.Error:
        return None


def test_stubborn_server_is_stopped_too(bed: Bed, user: str) -> None:
    before = set(bed.session_processes())
    assert bed.ask(user, profile="stubborn").status_code == 201
    bed.api.delete(f"users/{user}/server")
    bed.wait("the stubborn process to be gone", lambda: set(bed.session_processes()) == before)


def test_third_server_is_refused_with_limit_use_and_what_to_do(bed: Bed, user: str) -> None:
    assert bed.ask(user).status_code == 201
    assert bed.ask(user, "second").status_code == 201
    refused = bed.ask(user, "third")
    assert refused.status_code == 403
    assert refused.json()["message"] == (
        "Limit two-sessions reached: 2 of 2 sessions used. Stop a running server, then start this one."
    )
    bed.api.delete(f"users/{user}/servers/second")
    assert bed.ask(user, "third").status_code == 201


def test_profile_of_other_groups_is_refused_and_opens_with_membership(bed: Bed, user: str) -> None:
    refused = bed.ask(user, profile="for-staff")
    assert (refused.status_code, refused.json()["message"]) == (403, "Profile For staff is for staff only.")
    bed.add_user(user, ("staff",))
    assert bed.ask(user, profile="for-staff").status_code == 201


def test_server_that_ends_at_once_is_tried_elsewhere_and_told_with_its_last_words(bed: Bed, user: str) -> None:
    before = set(bed.session_processes())
    failed = bed.ask(user, profile="exits")
    assert failed.status_code == 503
    message = failed.json()["message"]
    assert message.startswith("No site could start your server. ")
    assert "Near: the server ended while starting. It last said: no room at the inn" in message
    assert "Far: the server ended while starting. It last said: no room at the inn" in message
    assert set(bed.session_processes()) == before
    bed.wait("no open lease is left behind", bed.settled)
    # one good start, so that the sites are not taken out for the tests that follow
    assert bed.ask(user, site="near").status_code == 201
    assert bed.ask(user, "two", site="far").status_code == 201


def test_whatever_else_answers_at_the_address_is_no_server(bed: Bed, user: str) -> None:
    failed = bed.ask(user, profile="stranger", site="near")
    if failed.status_code == 202:  # the hub answers after 10 s and goes on; the start fails in the end
        bed.wait("the start to fail", lambda: not bed.servers(user))
    else:
        assert failed.status_code == 503
        assert "did not answer within" in failed.json()["message"]
    bed.wait("no open lease is left behind", bed.settled)
    assert bed.ask(user, site="near").status_code == 201


def test_home_is_the_same_on_a_site_that_mounts_it(bed: Bed, user: str) -> None:
    assert bed.ask(user, site="far").status_code == 201
    bed.api.delete(f"users/{user}/server")
    before = set(bed.session_processes())
    assert bed.ask(user, site="near").status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    home = bed.session_processes()[attempt].environ()["HOME"]
    assert home == str(bed.directory / "sites/far/homes" / user)


def test_session_without_home_gets_scratch_that_goes_with_it(bed: Bed, user: str) -> None:
    before = set(bed.session_processes())
    assert bed.ask(user, without_home=True, site="near").status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    scratch = bed.directory / "sites/near/scratch" / attempt
    assert bed.session_processes()[attempt].environ()["HOME"] == str(scratch)
    bed.api.delete(f"users/{user}/server")
    assert not scratch.exists()


def test_servers_token_reaches_control_and_nothing_of_the_hub(bed: Bed, user: str) -> None:
    before = set(bed.session_processes())
    bed.ask(user)
    (attempt,) = set(bed.session_processes()) - before
    token = bed.session_processes()[attempt].environ()["JUPYTERHUB_API_TOKEN"]
    headers = {"Authorization": f"token {token}"}
    with httpx.Client(base_url=bed.url, headers=headers) as client:
        assert client.get("/services/perijove/api/v1/quotas").status_code == 200
        assert client.get("/hub/api/users").status_code == 403
        assert client.post(f"/hub/api/users/{user}/servers/more").status_code == 403
        assert client.get("/services/perijove/api/v1/quotas?user=somebody").status_code == 403


def test_spawn_page_shows_profiles_datasets_and_the_automatic_place(bed: Bed, user: str) -> None:
    with Browser(bed, user) as browser:
        page = browser.client.get("/hub/spawn").text
    for words in ("Small", "For staff", "Not for you: for staff only", "A sky", "Automatic", "0 of 2 sessions"):
        assert words in page


def test_place_on_the_spawn_page_follows_the_choices(bed: Bed, user: str) -> None:
    with Browser(bed, user) as browser:
        browser.client.get("/hub/spawn")
        headers = {"X-XSRFToken": browser.hub_xsrf}
        said = browser.client.post("/hub/perijove/placement", json={"datasets": ["sky"]}, headers=headers).json()
        refused = browser.client.post("/hub/perijove/placement", json={"owner": "x"}, headers=headers)
    assert said["allowed"] is True
    assert said["summary"] == "Near: it holds sky; the other site would move 1.1 GiB"
    assert refused.status_code == 400


def test_placement_needs_login_and_xsrf_token(bed: Bed, user: str) -> None:
    assert httpx.post(f"{bed.url}/hub/perijove/placement", json={}).status_code == 403
    with Browser(bed, user) as browser:
        browser.client.get("/hub/spawn")
        assert browser.client.post("/hub/perijove/placement", json={}).status_code == 403


def test_changes_at_control_by_a_browsers_login_need_the_xsrf_token(bed: Bed, user: str) -> None:
    route = "/services/perijove/api/v1/placements"
    with Browser(bed, user) as browser:
        browser.client.get("/services/perijove/")
        assert browser.client.get("/services/perijove/api/v1/quotas").status_code == 200
        assert browser.client.post(route, json={}).status_code == 403


def test_page_of_control_takes_the_hubs_login_and_shows_limits_and_sessions(bed: Bed, user: str) -> None:
    bed.ask(user, datasets=["sky"])
    with Browser(bed, user) as browser:
        page = browser.client.get("/services/perijove/")
    assert page.status_code == 200
    for words in ("1 of 2 sessions", "Running now", "Near: it holds sky", user):
        assert words in page.text
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


def test_start_is_refused_in_one_sentence_when_control_is_down_and_works_when_it_is_back(bed: Bed, user: str) -> None:
    bed.kill("control")
    try:
        refused = bed.ask(user)
        if refused.status_code == 202:
            bed.wait("the start to be refused", lambda: not bed.servers(user), 60)
        else:
            assert refused.status_code == 503
            assert "cannot check your quota" in refused.json()["message"]
    finally:
        bed.launch("control")
    bed.wait("a start to work again", lambda: bed.ask(user).status_code == 201)
