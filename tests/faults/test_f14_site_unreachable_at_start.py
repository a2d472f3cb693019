"""F14: a site is out of reach when the platform comes up: the hub comes up, says so, and takes the site up again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.bed import Bed
from tests.support.killing import new_user


def _site(bed: Bed, user: str, name: str) -> dict[str, Any]:
    with bed.control_as(user) as control:
        return next(site for site in control.get("sites").json()["items"] if site["name"] == name)


@pytest.mark.parametrize("fault", ["unreachable", "hang", "raise"])
def test_the_hub_starts_lists_the_site_as_down_and_it_returns_by_itself(bed: Bed, fault: str) -> None:
    user = new_user(bed)
    bed.kill("hub")
    bed.break_site("far", fault)
    bed.launch("hub")
    try:
        bed.wait("the hub to answer", bed.hub_is_up)
        # one that hangs is called down after as long as a site may take to answer
        bed.wait("the site to be listed as down", lambda: _site(bed, user, "far")["health"] == "down")
        # starts go where they can, and are told so
        assert bed.ask(user).status_code == 201
        with bed.control_as(user) as control:
            (lease,) = control.get("leases").json()["items"]
        assert (lease["state"], lease["site"]) == ("active", "near")
        assert bed.api.delete(f"users/{user}/server").status_code == 204
    finally:
        bed.break_site("far", "")
    bed.wait("the site to be up", lambda: _site(bed, user, "far")["health"] == "up")
    assert bed.ask(user, site="far").status_code == 201
    bed.api.delete(f"users/{user}/server")
    bed.wait("open leases = live servers", bed.settled)


def test_a_start_passes_over_a_site_that_is_cut_off_meanwhile_and_says_so(bed: Bed) -> None:
    user = new_user(bed)
    # its inventories still come: control offers it first
    bed.break_site("near", "no-start")
    try:
        answer = bed.ask(user, "mine", datasets=["sky"])
    finally:
        bed.break_site("near", "")
    assert answer.status_code == 201
    with bed.control_as(user) as control:
        (lease,) = control.get("leases").json()["items"]
    assert (lease["state"], lease["site"]) == ("active", "far")
    assert f"Near did not start attempt {lease['attempt_id']}: 'connection refused'" in bed.log("hub")
    bed.wait("open leases = live servers", bed.settled)


def test_a_start_whose_answer_is_lost_is_not_tried_elsewhere_and_nothing_of_it_stays(bed: Bed) -> None:
    before, user = set(bed.session_processes()), new_user(bed)
    bed.break_site("near", "slow-start")
    try:
        refused = bed.ask(user, "mine", datasets=["sky"])
        assert refused.status_code in (202, 503)
        bed.wait("the start to be over", lambda: not bed.servers(user))
        if refused.status_code == 503:
            assert "It may still come up there, so it was not tried elsewhere" in refused.json()["message"]
        # it did come up, and its lease holds what it uses until it is gone
        (attempt,) = set(bed.session_processes()) - before
        assert attempt in bed.open_leases()
    finally:
        bed.break_site("near", "")
    bed.wait("open leases = live servers", bed.settled)
    assert set(bed.session_processes()) == before
    assert bed.all_servers(user) == set()
