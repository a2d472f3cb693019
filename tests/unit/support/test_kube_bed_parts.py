"""Forms of which the emulated cluster has to understand many: amounts, and references to variables."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support.kube.environment import expand
from tests.support.kube.quantities import format_quantity, parse_quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("2", "2"), ("0.5", "0.5"), ("500m", "0.5"), ("1Gi", "1073741824"), ("1G", "1000000000"), ("1.5Ki", "1536"),
        ("1e3", "1000"), ("12E6", "12000000"), ("2E", "2000000000000000000"), ("100n", "0.0000001"), (4, "4"),
    ],
)  # fmt: skip
def test_amounts_have_many_forms(text: str | int, amount: str) -> None:
    assert parse_quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "1 Gi", "Gi", "1GiB", "one"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        parse_quantity(text)


def test_amounts_are_told_in_whole_numbers() -> None:
    assert [format_quantity(Decimal(amount)) for amount in ("2", "0.5", "1.25")] == ["2", "500m", "1250m"]


def test_references_that_are_known_become_values() -> None:
    known = {"A": "1", "B_C": "2"}
    assert expand("$(A)/$(B_C)/$(D)/$$(A)/$A", known) == "1/2/$(D)/$(A)/$A"
