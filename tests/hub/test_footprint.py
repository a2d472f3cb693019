"""What a start costs besides itself: calls to control, and writing to the hub's database."""

from __future__ import annotations

import pytest

from tests.support.bed import Bed
from tests.support.killing import new_user


@pytest.fixture
def user(bed: Bed) -> str:
    return new_user(bed)


def _calls(bed: Bed) -> list[str]:
    """The calls of the hub since the last time, but for inventories, which come by themselves."""
    calls = [(method, path.partition("/api/v1/")[2].split("/")[0]) for method, path in bed.gate.seen]
    bed.gate.seen.clear()
    return [f"{method} {route}" for method, route in calls if route not in ("", "sites")]


def test_a_start_makes_two_calls_to_control_and_a_stop_one(bed: Bed, user: str) -> None:
    _calls(bed)
    assert bed.ask(user, "mine", profile="small", datasets=["sky"]).status_code == 201
    assert _calls(bed) == ["POST leases", "PATCH leases"]
    assert bed.api.delete(f"users/{user}/servers/mine").status_code == 204
    assert _calls(bed) == ["PATCH leases"]


def test_a_refusal_makes_one_and_nonsense_none(bed: Bed, user: str) -> None:
    _calls(bed)
    assert bed.ask(user, "mine", profile="for-staff").status_code == 403
    assert _calls(bed) == ["POST leases"]
    assert bed.ask(user, "mine", image="evil").status_code == 400
    assert _calls(bed) == ["POST leases"]
    assert bed.ask(user, "mine", command="evil").status_code == 400
    assert _calls(bed) == []


def test_a_candidate_that_fails_costs_one_more_and_the_end_is_told_once(bed: Bed, user: str) -> None:
    _calls(bed)
    assert bed.ask(user, "mine", profile="exits").status_code == 503
    assert _calls(bed) == ["POST leases", "PATCH leases", "PATCH leases"]
    assert bed.ask(user, site="near").status_code == 201
    assert bed.ask(user, "two", site="far").status_code == 201


def test_a_server_that_runs_costs_no_call(bed: Bed, user: str) -> None:
    assert bed.ask(user).status_code == 201
    _calls(bed)
    reports = bed.log("hub").count("GET /hub/api/users")
    bed.wait("some polls", lambda: bed.api.get("users") and bed.log("hub").count("GET /hub/api/users") > reports + 40)
    assert _calls(bed) == []


def test_a_server_that_comes_up_is_asked_once_whether_it_has(bed: Bed, user: str) -> None:
    before = set(bed.session_processes())
    assert bed.ask(user, "mine", profile="counting").status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    (log,) = (bed.directory / "sites").glob(f"*/attempts/{attempt}/log")
    assert log.read_text().splitlines() == [f"/user/{user}/mine/api"]


def test_nothing_of_ours_commits_to_the_hubs_database(bed: Bed, user: str) -> None:
    assert bed.ask(user, "mine").status_code == 201
    assert bed.ask(user, "two", profile="for-staff").status_code == 403
    assert bed.api.delete(f"users/{user}/servers/mine").status_code == 204
    bed.kill("hub")
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    bed.wait("open leases = live servers", bed.settled)
    commits = bed.directory / "own-commits.log"
    assert not commits.exists(), commits.read_text()
    # the witness sees what the hub itself commits: the row of the server that was refused is gone for good
    assert bed.all_servers(user) == {"mine"}
