"""Plots: what is in the ledger is in the columns, none of it twice and none of it lost."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.models import UsageRow
from perijove_hub.web.pages_figures import FIELDS, MOST_PARTS, OTHERS, RANGES, Figure, Span, largest_parts, stack, total

TODAY = date(2026, 3, 1)
ZERO = dict.fromkeys(FIELDS.values(), 0.0)


def row(**values: Any) -> UsageRow:
    return UsageRow.model_validate(ZERO | values)


def stacked(rows: list[UsageRow], days: int, unit: str = "cpu", key: str = "site", **more: Any) -> Figure:
    parts = more.pop("parts", None) or largest_parts(rows, key, unit)
    return stack(rows, Span.back(days, TODAY), key, unit, parts=parts, names=more, currency="EUR")


AMOUNTS = st.floats(min_value=0, max_value=1e6, allow_nan=False)
ROWS = st.lists(
    st.builds(
        lambda back, site, used: row(day=str(TODAY - timedelta(days=back)), site=site, cpu_hours=used),
        st.integers(min_value=0, max_value=400),
        st.sampled_from([f"site{number}" for number in range(12)]),
        AMOUNTS,
    ),
    max_size=40,
)


@given(ROWS, st.sampled_from(sorted(RANGES.values())))
def test_a_figure_holds_what_its_days_used_and_nothing_else(rows: list[UsageRow], days: int) -> None:
    figure = stacked(rows, days)
    first = Span.back(days, TODAY).columns()[0][0]
    # by weeks, the first week is shown whole as far as there are rows of it
    inside = [each for each in rows if date.fromisoformat(each.day or "") >= first]
    assert sum(figure.totals) == pytest.approx(sum(each.cpu_hours for each in inside), abs=1e-3)
    assert figure.is_empty == (round(sum(figure.totals), 6) == 0)
    assert len(figure.parts) <= MOST_PARTS + 1
    assert {len(values) for _, values in figure.rows} == {len(figure.parts)}


@given(ROWS, st.sampled_from(sorted(RANGES.values())))
def test_each_part_is_the_sum_of_its_own_rows(rows: list[UsageRow], days: int) -> None:
    figure = stacked(rows, days)
    first = Span.back(days, TODAY).columns()[0][0]
    for part, used in zip(figure.parts, figure.totals, strict=True):
        if part != OTHERS:
            own = [each.cpu_hours for each in rows if each.site == part and date.fromisoformat(each.day or "") >= first]
            assert used == pytest.approx(sum(own), abs=1e-3)


@pytest.mark.parametrize(("name", "columns"), [("7d", 7), ("30d", 30), ("90d", 90), ("year", 53)])
def test_a_range_has_a_column_for_each_day_and_a_long_one_for_each_week(name: str, columns: int) -> None:
    span = Span.back(RANGES[name], TODAY)
    shown = span.columns()
    assert len(shown) == columns
    assert [first for first, _ in shown] == sorted({first for first, _ in shown})
    for back in range(RANGES[name]):
        assert span.column_of(TODAY - timedelta(days=back)) in dict(shown)


def test_the_labels_are_days_or_weeks() -> None:
    assert [label for _, label in Span.back(3, TODAY).columns()] == ["27 Feb", "28 Feb", "1 Mar"]
    assert Span.back(365, TODAY).columns()[-1][1] == "week of 23 Feb 2026"


def test_the_greatest_have_a_colour_and_the_rest_is_one() -> None:
    rows = [row(day="2026-03-01", site=f"s{number}", cpu_hours=number) for number in range(1, 11)]
    figure = stacked(rows, 1)
    assert figure.parts == ("s10", "s9", "s8", "s7", "s6", "s5", "s4", OTHERS)
    assert figure.rows == (("1 Mar", (10, 9, 8, 7, 6, 5, 4, 6)),)


def test_parts_of_one_size_are_in_the_order_of_their_names_and_what_used_nothing_is_left_out() -> None:
    rows = [row(site="b", cpu_hours=1), row(site="a", cpu_hours=1), row(site="c"), row(site="d", cpu_hours=-1)]
    assert largest_parts(rows, "site", "cpu") == ["a", "b"]


def test_a_correction_is_taken_off() -> None:
    rows = [row(day="2026-03-01", site="a", cost=3), row(day="2026-03-01", site="a", cost=-1)]
    figure = stacked(rows, 1, unit="cost", a="A long name")
    assert (figure.title, figure.unit) == ("Cost by site", "EUR")
    assert (figure.parts, figure.rows) == (("A long name",), (("1 Mar", (2.0,)),))
    assert str(stacked([row(day="2026-03-01", site="a", cpu_hours=-1e-9)], 1, parts=["a"]).rows[0][1][0]) == "0.0"


def test_what_is_charged_to_nobody_has_a_name() -> None:
    rows = [row(day="2026-03-01", group="", cpu_hours=1)]
    assert stacked(rows, 1, key="group").parts == ("(none)",)


def test_a_row_without_a_day_is_no_row_of_a_plot() -> None:
    with pytest.raises(ValueError, match="needs its day"):
        stacked([row(site="a", cpu_hours=1)], 1)


@given(ROWS)
def test_the_sum_of_all_is_the_sum_of_each(rows: list[UsageRow]) -> None:
    assert total(rows).cpu_hours == pytest.approx(sum(each.cpu_hours for each in rows), abs=1e-3)
    assert total(rows).day is None
