"""STAC: an API, or a static catalogue of files. A collection is a dataset, its items are directories of assets.

The documents are read as JSON and not by pystac: of what strangers wrote, one collection that is not as it should be
must not end the list of all others, and no link may name a local file or what to send where (decision 0027).

Sources: STAC API specification 1.0.0 ("Collections", "Features"); STAC specification 1.1.0 (catalog, collection, item).
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any
from urllib.parse import quote, urlsplit

from perijove.models import Provider as Maker
from perijove_hub.catalogue import texts
from perijove_hub.catalogue.guarded import GuardedSession
from perijove_hub.catalogue.models import BadCursorError, Branch, CatalogueError, Found, Leaf
from perijove_hub.catalogue.names import path_segment, segment_name
from perijove_hub.catalogue.providers.base import (
    DATASETS_MAX,
    Provider,
    folder_leaf,
    joined,
    no_such,
    same_origin,
    slice_of,
)
from perijove_hub.catalogue.providers.formats import format_of
from perijove_hub.catalogue.providers.stac_assets import leaves_of

#: Documents that one harvest asks for at most.
DOCUMENTS_MAX = 300
#: Items in one page of an API.
ITEMS_MAX = 250
DEPTH_MAX = 20

Document = dict[str, Any]


class StacProvider(Provider):
    """Collections of an API or of files."""

    def harvest(self, session: GuardedSession) -> list[Found]:
        """The collections; of a static catalogue without any, the catalogue itself."""
        root = session.fetch_json(self.spec.url)
        if not isinstance(root.get("links"), list):
            raise CatalogueError("It answered with JSON that is no STAC catalogue.")
        data = links_of(root, self.spec.url, "data")
        found = self._of_api(session, data[0]) if data else self._of_files(session, root)
        return found[:DATASETS_MAX]

    def _of_api(self, session: GuardedSession, url: str) -> list[Found]:
        found: list[Found] = []
        following: str | None = url
        for _ in range(DOCUMENTS_MAX):
            if following is None or len(found) >= DATASETS_MAX:
                break
            page = session.fetch_json(following)
            if not isinstance(page.get("collections"), list):
                raise CatalogueError("It answered with JSON that is no list of collections.")
            for each in texts.dicts(page["collections"], DATASETS_MAX):
                local = each.get("id")
                if isinstance(local, str) and local and self.takes(local):
                    own = f"{url.split('?')[0].rstrip('/')}/{quote(local, safe='')}"
                    found.append(found_of(each, own, items=f"{own}/items"))
            following = next((each for each in links_of(page, following, "next") if same_origin(each, url)), None)
        return found

    def _of_files(self, session: GuardedSession, root: Document) -> list[Found]:
        found: list[Found] = []
        queue: deque[tuple[str, Document | None, int]] = deque([(self.spec.url, root, 0)])
        seen: set[str] = set()
        failed: CatalogueError | None = None
        while queue and len(seen) < DOCUMENTS_MAX and len(found) < DATASETS_MAX:
            url, document, depth = queue.popleft()
            if url in seen or depth > DEPTH_MAX:
                continue
            seen.add(url)
            try:
                document = document or session.fetch_json(url)
            except CatalogueError as error:
                failed = error  # one branch that is broken is not the whole tree
                session.budget.left_seconds()
                continue
            if document.get("type") == "Collection":
                if self.takes(document.get("id")):
                    found.append(found_of(document, url))
            else:
                queue.extend((child, None, depth + 1) for child in links_of(document, url, "child"))
        if not found and failed is not None:
            raise failed
        return found or ([found_of(root, self.spec.url)] if self.spec.collections is None else [])

    def branch(self, session: GuardedSession, found: Found, path: str, cursor: str, limit: int) -> Branch:
        """Items and assets."""
        items = found.where.get("items")
        if items is None:
            return self._of_document(session, found, path, cursor, limit)
        if path:
            if "/" in path:
                raise no_such(path)
            url = f"{items}/{quote(_name(path), safe='')}"
            return slice_of(self._assets(session.fetch_json(url), url, path), cursor, limit)
        url = cursor or items
        if cursor and not (same_origin(cursor, items) and texts.address(cursor)):
            raise BadCursorError("The cursor is not one that a tree has given.")
        page = session.fetch_json(url, **({} if cursor else {"limit": str(min(limit, ITEMS_MAX))}))
        if not isinstance(page.get("features"), list):
            raise CatalogueError("It answered with JSON that is no list of items.")
        leaves = [] if cursor else self._collection_assets(session, found)
        for item in texts.dicts(page["features"]):
            if isinstance(item.get("id"), str) and item["id"]:
                properties = item["properties"] if isinstance(item.get("properties"), dict) else {}
                modified = texts.moment(properties.get("updated") or properties.get("datetime"))
                leaves.append(folder_leaf("", path_segment(item["id"]), modified))
        following = next((each for each in links_of(page, url, "next") if same_origin(each, items)), None)
        return Branch(list({leaf.entry.path: leaf for leaf in leaves}.values()), following)

    def _collection_assets(self, session: GuardedSession, found: Found) -> list[Leaf]:
        if not found.where.get("assets"):
            return []
        return self._assets(session.fetch_json(found.where["self"]), found.where["self"], "")

    def _of_document(self, session: GuardedSession, found: Found, path: str, cursor: str, limit: int) -> Branch:
        """A directory of a static catalogue: each part of the path is a link of the document before it."""
        url = found.where["self"]
        document = session.fetch_json(url)
        parts = path.split("/") if path else []
        if len(parts) > DEPTH_MAX:
            raise no_such(path)
        for part in parts:
            linked = _below(document, url).get(part)
            if linked is None:
                raise no_such(path)
            url = linked
            document = session.fetch_json(url)
        folders = [folder_leaf(path, name) for name in _below(document, url)]
        return slice_of([*self._assets(document, url, path), *folders], cursor, limit)

    def _assets(self, document: Document, base: str, folder: str) -> list[Leaf]:
        return leaves_of(document, base, folder, self.spec.s3_endpoints)


def found_of(document: Document, own: str, items: str | None = None) -> Found:
    """A dataset of a collection, whatever it says."""
    local = texts.line(document.get("id")) or "catalogue"
    links = texts.dicts(document.get("links"))
    cited = [link.get("href") for link in links if link.get("rel") == "cite-as"]
    about = [joined(own, link.get("href")) for link in links if link.get("rel") in ("about", "describedby")]
    doi = texts.doi(document.get("sci:doi"), *cited)
    extent = texts.extent(document.get("extent"))
    where = {"self": own} | ({"items": items} if items else {})
    if isinstance(document.get("assets"), dict) and document["assets"]:
        where["assets"] = "1"
    return Found(
        local=local,
        title=texts.line(document.get("title")) or local,
        description=texts.text(document.get("description")),
        licence=texts.line(document.get("license")),
        doi=doi,
        keywords=texts.lines(document.get("keywords")),
        providers=_makers(document.get("providers")),
        formats=_formats(document),
        size_bytes=texts.whole(document.get("file:size")),
        extent=extent,
        landing_url=next(filter(None, about), None) or (f"https://doi.org/{doi}" if doi else None),
        year=_year(document, extent),
        where=where,
    )


def _makers(value: object) -> list[Maker]:
    return [
        Maker(name=name, roles=texts.lines(each.get("roles"), 10), url=texts.address(each.get("url")))
        for each in texts.dicts(value, texts.WORDS_MAX)
        if (name := texts.line(each.get("name")))
    ]


def _formats(document: Document) -> list[str]:
    types: list[object] = []
    for key in ("item_assets", "assets"):
        parts = document.get(key)
        types += [each.get("type") for each in texts.dicts(list(parts.values()))] if isinstance(parts, dict) else []
    return texts.lines(sorted({name for media_type in types if (name := format_of(media_type))}))


def _year(document: Document, extent: dict[str, Any] | None) -> int | None:
    """The year for a citation: of publication when it is said, else of the newest data."""
    said = [document.get(key) for key in ("published", "created", "updated")]
    for start, end in (extent or {}).get("temporal", {}).get("interval", ())[:1]:
        said += [end, start]
    return next((found.year for value in said if (found := texts.moment(value))), None)


def links_of(document: Document, base: str, *relations: str) -> list[str]:
    """The addresses that a document links with these relations; what would have to be posted is left out."""
    links = [link for link in texts.dicts(document.get("links"), 20_000) if link.get("rel") in relations]
    found = [joined(base, link.get("href")) for link in links if link.get("method", "GET") == "GET"]
    return list(dict.fromkeys(each for each in found if each))


def _below(document: Document, base: str) -> dict[str, str]:
    """What is below a document of a static catalogue: names, made of the addresses, and addresses."""
    urls = links_of(document, base, "child", "item")
    stems = {url: _stem(url) for url in urls}
    counts = Counter(stems.values())
    return {
        stem if counts[stem] == 1 else path_segment(urlsplit(url).path.strip("/")): url for url, stem in stems.items()
    }


def _stem(url: str) -> str:
    """``…/S2A/S2A.json`` is called S2A, and so is ``…/S2A/collection.json``."""
    parts = urlsplit(url).path.strip("/").split("/")
    stem = parts[-1].removesuffix(".json")
    return path_segment(parts[-2] if stem in ("catalog", "collection", "item") and len(parts) > 1 else stem)


def _name(segment: str) -> str:
    try:
        return segment_name(segment)
    except ValueError as error:
        raise no_such(segment) from error
