"""Searches and the trees of others' datasets, as the server passes them on from control."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.control import FakeControl, FakeReplica
from tests.support.jupyter import JupyterServer
from tests.support.s3 import S3Bed

_numbers = itertools.count(1)

SOURCE = {"id": "earth", "title": "Earth", "kind": "stac", "state": "stale", "error": "It answered 503.", "datasets": 1}


def follow(server: JupyterServer, url: str) -> dict[str, Any]:
    """The page at a ``next``, which is an address from the server's root."""
    found: dict[str, Any] = server.http.get(url.partition("/perijove/")[2]).json()
    return found


def entry(path: str) -> dict[str, Any]:
    return {"name": path, "path": path, "type": "file", "size_bytes": 5, "modified": None}


@pytest.fixture
def linked(control: FakeControl, bed: S3Bed) -> Iterator[str]:
    """A dataset of a catalogue of others, each time another."""
    found = control.add(
        f"earth.sent-{next(_numbers)}~2a", FakeReplica("earth", bed, "bucket"), delivery="linked", catalogue="earth"
    )
    control.catalogues = [SOURCE]
    control.trees[found.id, ""] = [entry(name) for name in ("a1", "a2", "b1")]
    yield found.id
    for known in [known for known in control.datasets if known.startswith("earth.sent-")]:
        del control.datasets[known]


def test_a_search_is_passed_on_with_all_that_narrows_it(
    server: JupyterServer, control: FakeControl, linked: str
) -> None:
    asked = {
        "q": "sent", "catalogue": "earth", "format": ["COG", "Zarr"],
        "bbox": "0,1,2,3", "frame": "sky", "since": "2026-01-01", "limit": "7",
    }  # fmt: skip
    page = server.get("datasets", **asked).json()
    assert [each["id"] for each in page["items"]] == [linked]
    assert page["facets"]["licence"] == [{"value": "CC0", "title": "CC0", "count": 1}]
    assert [(each["id"], each["state"], each["error"]) for each in page["catalogues"]] == [
        ("earth", "stale", "It answered 503.")
    ]
    said = {name: value if isinstance(value, list) else [value] for name, value in asked.items()}
    assert {name: value for name, value in control.queries[-1].items() if name != "site"} == said


def test_the_next_page_of_a_search_is_narrowed_alike(server: JupyterServer, control: FakeControl, linked: str) -> None:
    for number in range(3):
        more = f"earth.sent-more-{number}"
        control.datasets[more] = control.datasets[linked].model_copy(update={"id": more})
    page = server.get("datasets", q="earth.sent", format=["COG", "Zarr"]).json()
    rest = follow(server, page["next"])
    assert len(rest["items"]) == 2
    assert rest["facets"] == {}
    assert control.queries[-1]["format"] == ["COG", "Zarr"]


def test_control_lists_what_is_linked(server: JupyterServer, linked: str) -> None:
    first = server.get(f"datasets/{linked}/tree", limit="2").json()
    assert [each["path"] for each in first["items"]] == ["a1", "a2"]
    rest = follow(server, first["next"])
    assert [each["path"] for each in rest["items"]] == ["b1"]
    assert rest["next"] is None
    narrowed = server.get(f"datasets/{linked}/tree", prefix="b").json()
    assert (narrowed["items"], bool(narrowed["next"])) == ([], True)
    assert [each["path"] for each in follow(server, narrowed["next"])["items"]] == ["b1"]


def test_what_is_wrong_with_a_catalogue_is_its_own_sentence(
    server: JupyterServer, control: FakeControl, linked: str
) -> None:
    del control.trees[linked, ""]
    answer = server.get(f"datasets/{linked}/tree")
    assert answer.status_code == 503
    assert answer.json()["detail"] == f"{linked}: It did not answer in time."


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "x"}, {"q": ["a", "b"]}, {"format": ["x"] * 51}])
def test_a_search_that_cannot_be_is_refused_here(server: JupyterServer, query: dict[str, Any]) -> None:
    answer = server.get("datasets", **query)
    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["detail"]
