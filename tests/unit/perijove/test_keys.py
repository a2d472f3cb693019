from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from perijove.keys import climbs, is_odd, key_of_path, path_of_key
from perijove.paths import check_path

#: Keys of the signs that make trouble, so that their neighbourhoods are tried, and of any others.
_TROUBLE = st.text(st.sampled_from("~/.\\%25ef7c0a\0\x7f ·é／＼．‥℅%Z"), max_size=24)
_KEYS = st.one_of(_TROUBLE, st.text(st.characters(exclude_categories=["Cs"]), max_size=40))


@given(_KEYS)
@example("~2e~2e/~/~7e")
def test_every_key_has_one_path_of_its_own_that_is_safe(key: str) -> None:
    assume(len(key.encode()) <= 1024)

    path = path_of_key(key)

    assert key_of_path(path) == key
    assert check_path(path) == path
    assert is_odd(path) == (path != key)


@given(_KEYS)
def test_what_passes_as_a_path_is_the_path_of_its_key_or_another_spelling_of_it(path: str) -> None:
    key = key_of_path(path)

    assert key_of_path(path_of_key(key)) == key


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a//b", "a/~/b"),
        ("/a", "~/a"),
        ("a/", "a/~"),
        ("a/../b", "a/~2e~2e/b"),
        (".", "~2e"),
        ("a\\b", "a~5cb"),
        ("a%2Fb", "a~252Fb"),
        ("a\nb", "a~0ab"),
        ("a／b", "a~ef~bc~8fb"),
        ("‥/b", "~e2~80~a5/b"),
        ("~", "~7e"),
        ("~2e", "~7e2e"),
        ("~2e~2e", "~7e2e~7e2e"),
    ],
)
def test_what_a_path_cannot_hold_is_escaped(key: str, path: str) -> None:
    assert path_of_key(key) == path
    assert key_of_path(path) == key


@pytest.mark.parametrize("key", ["a b/é#?.fits", "~user/x~", "run~2023", "x~", "..a", "100%/x", "日本/星.fits", "a~ff"])
def test_all_else_is_its_own_path_tildes_too(key: str) -> None:
    assert path_of_key(key) == key
    assert key_of_path(key) == key
    assert not is_odd(key)


@pytest.mark.parametrize("key", ["..", "a/../b", "./a", "a\\..\\b", "a/%2e%2e/b", "a%2F..%2Fb", "a/..%2fb", "‥/a"])
def test_what_a_store_of_files_might_climb_by_is_told(key: str) -> None:
    assert climbs(path_of_key(key))


@pytest.mark.parametrize("key", ["a", "a//b", "/a", "a\\b", "...", "..a/b..", "a%2Fb", "a/~2e~2e/b", "a\nb"])
def test_what_leads_nowhere_else_is_not(key: str) -> None:
    assert not climbs(path_of_key(key))
