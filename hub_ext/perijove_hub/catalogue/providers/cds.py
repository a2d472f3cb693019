"""Data stores in the manner of the Copernicus Climate Data Store: their collections, with the forms of their requests.

Such a store computes what is asked of it, so the tree of a dataset holds no data: it holds what describes a request.

Source: ``catalogue/v1`` as the clients of the CDS use it (`ecmwf-datastores-client`).
"""

from __future__ import annotations

from urllib.parse import quote, unquote, urlsplit

from perijove_hub.catalogue import texts
from perijove_hub.catalogue.guarded import GuardedSession
from perijove_hub.catalogue.models import Branch, CatalogueError, Found, Leaf
from perijove_hub.catalogue.names import path_segment
from perijove_hub.catalogue.providers.base import (
    DATASETS_MAX,
    Provider,
    file_leaf,
    joined,
    no_such,
    same_origin,
    slice_of,
)
from perijove_hub.catalogue.providers.stac import found_of, links_of

PAGES_MAX = 100
#: The links of a collection that are documents about its requests.
_DOCUMENTS = ("form", "constraints", "license", "layout")


class CdsProvider(Provider):
    """The collections of a store."""

    def harvest(self, session: GuardedSession) -> list[Found]:
        """All of them, those that are hidden left out."""
        start = f"{self.spec.url.rstrip('/')}/catalogue/v1/collections"
        following: str | None = start
        found: list[Found] = []
        for _ in range(PAGES_MAX):
            if following is None or len(found) >= DATASETS_MAX:
                break
            page = session.fetch_json(following)
            if not isinstance(page.get("collections"), list):
                raise CatalogueError("It answered with JSON that is no list of collections.")
            for each in texts.dicts(page["collections"], DATASETS_MAX):
                local = each.get("id")
                if isinstance(local, str) and local and self.takes(local) and not each.get("cads:hidden"):
                    found.append(found_of(each, f"{start}/{quote(local, safe='')}"))
            following = next((each for each in links_of(page, following, "next") if same_origin(each, start)), None)
        return found[:DATASETS_MAX]

    def branch(self, session: GuardedSession, found: Found, path: str, cursor: str, limit: int) -> Branch:
        """The documents of the collection."""
        if path:
            raise no_such(path)
        own = found.where["self"]
        leaves: dict[str, Leaf] = {}
        for link in texts.dicts(session.fetch_json(own).get("links")):
            url = joined(own, link.get("href"))
            if url and link.get("rel") in _DOCUMENTS:
                name = path_segment(unquote(urlsplit(url).path.rpartition("/")[2]) or str(link["rel"]))
                leaves.setdefault(name, file_leaf("", name, url))
        return slice_of(list(leaves.values()), cursor, limit)
