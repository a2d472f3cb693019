from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from perijove.paths import check_path
from perijove_hub.catalogue.names import dataset_id, path_segment, segment_name

ID = re.compile(r"[a-z0-9-]{1,63}\.[A-Za-z0-9_~-]{1,200}")


@given(st.text(min_size=1))
def test_every_name_gives_an_id_that_a_route_takes(local: str) -> None:
    assert ID.fullmatch(dataset_id("sky", local))


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_two_names_have_two_ids(one: str, other: str) -> None:
    assert (dataset_id("sky", one) == dataset_id("sky", other)) == (one == other)


def test_an_id_shows_what_is_harmless_and_escapes_the_rest() -> None:
    assert dataset_id("planetary", "sentinel-2-l2a") == "planetary.sentinel-2-l2a"
    assert dataset_id("vo", "J/A+A é") == "vo.J~2fA~2bA~20~c3~a9"


def test_names_that_are_too_long_stay_different() -> None:
    ids = {dataset_id("sky", "~" * 300 + end) for end in "abc"}
    assert len(ids) == 3
    assert all(ID.fullmatch(each) for each in ids)


@given(st.text(min_size=1, max_size=100))
def test_every_name_is_one_segment_of_a_path_and_comes_back(name: str) -> None:
    segment = path_segment(name)
    assert check_path(segment) == segment
    assert "/" not in segment
    assert segment_name(segment) == name


def test_dots_do_not_climb() -> None:
    assert path_segment("..") == "~2e~2e"
    assert path_segment(".") == "~2e"
    assert path_segment("") == "~"
    assert path_segment("a/../b") == "a~2f..~2fb"
