from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.errors import InvalidPath
from perijove.paths import check_dataset_id, check_path


@given(st.text(max_size=60))
def test_what_passes_stays_below_its_prefix(path: str) -> None:
    try:
        checked = check_path(path)
    except InvalidPath:
        return

    assert checked == path
    assert not {"", ".", ".."} & set(checked.split("/"))
    assert "\\" not in checked
    assert "\0" not in checked


@pytest.mark.parametrize("path", ["a", "a b/é#?~[1]*.fits", "..a/b..", "...", "a/.hidden", "100%/x", "日本/星.fits"])
def test_ordinary_names_pass_unchanged(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "empty"),
        ("/a", "starts with a slash"),
        ("a/", "empty name"),
        ("a//b", "empty name"),
        ("a/../b", "'..'"),
        (".", "'.'"),
        ("a\\b", "backslash"),
        ("a\0", "control character"),
        ("a%2E%2e", "encoded"),
        ("x" * 1025, "1025 bytes"),
        ("\ud800", "Unicode"),
        ("\uff0e\uff0e", "'..'"),
    ],
)
def test_the_sentence_says_what_is_wrong(path: str, said: str) -> None:
    with pytest.raises(InvalidPath, match=r"^[^\n]*$") as caught:
        check_path(path)

    assert said in str(caught.value)


def test_directories_may_be_empty_and_end_in_one_slash() -> None:
    assert check_path("", directory=True) == ""
    assert check_path("a/b/", directory=True) == "a/b"
    with pytest.raises(InvalidPath):
        check_path("a//", directory=True)
    with pytest.raises(InvalidPath):
        check_path("/", directory=True)


@pytest.mark.parametrize(
    "name", ["", "A", "a_b", "-a", "a-", "a.", ".a", "a.b.c", "a.é", "a.b/c", "a/b", "é", "x" * 64, "a\n"]
)
def test_a_dataset_id_is_a_dns_label(name: str) -> None:
    with pytest.raises(InvalidPath):
        check_dataset_id(name)


@pytest.mark.parametrize("name", ["a", "euclid-q1", "x" * 63, "esa.Gaia_DR3~2fmain", "esa." + "x" * 200])
def test_or_the_name_of_a_catalogue_and_its_own_name_of_it(name: str) -> None:
    assert check_dataset_id(name) == name
