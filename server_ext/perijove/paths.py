"""Checking of paths below a dataset, in the kernel and in the server extension alike.

A path is what follows the dataset in ``perijove://dataset/path``. An object store knows no directories and would take
most strings for keys, so a prefix is only a fence if every path is checked before it is joined to one.
"""

from __future__ import annotations

import re
import unicodedata

from .errors import InvalidPath
from .keys import PLAIN, key_of_path

#: The longest key that S3 allows, in bytes of UTF-8.
PATH_MAX_BYTES = 1024

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ENCODED = re.compile(r"%(?:2e|2f|5c|00|25)", re.IGNORECASE)
#: A DNS label; of datasets of other catalogues the catalogue's, a dot, and their name there with escapes.
_DATASET_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[A-Za-z0-9_~-]{1,200})?")


def check_dataset_id(dataset_id: str) -> str:
    """Return ``dataset_id`` if it can be one: a DNS label, or ``CATALOGUE.NAME``.

    Raises:
        InvalidPath: it cannot, and the sentence says what an id looks like.
    """
    if not _DATASET_ID.fullmatch(dataset_id):
        raise InvalidPath(
            f"{_shown(dataset_id)} is not a dataset id: expected up to 63 lower-case letters, digits and dashes, "
            "and for one of another catalogue a dot and its name there."
        )
    return dataset_id


def bucket_name(dataset_id: str) -> str:
    """The bucket of a dataset at the session's own store: its id, with a dot for each tilde of an archive's name.

    boto3 and what is made of it take no tilde in the name of a bucket. Names have no dots but the one before them, so
    nothing else has this name. The store knows it by its id, too.

    Raises:
        InvalidPath: it is no dataset id.
    """
    catalogue, dot, name = check_dataset_id(dataset_id).partition(".")
    return catalogue + dot + name.replace("~", ".")


def dataset_of_bucket(bucket: str) -> str:
    """The dataset id that :func:`bucket_name` has made ``bucket`` of; not checked."""
    catalogue, dot, name = bucket.partition(".")
    return catalogue + dot + name.replace(".", "~")


def check_path(path: str, *, directory: bool = False) -> str:
    """Return ``path``, a file or directory below a dataset, after checking that it stays there.

    Args:
        path: without a leading slash, segments separated by single slashes; keys that are none are written as
            :mod:`keys` says.
        directory: allow the empty path (the dataset itself) and drop one slash at the end.

    Raises:
        InvalidPath: the path is absolute, climbs, is ambiguous or too long; the sentence says which.
    """
    if len(path) <= PATH_MAX_BYTES and PLAIN.fullmatch(path):
        return path
    if directory and path.endswith("/") and path != "/":
        path = path[:-1]
    if not path:
        if directory:
            return ""
        raise InvalidPath("The path is empty: expected the path of a file below the dataset.")
    try:
        size_bytes = len(key_of_path(path).encode())
    except UnicodeEncodeError:
        raise InvalidPath("The path is not valid Unicode text.") from None
    if size_bytes > PATH_MAX_BYTES:
        raise InvalidPath(f"The path stands for a key of {size_bytes} bytes: expected at most {PATH_MAX_BYTES}.")
    if _CONTROL.search(path):
        raise InvalidPath("The path holds a control character: expected printable text.")
    if _ENCODED.search(path):
        raise InvalidPath(f"The path {_shown(path)} holds an encoded dot, slash, backslash or percent sign.")
    # Look-alikes such as the full-width slash are checked as what they look like.
    for form in (path,) if path.isascii() else (path, unicodedata.normalize("NFKC", path)):
        _check_segments(form, path)
    return path


def split_url(url: str) -> tuple[str, str]:
    """Split ``perijove://dataset/path`` or ``dataset/path`` into a checked dataset id and an unchecked path.

    Raises:
        InvalidPath: the dataset id cannot be one.
    """
    bare = url.removeprefix("perijove://")
    dataset_id, _, path = bare.partition("/")
    return check_dataset_id(dataset_id), path


def _check_segments(form: str, path: str) -> None:
    if "\\" in form:
        raise InvalidPath(f"The path {_shown(path)} holds a backslash: expected slashes between names.")
    if form.startswith("/"):
        raise InvalidPath(f"The path {_shown(path)} starts with a slash: expected a path below the dataset.")
    segments = form.split("/")
    if "" in segments:
        raise InvalidPath(f"The path {_shown(path)} has an empty name between or after slashes.")
    if "." in segments or ".." in segments:
        raise InvalidPath(f"The path {_shown(path)} holds '.' or '..' as a name: expected a path below the dataset.")


def _shown(text: str) -> str:
    """Quote ``text`` for a sentence, shortened."""
    return ascii(text if len(text) <= 80 else text[:77] + "…")
