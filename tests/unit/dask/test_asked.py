"""What people and schedulers ask of a gateway, checked."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
from dask_gateway_server.backends.base import PublicException

from perijove.models import Adaptive
from perijove_hub.dask.asked import adaptive_of, count_of, one_line, range_of, title_of


@pytest.mark.parametrize(
    ("wish", "least", "highest"),
    [
        ({}, None, None),
        ({"minimum": 1, "maximum": 5}, 1, 5),
        ({"minimum": 2.0, "maximum": 1e9}, 2, 100),
        ({"maximum": inf}, None, 100),
        ({"minimum": None, "maximum": 7}, None, 7),
    ],
)
def test_a_range_is_of_whole_numbers_that_a_lease_may_have_room_for(
    wish: dict[str, Any], least: int | None, highest: int | None
) -> None:
    made = range_of({"op": "adapt", **wish}, 100)
    assert made == {"op": "adapt", "minimum": least, "maximum": highest, "active": True}
    assert adaptive_of(made, 100) == Adaptive(minimum=least or 0, maximum=100 if highest is None else highest)


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ({"minimum": "1"}, "minimum: expected a number"), ({"maximum": -1}, "maximum: expected a number"),
        ({"maximum": nan}, "maximum: expected a number"), ({"minimum": True}, "minimum: expected a number"),
        ({"minimum": 3, "maximum": 2}, "minimum: expected no more than maximum, which is 2"),
        ({"active": "no"}, "active: expected true or false"),
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused(wish: dict[str, Any], word: str) -> None:
    with pytest.raises(PublicException, match=word):
        range_of(wish, 100)


def test_who_lets_a_cluster_choose_no_more_has_no_range() -> None:
    assert adaptive_of(range_of({"active": False}, 100), 100) is None


def test_counts_are_whole_numbers() -> None:
    assert count_of(0) == 0
    for wrong in (-1, "7", None, True, 1.5):
        with pytest.raises(PublicException, match="count: expected a whole number"):
            count_of(wrong)


def test_a_title_is_one_line_that_moves_no_cursor() -> None:
    assert title_of("  Übersicht 1 ") == "Übersicht 1"
    for wrong in ("two\nlines", "a\ttab", "\x1b[31m", "x" * 81, 5, None):
        with pytest.raises(PublicException, match="title: expected one line of 80 characters"):
            title_of(wrong)


def test_what_goes_into_a_status_line_is_one() -> None:
    assert one_line("a\r\nb\u2028c ") == "a b c"
    assert len(one_line("x" * 5000)) == 1000
