"""Providers fed with nonsense: a list or a sentence comes out, and no path or address that is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from perijove.paths import check_path
from perijove_hub.catalogue import texts
from perijove_hub.catalogue.guarded import Budget, GuardedSession
from perijove_hub.catalogue.models import Branch, CatalogueError, Found
from perijove_hub.catalogue.providers import provider_of
from perijove_hub.catalogue.providers.http_index import NO_INDEX
from perijove_hub.policy.catalogues import CatalogueSpec

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
HREFS = st.sampled_from(
    ["./a.json", "b/item.json", "../x", "file:///etc/passwd", "http://[::1", "https://x.example/y z.fits"]
)
LINKS = st.lists(
    st.fixed_dictionaries({"rel": st.sampled_from(["child", "item", "next", "data"]), "href": HREFS | JUNK})
)
ASSETS = st.dictionaries(
    st.text(max_size=10), st.fixed_dictionaries({"href": HREFS | JUNK, "type": JUNK}) | JUNK, max_size=4
)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["Catalog", "Collection", "Feature"]) | JUNK, "id": st.text(max_size=20) | JUNK,
        "links": LINKS | JUNK, "assets": ASSETS | JUNK, "title": JUNK, "extent": JUNK, "providers": JUNK,
        "keywords": JUNK, "item_assets": JUNK, "license": JUNK, "properties": JUNK,
    },
)  # fmt: skip
PAGES = st.fixed_dictionaries(
    {"links": LINKS}, optional={"collections": st.lists(DOCUMENTS) | JUNK, "features": st.lists(DOCUMENTS)}
)
STAC = CatalogueSpec.model_validate({"kind": "stac", "title": "S", "url": "https://stac.example/root.json"})
INDEX = CatalogueSpec.model_validate({"kind": "http", "title": "H", "url": "https://files.example/data/"})

Result = TypeVar("Result")


class Canned(GuardedSession):
    """A session that answers all questions out of a list, over and over."""

    def __init__(self, documents: list[dict[str, Any]], text: str = "") -> None:
        super().__init__(Budget(30))
        self._documents, self._text, self._count = documents, text, 0

    def fetch_json(self, url: str, **params: str) -> dict[str, Any]:
        self._count += 1
        return self._documents[(self._count - 1) % len(self._documents)]

    def fetch(self, url: str, accept: str = "*/*", **params: str) -> requests.Response:
        answer = requests.Response()
        answer._content, answer.status_code = self._text.encode(), 200
        return answer


def check(branch: Branch, folder: str) -> None:
    for leaf in branch.leaves:
        assert check_path(leaf.entry.path) == leaf.entry.path
        assert leaf.entry.path == f"{folder}/{leaf.entry.name}".lstrip("/")
        assert leaf.url is None or texts.address(leaf.url)
    assert len({leaf.entry.path for leaf in branch.leaves}) == len(branch.leaves)


def answer_or_sentence(call: Callable[[], Result]) -> Result | str:
    """What a provider answers, or the sentence with which it refuses; anything else that it raises fails the test."""
    try:
        return call()
    except CatalogueError as error:
        return str(error)


@given(st.lists(DOCUMENTS | PAGES, min_size=1, max_size=5))
def test_whatever_a_stac_catalogue_says_is_a_list_or_a_sentence(documents: list[dict[str, Any]]) -> None:
    provider = provider_of(STAC)
    found = answer_or_sentence(lambda: provider.harvest(Canned(documents)))
    if isinstance(found, str):
        assert found.endswith(".")
        return
    assert all(isinstance(each, Found) and each.local and each.title for each in found)
    for each in found[:3]:
        branch = answer_or_sentence(lambda each=each: provider.branch(Canned(documents), each, "", "", 100))
        if isinstance(branch, str):
            assert branch.endswith(".")
        else:
            check(branch, "")


@given(
    st.text()
    | st.lists(st.sampled_from(['<a href="', "../", "a b/", "x", '">', "</a>", "%2e%2e/", "?q", " 12 ", "//h/"])).map(
        "".join
    )
)
def test_whatever_a_page_holds_is_an_index_of_paths(text: str) -> None:
    provider = provider_of(INDEX)
    (found,) = provider.parts()
    branch = answer_or_sentence(lambda: provider.branch(Canned([{}], text), found, "", "", 1000))
    if isinstance(branch, str):
        assert branch == NO_INDEX
    else:
        check(branch, "")


def test_an_empty_directory_is_not_taken_for_a_page_that_says_that_a_server_is_down() -> None:
    provider = provider_of(INDEX)
    (found,) = provider.parts()
    empty = '<html><head><title>Index of /data/</title></head><body><pre><a href="../">../</a></pre></body></html>'
    assert provider.branch(Canned([{}], empty), found, "", "", 1000).leaves == []
    for down in ("", "<h1>Down for maintenance</h1>", '<p>Ask <a href="/">us</a></p>'):
        with pytest.raises(CatalogueError, match=NO_INDEX):
            provider.branch(Canned([{}], down), found, "", "", 1000)
