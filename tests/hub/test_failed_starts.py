"""Why a start failed is told by control afterwards, with the end of the server's log."""

from __future__ import annotations

import time

from tests.support.bed import Bed
from tests.support.gate import Step
from tests.support.killing import EXCHANGES, coming_to, new_user


def test_a_start_that_no_site_made_is_told_with_reason_and_log(bed: Bed) -> None:
    user = new_user(bed)
    assert bed.ask(user, "mine", profile="exits").status_code == 503
    with bed.control_as(user) as control:
        (failed,) = control.get("failures").json()["items"]
    # both are as good for this, so the user's name decides which comes last
    first, last = ("Near", "Far") if failed["site"] == "far" else ("Far", "Near")
    told = (failed["owner"], failed["name"], failed["profile"], failed["site"])
    assert told == (user, "mine", "exits", last.lower())
    assert failed["detail"] == (
        f"{first}: the server ended while starting. It last said: no room at the inn; "
        f"{last}: the server ended while starting. It last said: no room at the inn"
    )
    assert failed["log_tail"] == "no room at the inn\n"
    assert failed["explanation"]["candidates"]
    # one good start, so that the sites are not taken out for the tests that follow
    assert bed.ask(user, site="near").status_code == 201
    assert bed.ask(user, "two", site="far").status_code == 201


def test_of_a_long_log_the_end_is_told(bed: Bed) -> None:
    user = new_user(bed)
    assert bed.ask(user, "mine", profile="talks", site="near").status_code == 503
    with bed.control_as(user) as control:
        (failed,) = control.get("failures").json()["items"]
    tail = failed["log_tail"]
    assert 6000 < len(tail) <= 8000
    assert tail.endswith("the end\n")
    assert "\0" not in tail
    assert failed["detail"].endswith("It last said: the end")
    assert bed.ask(user, site="near").status_code == 201


def test_a_refusal_is_told_too_and_has_no_log(bed: Bed) -> None:
    user = new_user(bed)
    assert bed.ask(user, "mine", profile="for-staff").status_code == 403
    with bed.control_as(user) as control:
        (failed,) = control.get("failures").json()["items"]
    assert (failed["detail"], failed["log_tail"]) == ("Profile For staff is for staff only.", None)


def test_a_start_that_goes_on_elsewhere_keeps_its_lease_while_control_has_not_heard_of_it(bed: Bed) -> None:
    user, before = new_user(bed), set(bed.session_processes())
    with coming_to(bed, "starting") as options:
        # many inventories of both sites, and sweeps, come before the move
        bed.gate.trap(Step("before", *EXCHANGES["starting"]), lambda: time.sleep(2))
        assert bed.ask(user, **options).status_code == 201

    (attempt,) = set(bed.session_processes()) - before
    assert bed.open_leases()[attempt] == "active"
    bed.wait("open leases = live servers", bed.settled)
