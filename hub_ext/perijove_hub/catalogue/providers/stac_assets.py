"""The assets of STAC items and collections as files: by which address each is read, and why one is not. Pure.

Sources: STAC specification 1.1.0 ("Asset Object"); "Alternate Assets Extension Specification", version 1.0.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from perijove_hub.catalogue import texts
from perijove_hub.catalogue.models import Leaf
from perijove_hub.catalogue.names import path_segment
from perijove_hub.catalogue.providers.base import file_leaf, joined
from perijove_hub.catalogue.providers.formats import suffix_of

ASSETS_MAX = 1000
#: Other places of one asset that are looked at.
ALTERNATES_MAX = 20
#: Of an address that nobody can read, so much is said.
SAID_CHARS = 200

#: What may stand for ``{bucket}`` in an address: nothing that has a meaning in one.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


def leaves_of(document: dict[str, Any], base: str, folder: str, s3_endpoints: Mapping[str, str]) -> list[Leaf]:
    """The files of an item or a collection, each with a name by which readers know its format.

    One that has no address to be read at is a leaf that says so: what was left out would seem not to exist.
    """
    assets = document.get("assets")
    leaves: dict[str, Leaf] = {}
    for key, asset in list(assets.items())[:ASSETS_MAX] if isinstance(assets, dict) else []:
        if not isinstance(asset, dict):
            continue
        hrefs = _hrefs(asset)
        named, url = _readable(hrefs, base, s3_endpoints)
        name = _last_part(named)
        name = path_segment(name if "." in name else f"{key}{suffix_of(asset.get('type'))}")
        if name in leaves:
            name = f"{path_segment(key)}-{name}"
        size_bytes, modified = texts.whole(asset.get("file:size")), texts.moment(asset.get("updated"))
        why_not = None if url else _why_not(hrefs)
        leaves.setdefault(name, file_leaf(folder, name, url, size_bytes, modified, why_not))
    return list(leaves.values())


def s3_address(href: str, s3_endpoints: Mapping[str, str]) -> str | None:
    """The web address of ``s3://bucket/key``, or None where none is named for the bucket.

    The key is taken as it stands, as S3's own tools do: a ``%`` or a ``?`` in it is one.
    """
    scheme, _, place = href.partition("://")
    bucket, _, key = place.partition("/")
    endpoint = s3_endpoints.get(bucket) or s3_endpoints.get("*")
    if scheme.lower() != "s3" or not _BUCKET.fullmatch(bucket) or not key or endpoint is None:
        return None
    if any(part in (".", "..") for part in key.split("/")):
        return None  # clients resolve these, some of them up to another bucket
    return texts.address(f"{endpoint.replace('{bucket}', bucket).rstrip('/')}/{quote(key, safe='/')}")


def _hrefs(asset: dict[str, Any]) -> list[str]:
    """Where an asset says that it lies, its own address first."""
    alternate = asset.get("alternate")
    others = list(alternate.values())[:ALTERNATES_MAX] if isinstance(alternate, dict) else []
    said = [each.get("href") for each in (asset, *others) if isinstance(each, dict)]
    return [href.strip() for href in said if isinstance(href, str) and href.strip()]


def _readable(hrefs: list[str], base: str, s3_endpoints: Mapping[str, str]) -> tuple[str, str | None]:
    """The first address of the web, else the first that the platform file makes one of; and what names the file."""
    for href in hrefs:
        if (url := joined(base, href)) is not None:
            return url, url
    for href in hrefs:
        if (url := s3_address(href, s3_endpoints)) is not None:
            return href, url
    return next(iter(hrefs), ""), None


def _last_part(href: str) -> str:
    """The name at the end of an address; the web's is without its query and decoded, others stand as they are."""
    try:
        is_of_the_web = texts.address(href) is not None or "://" not in href
        path = urlsplit(href).path if is_of_the_web else href.partition("://")[2]
    except ValueError:
        return ""
    name = path.rpartition("/")[2]
    return unquote(name) if is_of_the_web else name


def _why_not(hrefs: list[str]) -> str:
    """One sentence about an asset that cannot be read."""
    if not hrefs:
        return "The catalogue names no address of this file."
    scheme, _, place = hrefs[0].partition("://")
    # an address with a user in it may have a password there
    said = texts.line(hrefs[0], SAID_CHARS) if "@" not in place.partition("/")[0] else f"{scheme}://…"
    if scheme.lower() == "s3":
        return (
            f"This file lies at {said}, and the catalogue names no web address of it: an admin can name one for its "
            "bucket with `s3_endpoints` of this catalogue in the platform file."
        )
    return f"This file lies at {said}, which cannot be read from here, and the catalogue names no other address."
