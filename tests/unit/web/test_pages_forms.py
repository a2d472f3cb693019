"""Forms: what was written is kept, and what is wrong stands beside its field."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.models import ClosureRequest, ExtendRequest
from perijove_hub.web.pages_forms import Form, FormFaults

MADRID = ZoneInfo("Europe/Madrid")


def faults_of(form: Form, **values: Any) -> dict[str, str]:
    with pytest.raises(FormFaults) as raised:
        form.model(ExtendRequest, values)
    assert raised.value.form is form
    return form.faults


def test_a_form_that_fits_becomes_the_request() -> None:
    request = Form().model(ExtendRequest, {"minutes": "30", "reason": " because "})
    assert request == ExtendRequest(minutes=30, reason="because")


def test_what_is_empty_is_absent() -> None:
    request = Form().model(ClosureRequest, {"site": "esac", "reason": "disks", "starts": None, "reopens": ""})
    assert (request.starts, request.reopens) == (None, None)


def test_every_fault_stands_beside_its_field() -> None:
    faults = faults_of(Form({"minutes": "x"}), minutes="x", reason="")
    assert faults == {"minutes": "Write a whole number, such as 30.", "reason": "This is needed."}


def test_a_fault_that_was_found_before_counts_and_the_first_is_told() -> None:
    form = Form()
    form.fault("minutes", "Say how long.")
    form.fault("minutes", "Or not.")
    assert faults_of(form, minutes="x", reason="because") == {"minutes": "Say how long."}


@given(st.text(max_size=40))
def test_no_text_breaks_a_moment(text: str) -> None:
    form = Form({"at": text})
    moment = form.moment("at", MADRID)
    assert (moment is None) == (not text or "at" in form.faults)
    assert moment is None or moment.tzinfo is not None


def test_a_moment_is_one_of_the_platforms_zone() -> None:
    form = Form({"at": "2026-07-01T12:00", "utc": "2026-07-01T12:00:00+00:00", "none": "", "night": "2026-03-29T02:30"})
    at, in_utc = form.moment("at", MADRID), form.moment("utc", MADRID)
    assert (at and at.astimezone(UTC)) == datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
    assert in_utc == datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    assert form.moment("none", MADRID) is None
    # an hour that the night leaves out is an hour later, as clocks show it
    night = form.moment("night", MADRID)
    assert (night and night.astimezone(UTC)) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert form.faults == {}


@pytest.mark.parametrize(
    ("sentence", "faults"),
    [
        ("stops_at: lies in the past.", {"stops_at": "Lies in the past."}),
        ("subject: limit x is per user.", {"name": "Limit x is per user."}),
        ("elsewhere: is wrong.", {"": "elsewhere: is wrong."}),
        ("It is over.", {"": "It is over."}),
        ("stops_at: ", {"": "stops_at: "}),
    ],
)
def test_a_refusal_stands_beside_the_field_that_it_names(sentence: str, faults: dict[str, str]) -> None:
    form = Form({"stops_at": "", "name": ""})
    form.refusal(sentence, {"subject": "name"})
    assert form.faults == faults
