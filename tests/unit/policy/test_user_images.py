"""Images that users name: only what an expression of their profile matches from the first to the last character."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove_hub.policy.load import PlatformFileError, parse_platform
from perijove_hub.policy.models import Profile
from tests.support.platforms import SMALL_FILE, profile

TEAM = r"registry\.example/team/[a-z0-9-]+:[a-z0-9.-]+"
GOOD = "registry.example/team/lab:2026-03"


def taker(*patterns: str, **more: str) -> Profile:
    return Profile.model_validate(profile(user_images=list(patterns), **more))


def is_allowed(image: str, *patterns: str) -> bool:
    return taker(*patterns).refusal_of(image) is None


@pytest.mark.parametrize(
    "image",
    [
        f"{GOOD}\n",
        f"{GOOD}\nother",
        f"\n{GOOD}",
        f" {GOOD}",
        f"{GOOD} ",
        f"{GOOD}@sha256:{'0a' * 32}",
        f"evil.example/{GOOD}",
        "registry.example.evil.example/team/lab:2026-03",
        "registry.example/team.evil/lab:2026-03",
        "registry-example/team/lab:2026-03",
        "registry.example/team/../evil:1",
        "registry.example/team/lab/evil:1",
        "registry.example/team/lab",
        "registry.example/team/lab:",
        "registry.example/team/LAB:1",
        "registry.example/team/läb:1",
        f"{GOOD}\x00",
        "",
    ],
)
def test_what_only_looks_like_an_allowed_image_is_refused(image: str) -> None:
    assert is_allowed(GOOD, TEAM)
    assert not is_allowed(image, TEAM)
    # nor does any one of several do it in part
    assert not is_allowed(image, "lab", TEAM, "registry.example")


@pytest.mark.parametrize("pattern", [r".*", r"(?s).*", r"[^q]*", r"(?m)^registry.*$", r"^registry.*$|^evil"])
@pytest.mark.parametrize("image", [f"{GOOD}\n", f"{GOOD}\nevil", f"{GOOD};id", "https://registry.example/lab", "-x"])
def test_what_is_no_reference_is_refused_whatever_the_list_matches(pattern: str, image: str) -> None:
    assert is_allowed(GOOD, pattern)
    assert not is_allowed(image, pattern)


PATTERNS = [
    TEAM,
    r"lab",
    r"lab|registry\.example/team/.*",
    r"(?i)LAB:[0-9]+",
    r"^lab:[0-9]$",
    r"[a-z]+/(lab|(?:img-)*[0-9]{1,3}):latest",
]
PARTS = st.sampled_from(
    ["registry.example", "/", "team", "lab", ":", "2026-03", "latest", "img-", "1", ".", "\n", " ", "@", "evil", "LAB"]
)


@given(
    st.lists(PARTS, max_size=8).map("".join) | st.text(max_size=40) | st.from_regex(TEAM, fullmatch=True),
    st.lists(st.sampled_from(PATTERNS), max_size=3),
)
def test_only_references_that_are_matched_as_a_whole_pass(image: str, patterns: list[str]) -> None:
    reference = re.fullmatch(r"[A-Za-z0-9]+((__|-+|[._:/])[A-Za-z0-9]+)*(@sha256:[0-9a-f]{64})?", image)
    # on what is a reference, plain ASCII, the two engines say the same
    expected = reference is not None and any(re.fullmatch(pattern, image) for pattern in patterns)
    assert is_allowed(image, *patterns) is expected


def test_no_text_takes_long_with_an_expression_that_python_would_try_for_years() -> None:
    nested = taker(r"([a-z]+-?)+:[0-9]+", r"(a|a|aa)*b", r"(?:[a-z0-9]*[a-z]*)*/x")
    begun = time.process_time()
    for text in ("a" * 400, "a-" * 199 + "a", "a" * 399 + "!"):
        assert nested.refusal_of(text) is not None
    assert time.process_time() - begun < 5


def test_a_refusal_names_image_profile_and_what_is_allowed() -> None:
    assert taker(TEAM, "lab").refusal_of("evil/x:1") == (
        f"Profile Standard does not allow the image 'evil/x:1': you may name an image whose whole name matches {TEAM} "
        "or lab; or leave the image out."
    )
    helped = taker(TEAM, user_images_help="an image of your team")
    assert helped.refusal_of("evil/x:1") == (
        "Profile Standard does not allow the image 'evil/x:1': you may name an image of your team; or leave the image "
        "out."
    )
    assert helped.refusal_of("my lab\u202e") == (
        "'my lab\\u202e' is no name of a container image, such as registry.example/lab:2026-03. With profile Standard "
        "you may name an image of your team; or leave the image out."
    )
    assert taker().refusal_of(GOOD) == (
        f"Profile Standard takes no image of yours, and you named '{GOOD}': leave the image out."
    )


def test_a_refusal_stays_short_whatever_was_named_and_however_much_is_allowed() -> None:
    assert len(str(taker("lab").refusal_of("x" * 400))) < 300
    many = taker(*(f"lab{number}" for number in range(50)))
    assert "matches lab0 or lab1 or lab2, or one of 47 more expressions; or leave" in str(many.refusal_of("x"))
    assert "lab2, or one more expression;" in str(taker("lab0", "lab1", "lab2", "lab3").refusal_of("x"))


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("lab(", "unclosed group"),
        ("lab)|(evil", "unopened group"),
        ("*", "repetition operator missing expression"),
        (r"lab(?!\n)", "look-around, including look-ahead and look-behind, is not supported"),
        (r"(a)\1", "backreferences are not supported"),
        (r"lab\Z", "unrecognized escape sequence"),
        ("((a{100}){100}){100}", "Compiled regex exceeds size limit of 10485760 bytes"),
        ("(?x)lab # all of it", "unclosed group"),
    ],
)
def test_an_expression_that_is_none_is_told_with_its_place_and_what_is_wrong(pattern: str, why: str) -> None:
    assert faults(f"user_images: ['lab', '{pattern}']") == [
        f"p.yaml:8: profiles.standard.user_images.1: is no regular expression that can be used here: {why}; expected "
        r"one for the whole name of an image, such as registry\.example/team/[a-z0-9-]+:[a-z0-9.-]+"
    ]


def test_lists_and_expressions_have_a_longest_length() -> None:
    assert faults("user_images: ['']") == [
        "p.yaml:8: profiles.standard.user_images.0: String should have at least 1 character"
    ]
    assert faults(f"user_images: ['{'a' * 201}']") == [
        "p.yaml:8: profiles.standard.user_images.0: String should have at most 200 characters"
    ]
    assert faults(f"user_images: [{', '.join(['lab'] * 51)}]") == [
        "p.yaml:8: profiles.standard.user_images: List should have at most 50 items after validation, not 51"
    ]


def test_help_without_a_list_is_a_slip() -> None:
    assert faults("user_images_help: an image of your team") == [
        "p.yaml:8: profiles.standard.user_images_help: there are no `user_images` that it could be about"
    ]


def faults(key: str) -> list[str]:
    with pytest.raises(PlatformFileError) as caught:
        parse_platform(SMALL_FILE.replace("memory_gib: 2}", f"memory_gib: 2, {key}}}"), "p.yaml")
    return caught.value.faults
