"""Which container images users may name: those that an expression of their profile's list matches as a whole.

The expressions are the admin's, what they are held against is a user's, and control answers everybody in one thread:
there must be no text on which an expression takes long. Python's ``re`` has such texts for expressions as harmless as
``([a-z]+-?)+:.*``. So they are read by the engine that pydantic checks texts with, Rust's ``regex``: it takes time
linear in the text, whatever the expression, at the price of look-around and back-references, which it does not have;
and one that grows beyond 10 MiB is refused when it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, TypeAdapter
from pydantic_core import SchemaError, SchemaValidator, core_schema

from perijove.models import ImageRef

#: How long an expression may be, and how many a profile may have.
PATTERN_CHARACTERS, PATTERNS_MAX = 200, 50
_REFERENCE: TypeAdapter[str] = TypeAdapter(ImageRef)
#: So much of what somebody has named is repeated to them, and so many expressions.
_SHOWN_CHARACTERS, _SHOWN_PATTERNS = 100, 3


def _reader(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, strict=True, regex_engine="rust-regex"))


@lru_cache(maxsize=1000)
def _whole(pattern: str) -> SchemaValidator:
    """Takes the texts that the expression matches from the first to the last character.

    Raises:
        SchemaError: it is no regular expression.
    """
    # by itself first: "a)|(b" is one only within brackets, and would not be held to the ends
    _reader(pattern)
    return _reader(rf"\A(?:{pattern})\z")


def _check_pattern(pattern: str) -> str:
    try:
        _whole(pattern)
    except SchemaError as error:
        why = str(error).strip().splitlines()[-1].strip().removeprefix("error: ").removeprefix("SchemaError: ")
        raise ValueError(
            f"is no regular expression that can be used here: {why.rstrip('.')}; expected one for the whole name of an "
            r"image, such as registry\.example/team/[a-z0-9-]+:[a-z0-9.-]+"
        ) from error
    return pattern


#: A regular expression for the whole name of an image.
ImagePattern = Annotated[
    str, StringConstraints(min_length=1, max_length=PATTERN_CHARACTERS), AfterValidator(_check_pattern)
]


def is_allowed(image: str, patterns: Sequence[str]) -> bool:
    """Whether a text is a reference to an image, and one of the expressions matches all of it."""
    return _is_reference(image) and any(_whole(pattern).isinstance_python(image) for pattern in patterns)


def _is_reference(text: str) -> bool:
    return _REFERENCE.validator.isinstance_python(text, strict=True)


def in_words(patterns: Sequence[str]) -> str:
    """What may be named, as it goes on after *you may name*."""
    shown = " or ".join(patterns[:_SHOWN_PATTERNS])
    more = len(patterns) - _SHOWN_PATTERNS
    others = f", or one of {more} more expressions" if more > 1 else ", or one more expression" if more == 1 else ""
    return f"an image whose whole name matches {shown}{others}"


def refusal(image: str, patterns: Sequence[str], words: str, profile: str) -> str | None:
    """Why a user may not have an image, in a sentence; None: it is allowed.

    Args:
        image: what was named; anything.
        patterns: of the profile.
        words: what they are, as :func:`in_words`.
        profile: its title.
    """
    if is_allowed(image, patterns):
        return None
    shown = repr(image if len(image) <= _SHOWN_CHARACTERS else f"{image[:_SHOWN_CHARACTERS]}…")
    if not patterns:
        return f"Profile {profile} takes no image of yours, and you named {shown}: leave the image out."
    if not _is_reference(image):
        what = f"{shown} is no name of a container image, such as registry.example/lab:2026-03"
        return f"{what}. With profile {profile} you may name {words}; or leave the image out."
    return f"Profile {profile} does not allow the image {shown}: you may name {words}; or leave the image out."
