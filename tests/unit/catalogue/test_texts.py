from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.models import Provider
from perijove_hub.catalogue import texts
from perijove_hub.catalogue.citations import bibtex

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=20,
)


@given(ANYTHING)
def test_whatever_a_catalogue_says_becomes_something_of_the_right_type(value: Any) -> None:
    assert isinstance(texts.text(value), str)
    assert "\n" not in texts.line(value)
    assert all(isinstance(each, str) for each in texts.lines(value))
    assert texts.address(value) is None or isinstance(value, str)
    assert texts.moment(value) is None or isinstance(value, str)
    assert isinstance(texts.whole(value), int | None)
    assert isinstance(texts.extent(value), dict | None)
    assert all(isinstance(each, dict) for each in texts.dicts(value))


@given(st.text(max_size=10_000))
def test_texts_are_cut_and_hold_no_control_characters(value: str) -> None:
    clean = texts.text(value)
    assert len(clean) <= texts.TEXT_MAX_CHARS
    assert not any(char < " " and char not in "\t\n" for char in clean)
    assert "\u202e" not in clean
    clean.encode()


def test_markup_stays_text() -> None:
    assert texts.line("<script>alert(1)</script>") == "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "gopher://x/", "//evil.example", "http://",
        "https://user:secret@evil.example/", "https://evil.example/ x", "https://evil.example/\n", "HTTP:evil", "x",
        'https://evil.example/"onclick="x', "https://[::1", "https://evil.example:99999/", "s3://bucket/key",
    ],
)  # fmt: skip
def test_only_plain_web_addresses_are_taken(address: str) -> None:
    assert texts.address(address) is None


def test_a_doi_is_found_in_its_forms() -> None:
    for said in ("10.5270/esa-x", "doi:10.5270/esa-x", "https://doi.org/10.5270/esa-x"):
        assert texts.doi(None, said) == "10.5270/esa-x"
    assert texts.doi("no", 7, None) is None


def test_an_extent_keeps_what_is_one() -> None:
    said = {
        "spatial": {"bbox": [[-180, -90, -5, 180, 90, 5], [0, 10, 0, -10], ["x"], "no"]},
        "temporal": {"interval": [["2020-01-01T00:00:00Z", None], ["2021-01-01", "2020-01-01"], [1, 2]]},
    }
    assert texts.extent(said) == {
        "spatial": {"bbox": [[-180.0, -90.0, 180.0, 90.0]]},
        "temporal": {"interval": [["2020-01-01T00:00:00+00:00", None]]},
    }


def test_a_frame_is_kept_where_boxes_are_on_the_sky_and_never_without_boxes() -> None:
    spatial = {"spatial": {"bbox": [[0, 10, 20, 30]]}}
    kept = {"spatial": {"bbox": [[0.0, 10.0, 20.0, 30.0]]}}
    assert texts.extent({**spatial, "frame": "sky"}) == {**kept, "frame": "sky"}
    assert texts.extent({**spatial, "frame": "earth"}) == texts.extent({**spatial, "frame": ["sky"]}) == kept
    assert texts.extent({"frame": "sky"}) is None


def test_a_citation_names_who_made_the_data() -> None:
    made = Provider(name="ESA & friends", roles=["producer"])
    host = Provider(name="Archive", roles=["host"])
    assert bibtex("sky.q1", "The {sky}", [host, made], 2026, "10.5270/esa-x", None) == (
        "@misc{sky.q1,\n  title = {{The \\{sky\\}}},\n  author = {{ESA \\& friends}},\n  publisher = {Archive},\n"
        "  year = {2026},\n  doi = {10.5270/esa-x},\n  url = {https://doi.org/10.5270/esa-x}\n}"
    )


@given(st.text(), st.text(), st.lists(st.text(min_size=1), max_size=3), st.none() | st.text(), st.none() | st.text())
def test_a_citation_is_one_entry_whatever_a_title_holds(
    key: str, title: str, names: list[str], doi: str | None, url: str | None
) -> None:
    said = bibtex(key, title, [Provider(name=name) for name in names], None, doi, url)
    depth = 0
    for index, char in enumerate(said):
        if char in "{}" and said[index - 1] != "\\":
            depth += 1 if char == "{" else -1
            assert depth > 0 or index == len(said) - 1
    assert depth == 0
