"""Listing datasets of other catalogues: control asks the catalogue, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .client import AsyncControlClient, next_cursor, tree_call
from .errors import NotSupported
from .models import TreeEntry

#: More entries than this are not collected: a catalogue of others is not asked thousands of times for one listing.
ENTRIES_MAX = 20_000
#: How many entries are asked for at a time.
PAGE_ENTRIES = 1000


async def entries(client: AsyncControlClient, dataset_id: str, path: str) -> list[TreeEntry]:
    """All entries of one directory, sorted by name.

    Raises:
        NotSupported: there are too many.
        PerijoveError: no such directory, refused, or the catalogue does not answer.
    """
    found: list[TreeEntry] = []
    async for entry in _pages(client, dataset_id, path):
        found.append(entry)
        _check_count(len(found), dataset_id, path)
    return sorted(found, key=lambda entry: entry.name)


async def files_below(client: AsyncControlClient, dataset_id: str, path: str) -> list[TreeEntry]:
    """Every file at any depth below a directory, one directory after the other. Raises as :func:`entries`."""
    files: list[TreeEntry] = []
    to_visit, seen = [path], 0
    while to_visit:
        directory = to_visit.pop()
        async for entry in _pages(client, dataset_id, directory):
            seen += 1
            _check_count(seen, dataset_id, path)
            if entry.type == "file":
                files.append(entry)
            else:
                to_visit.append(entry.path)
    return sorted(files, key=lambda entry: entry.path)


async def has_entries(client: AsyncControlClient, dataset_id: str, path: str) -> bool:
    """Whether a directory holds anything. Raises as :func:`entries`."""
    async for _ in _pages(client, dataset_id, path, 1):
        return True
    return False


async def _pages(
    client: AsyncControlClient, dataset_id: str, path: str, limit: int = PAGE_ENTRIES
) -> AsyncIterator[TreeEntry]:
    cursor: str | None = None
    while True:
        page = await client.send(tree_call(dataset_id, path, cursor, limit))
        for entry in page.items:
            yield entry
        cursor = next_cursor(page.next)
        if cursor is None:
            return


def _check_count(seen: int, dataset_id: str, path: str) -> None:
    if seen > ENTRIES_MAX:
        where = f"{dataset_id}/{path}" if path else dataset_id
        raise NotSupported(f"{where} holds more than {ENTRIES_MAX:,} entries: list a directory further down.")
