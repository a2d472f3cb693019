from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove_hub.sites.names import directory_name

#: Names that people and attackers choose: near to each other, and near to what the function makes.
owners = st.text(min_size=1, max_size=120) | st.text("aA-_.~/ü\n", min_size=1, max_size=6)


@pytest.mark.parametrize("plain", ["scientist", "ana-maria", "a.b", "a_1", "0"])
def test_a_plain_name_stays_readable(plain: str) -> None:
    assert directory_name(plain) == plain


@pytest.mark.parametrize(
    "odd", ["..", ".", "../x", "a/b", "A", "a--b", "-a", "a-", "", "a b", "a\n", "ü", "a..b", "a" * 101]
)
def test_an_odd_name_gets_a_digest(odd: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,60}--[0-9a-f]{12}", directory_name(odd))


@given(owners)
def test_a_directory_name_is_one_safe_part_of_a_path(owner: str) -> None:
    name = directory_name(owner)
    assert PurePosixPath("/homes", name).parent == PurePosixPath("/homes")
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name)
    assert ".." not in name
    assert len(name) <= 100
    assert name == name.lower(), "file systems that do not tell case apart would mix up two users"


@given(owners, owners)
def test_two_users_never_share_a_directory(one: str, other: str) -> None:
    assert (directory_name(one) == directory_name(other)) is (one == other)


@given(owners)
def test_nobody_can_choose_the_name_that_another_one_is_given(owner: str) -> None:
    given_name = directory_name(owner)
    if given_name != owner:
        assert directory_name(given_name) != given_name
