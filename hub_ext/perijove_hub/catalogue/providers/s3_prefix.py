"""Public prefixes of object stores, listed without any key.

Source: "ListObjectsV2", Amazon S3 API reference.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]  # published without types
from defusedxml.ElementTree import ParseError, fromstring  # type: ignore[import-untyped]  # likewise

from perijove_hub.catalogue import texts
from perijove_hub.catalogue.guarded import GuardedSession, check_parts
from perijove_hub.catalogue.models import Branch, CatalogueError, Found, Leaf
from perijove_hub.catalogue.names import path_segment, segment_name
from perijove_hub.catalogue.providers.base import Provider, file_leaf, folder_leaf, no_such

#: A page has at most 1000 keys, of which a dozen things are said.
MARKS_MAX = 100_000
#: What a path writes for a name without a letter.
NO_NAME = path_segment("")
#: Names that would be resolved in an address.
DOTS = (".", "..")

_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class S3PrefixProvider(Provider):
    """``https://endpoint/bucket/prefix/``, path-style."""

    def harvest(self, session: GuardedSession) -> list[Found]:
        """The whole, or each directory that the platform file names."""
        found = self.parts()
        if not self._page(session, self._prefix(found[0], ""), "", "", 1).leaves:
            raise CatalogueError("There is nothing below this prefix.")
        return found

    def branch(self, session: GuardedSession, found: Found, path: str, cursor: str, limit: int) -> Branch:
        """One page as the store gives it; what a path cannot hold is escaped by ``path_segment``."""
        return self._page(session, self._prefix(found, path), path, cursor, limit)

    def url(self, session: GuardedSession, found: Found, path: str) -> str:
        """The object's own address; nobody is asked."""
        return self._address(self._prefix(found, path).removesuffix("/"))

    def _address(self, key: str) -> str:
        """Where a key is read. Clients resolve dots that stand alone, but for those that are encoded."""
        names = (quote(name, safe="") for name in key.split("/"))
        return "/".join([self._bucket_url(), *(name.replace(".", "%2E") if name in DOTS else name for name in names)])

    def _bucket_url(self) -> str:
        parts = urlsplit(self.spec.url)
        return f"{parts.scheme}://{parts.netloc}/{parts.path.strip('/').split('/')[0]}"

    def _prefix(self, found: Found, path: str) -> str:
        root = unquote(urlsplit(self.spec.url).path).strip("/").split("/")[1:]
        try:
            below = ["" if part == NO_NAME else segment_name(part) for part in path.split("/") if part]
        except ValueError as error:
            raise no_such(path) from error
        if any("/" in name for name in below):
            raise no_such(path)
        folder = [part for part in found.where.get("folder", "").split("/") if part]
        return "".join(f"{part}/" for part in (*root, *folder, *below))

    def _page(self, session: GuardedSession, prefix: str, path: str, cursor: str, limit: int) -> Branch:
        query = {"list-type": "2", "prefix": prefix, "delimiter": "/", "encoding-type": "url", "max-keys": str(limit)}
        query |= {"continuation-token": cursor} if cursor else {}
        answer = session.fetch(self._bucket_url(), "application/xml", **query)
        check_parts(answer.content, b"<", MARKS_MAX)
        try:
            root = fromstring(answer.content)
        except (ParseError, DefusedXmlException, LookupError, ValueError) as error:  # of encodings, too
            raise CatalogueError("It is no object store: it sent no listing.") from error
        if root.tag != f"{_NAMESPACE}ListBucketResult":
            raise CatalogueError("It is no object store: it sent no listing.")
        leaves = [self._leaf(node, prefix, path) for node in root]
        token = _text(root, "NextContinuationToken") if _text(root, "IsTruncated") == "true" else ""
        return Branch(sorted(filter(None, leaves), key=lambda leaf: leaf.entry.name), token or None)

    def _leaf(self, node: Any, prefix: str, path: str) -> Leaf | None:
        is_folder = node.tag == f"{_NAMESPACE}CommonPrefixes"
        if not is_folder and node.tag != f"{_NAMESPACE}Contents":
            return None
        # stores write a space as `+`, and a plus as %2B
        key = unquote_plus(_text(node, "Prefix" if is_folder else "Key"))
        name = key.removeprefix(prefix).removesuffix("/" if is_folder else "")
        # a directory that holds itself would have no end
        if not key.startswith(prefix) or "/" in name or (is_folder and key == prefix):
            return None
        if is_folder:
            return folder_leaf(path, path_segment(name))
        size = _text(node, "Size")
        size_bytes = int(size) if size.isascii() and size.isdigit() and len(size) < 16 else None
        if not name and not size_bytes:  # what some programs put down for a directory itself
            return None
        modified = texts.moment(_text(node, "LastModified"))
        return file_leaf(path, path_segment(name), self._address(key), size_bytes, modified)


def _text(node: Any, tag: str) -> str:
    found = node.findtext(f"{_NAMESPACE}{tag}")
    return found if isinstance(found, str) else ""
