"""Index pages of web servers: HTML as nginx, Apache and others write it, or nginx's JSON."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from urllib.parse import quote, unquote, urljoin, urlsplit

from perijove_hub.catalogue import texts
from perijove_hub.catalogue.guarded import GuardedSession, check_parts
from perijove_hub.catalogue.models import Branch, CatalogueError, Found, Leaf
from perijove_hub.catalogue.names import path_segment, segment_name
from perijove_hub.catalogue.providers.base import Provider, file_leaf, folder_leaf, no_such, slice_of

#: More entries of one page are not looked at.
ENTRIES_MAX = 100_000
NO_INDEX = "It answered with a page that is no index of files."

#: By this an empty directory is told from a page that says that the server is down.
_TITLE = re.compile("index of|directory listing", re.IGNORECASE)
_DETAILS = re.compile(r"(\d{1,2}-\w{3}-\d{4}|\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2})(?::\d{2})?\s+(\d+)?(?!\S)")


class HttpIndexProvider(Provider):
    """A directory of a web server that shows what it holds."""

    def harvest(self, session: GuardedSession) -> list[Found]:
        """The whole, or each directory that the platform file names."""
        found = self.parts()
        for each in found[:1]:
            if not self._leaves(session, each, ""):
                raise CatalogueError(NO_INDEX)
        return found

    def branch(self, session: GuardedSession, found: Found, path: str, cursor: str, limit: int) -> Branch:
        """The entries that the page of a directory shows."""
        return slice_of(self._leaves(session, found, path), cursor, limit)

    def url(self, session: GuardedSession, found: Found, path: str) -> str:
        """Below the catalogue's own address; nobody is asked."""
        return self._address(found, path, "")

    def _address(self, found: Found, path: str, end: str = "/") -> str:
        parts = [part for part in (*found.where.get("folder", "").split("/"), *path.split("/")) if part]
        try:
            names = [segment_name(part) for part in parts]
        except ValueError as error:
            raise no_such(path) from error
        if any(name in (".", "..") or "/" in name or "\\" in name for name in names):
            raise no_such(path)
        below = "/".join(quote(name, safe="") for name in names)
        return f"{self.spec.url.rstrip('/')}/{below}{end if below else ''}"

    def _leaves(self, session: GuardedSession, found: Found, path: str) -> list[Leaf]:
        url = self._address(found, path)
        answer = session.fetch(url, "text/html, application/json;q=0.9")
        text = answer.content.decode(errors="replace")
        if "json" in answer.headers.get("Content-Type", ""):
            check_parts(answer.content, b"[{,")
            return _of_json(text, url, path)
        return _of_html(text, url, path)


def _of_json(text: str, url: str, path: str) -> list[Leaf]:
    """nginx with ``autoindex_format json``."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CatalogueError("It answered with JSON that cannot be read.") from error
    leaves: list[Leaf] = []
    for each in texts.dicts(entries, ENTRIES_MAX):
        name = each.get("name")
        if not isinstance(name, str) or name.strip(".") == "" or "/" in name:
            continue
        if each.get("type") == "directory":
            leaves.append(folder_leaf(path, path_segment(name), _moment(each.get("mtime"))))
        else:
            size_bytes, modified = texts.whole(each.get("size")), _moment(each.get("mtime"))
            leaves.append(file_leaf(path, path_segment(name), url + quote(name, safe=""), size_bytes, modified))
    return leaves


def _of_html(text: str, url: str, path: str) -> list[Leaf]:
    page = _Links()
    page.feed(text)
    page.close()
    leaves: dict[str, Leaf] = {}
    for href, details in page.links[:ENTRIES_MAX]:
        name, is_folder = _child(href, url)
        if not name:
            continue
        match = _DETAILS.search(details[:200])
        modified = _day(match[1], match[2]) if match else None
        segment = path_segment(name)
        if is_folder:
            leaves.setdefault(segment, folder_leaf(path, segment, modified))
        else:
            size_bytes = int(match[3]) if match and match[3] and len(match[3]) < 16 else None
            leaves.setdefault(segment, file_leaf(path, segment, url + quote(name, safe=""), size_bytes, modified))
    if not leaves and not _TITLE.search(text[:4000]):
        raise CatalogueError(NO_INDEX)
    return list(leaves.values())


def _child(href: str, url: str) -> tuple[str, bool]:
    """The name of what a link of a page points to when it is right below the page, and whether it is a directory."""
    try:
        target, base = urlsplit(urljoin(url, href)), urlsplit(url)
    except ValueError:
        return "", False
    if target[:2] != base[:2] or target.query or target.fragment:
        return "", False
    # compared decoded: servers and we escape different characters
    below = unquote(target.path)
    start = unquote(base.path)
    if not below.startswith(start):
        return "", False
    name = below[len(start) :]
    is_folder = name.endswith("/")
    name = name.removesuffix("/")
    return ("", False) if "/" in name or name.strip(".") == "" else (name, is_folder)


class _Links(HTMLParser):
    """The links of a page, each with the text that follows it up to the next."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "a" and href and len(self.links) < ENTRIES_MAX:
            self.links.append((href, ""))
            self._is_inside = True

    def handle_endtag(self, tag: str) -> None:
        self._is_inside = self._is_inside and tag != "a"

    def handle_data(self, data: str) -> None:
        if self.links and not self._is_inside and len(self.links[-1][1]) < 200:
            href, text = self.links[-1]
            self.links[-1] = (href, f"{text} {data}")


def _moment(value: object) -> datetime | None:
    """A date as nginx's JSON has it: ``Wed, 25 Nov 2026 12:00:00 GMT``."""
    if not isinstance(value, str) or len(value) > 60:
        return None
    try:
        return parsedate_to_datetime(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _day(day: str, minute: str) -> datetime | None:
    for form in ("%d-%b-%Y", "%Y-%m-%d"):
        try:
            return datetime.strptime(f"{day} {minute}", f"{form} %H:%M").replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
