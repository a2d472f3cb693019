"""Control does not answer, and the platform file lets people go home: they do, and are put on record afterwards.

What the other answer does is in test_spawner.py: nothing is started.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.bed import PLATFORM, Bed
from tests.support.killing import new_user

REFUSED = "The platform cannot check your quota now, so nothing was started. Try again in a minute."


@pytest.fixture(scope="module")
def bed_settings() -> dict[str, Any]:
    platform = PLATFORM.replace("admission: {", "admission: {on_unreachable: home_site, ")
    return {"platform": platform, "options": {"control_seconds": 3}}


@pytest.fixture
def user(bed: Bed) -> str:
    """Somebody who has a home at the far site."""
    user = new_user(bed)
    assert bed.ask(user, site="far").status_code == 201
    assert bed.api.delete(f"users/{user}/server").status_code == 204
    return user


@pytest.fixture
def away(bed: Bed, user: str) -> Iterator[None]:
    """Control is down from when the user has a home."""
    assert user
    bed.kill("control")
    yield
    bed.launch("control")
    bed.wait("control", bed.control_is_up)
    bed.wait("open leases = live servers", bed.settled)


def test_a_session_at_the_home_site_is_put_on_record_once_when_control_is_back(bed: Bed, user: str) -> None:
    before = set(bed.session_processes())
    bed.kill("control")
    assert bed.ask(user, "mine", datasets=["sky"], profile="small").status_code == 201
    (attempt,) = set(bed.session_processes()) - before
    env = bed.session_processes()[attempt].environ()
    # at home, although the data are elsewhere
    assert (env["PERIJOVE_SITE"], env["PERIJOVE_DATASETS"]) == ("far", "sky")
    assert env["HOME"] == str(bed.directory / "sites/far/homes" / user)
    assert "PERIJOVE_LEASE_ID" not in env
    assert f"Control does not answer: {user}:mine starts at the home site" in bed.log("hub")
    assert attempt not in bed.open_leases()
    bed.launch("control")
    bed.wait("open leases = live servers", bed.settled)
    with bed.control_as(user) as control:
        lease, earlier = control.get("leases").json()["items"]
    assert earlier["state"] == "ended"
    assert {key: lease[key] for key in ("attempt_id", "state", "site", "name", "owner", "profile")} == {
        "attempt_id": attempt,
        "state": "active",
        "site": "far",
        "name": "mine",
        "owner": user,
        "profile": "small",
    }
    # from here on it is a session as any other: it survives the hub and is ended with its lease
    bed.kill("hub")
    bed.launch("hub")
    bed.wait("the hub to answer", bed.hub_is_up)
    bed.wait("open leases = live servers", bed.settled)
    assert bed.api.delete(f"users/{user}/servers/mine").status_code == 204
    with bed.control_as(user) as control:
        ended = control.get(f"leases/{lease['id']}").json()
    assert (ended["state"], ended["reason"]) == ("ended", "stopped")


@pytest.mark.usefixtures("away")
def test_nobody_gets_a_second_session_while_nobody_counts(bed: Bed, user: str) -> None:
    assert bed.ask(user).status_code == 201
    second = bed.ask(user, "second")
    assert second.status_code == 503
    assert second.json()["message"] == (
        "The platform cannot check your quota now, and until it can you may run one session only."
    )
    assert bed.all_servers(user) == set()
    bed.api.delete(f"users/{user}/server")


@pytest.mark.usefixtures("away")
def test_who_never_had_a_home_here_is_refused(bed: Bed) -> None:
    newcomer = new_user(bed)
    refused = bed.ask(newcomer)
    assert (refused.status_code, refused.json()["message"]) == (503, REFUSED)


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"site": "near"}, "you asked for"),
        ({"profile": "for-staff"}, "Profile For staff is for staff only."),
        ({"datasets": ["secret"]}, "There is no dataset 'secret' that you may read."),
    ],
)
def test_what_is_not_theirs_is_refused_as_ever(bed: Bed, user: str, options: dict[str, Any], words: str) -> None:
    refused = bed.ask(user, "mine", **options)
    assert refused.status_code == 503
    assert refused.json()["message"].startswith("The platform cannot check your quota now, and your home site cannot")
    assert words in refused.json()["message"]
    assert bed.all_servers(user) == set()
