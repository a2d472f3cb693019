from __future__ import annotations

import pytest

from perijove_hub.catalogue.paths import PathError, check_object_path


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "mosaic.fits",
        "a/b/c.fits",
        "a/",
        "ä/ö.txt",
        "with space/x",
        "a..b",
        "...",
        ".hidden",
        "%2e%2e/x",
        "a" * 1024,
    ],
)
def test_a_path_below_the_dataset_is_taken(path: str) -> None:
    check_object_path(path)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", "must be relative, without empty parts"),
        ("/", "must be relative"),
        ("/etc/passwd", "must be relative"),
        ("..", "must be relative"),
        ("../x", "must be relative"),
        ("a/../../x", "must be relative"),
        ("a/..", "must be relative"),
        ("./a", "must be relative"),
        ("a//b", "must be relative"),
        ("a//", "must be relative"),
        ("a\\..\\b", "control character or a backslash"),
        ("a\0b", "control character"),
        ("a\nb", "control character"),
        ("a\x7f", "control character"),
        ("ä" * 513, "at most 1024 bytes"),
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path: str, sentence: str) -> None:
    with pytest.raises(PathError, match=sentence):
        check_object_path(path)
