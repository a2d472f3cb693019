"""What people send is a wish, or a refusal in one short sentence; nothing else ever comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.models import SessionWish
from perijove_hub.spawning.options import KNOWN, options_from_form, wish_of
from perijove_hub.spawning.refusals import StartRefused

#: Anything that JSON can hold, with the names of options thrown in.
names = st.sampled_from(KNOWN) | st.text(max_size=5)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(json_values | st.dictionaries(names, json_values, max_size=6))
def test_whatever_is_sent_becomes_a_wish_or_a_short_refusal(options: Any) -> None:
    wish = wished(options)
    if isinstance(wish, StartRefused):
        assert wish.status_code == 400
        assert wish.message.startswith("These are no options of a session: ")
        assert wish.message.endswith(".")
        assert len(wish.message) < 600
        assert wish.message.isprintable()
    else:
        assert wish_of(wish.model_dump()) == wish
        assert set(options or {}) <= set(KNOWN)


def wished(options: Any) -> SessionWish | StartRefused:
    try:
        return wish_of(options)
    except StartRefused as refused:
        return refused


@given(st.dictionaries(names | st.just("_xsrf"), st.lists(st.text(max_size=10), min_size=1, max_size=3), max_size=6))
def test_a_form_makes_options_that_can_be_stored_and_are_checked_as_any_other(form: dict[str, list[str]]) -> None:
    options = options_from_form(form)
    assert set(options) <= set(form)
    unknown = set(form) - set(KNOWN) - {"_xsrf"}
    assert {name: options[name] for name in unknown} == dict.fromkeys(unknown)
    if unknown:
        with pytest.raises(StartRefused):
            wish_of(options)


def test_all_fields_of_the_form_arrive() -> None:
    form = {
        "_xsrf": ["secret"],
        "profile": ["small"],
        "datasets": ["sky", "sea"],
        "charge_to": ["gaia"],
        "site": ["esac"],
        "without_home": ["on"],
        "image": [" team/lab:1\n"],
    }
    assert wish_of(options_from_form(form)) == SessionWish(
        profile="small", datasets=["sky", "sea"], charge_to="gaia", site="esac", without_home=True, image="team/lab:1"
    )


def test_what_is_named_as_an_image_by_the_api_is_taken_as_it_stands() -> None:
    with pytest.raises(StartRefused, match="image: String should match pattern"):
        wish_of({"image": "team/lab:1\n"})
    # what is no image is told by control, with what would be one
    assert wish_of({"image": " my lab"}).image == " my lab"


def test_a_field_of_blanks_names_no_image() -> None:
    assert options_from_form({"image": ["  "]}) == {}


@pytest.mark.parametrize(
    ("said", "meant"), [("on", True), ("true", True), ("1", True), ("off", False), ("0", False), ("", False)]
)
def test_a_tick_may_be_said_in_several_ways(said: str, meant: bool) -> None:
    assert wish_of(options_from_form({"without_home": [said]})).without_home is meant


def test_what_a_file_holds_is_not_kept() -> None:
    options = options_from_form({"profile_file": [{"filename": "x", "body": b"\xff"}]})
    assert options == {"profile_file": None}


def test_no_options_are_an_empty_wish() -> None:
    assert wish_of(None) == wish_of({}) == SessionWish()


def test_a_million_unknown_names_are_named_by_three() -> None:
    with pytest.raises(StartRefused) as caught:
        wish_of({f"key-{index}": index for index in range(1_000_000)})
    assert "there is no 'key-0', 'key-1', 'key-10' and more" in caught.value.message
