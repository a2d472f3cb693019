"""All datasets as one list: the platform file's and those of the catalogues of others; and the trees of these."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from perijove.models import PLATFORM_CATALOGUE, CatalogueView, Dataset, PresignedPath, TreeEntry
from perijove.places import Allowed, ForbiddenAddressError, check_address
from perijove_hub.catalogue.guarded import GuardedSession
from perijove_hub.catalogue.harvest import Asker, Harvester, state_of
from perijove_hub.catalogue.index import Index
from perijove_hub.catalogue.models import BadCursorError, Branch, CatalogueError, Found, Harvest
from perijove_hub.catalogue.names import dataset_id
from perijove_hub.catalogue.providers import Provider
from perijove_hub.catalogue.search import Entry, Query, Result, rank, search
from perijove_hub.catalogue.service import describe
from perijove_hub.ledger.database import Database
from perijove_hub.policy.base import EVERYBODY
from perijove_hub.policy.catalogues import CatalogueSpec
from perijove_hub.policy.models import Platform

#: How long a directory of a catalogue of others is believed to be as it was, and how many are kept.
BRANCH_SECONDS = 60.0
BRANCHES_KEPT = 256
#: Of so many datasets a search takes a few milliseconds; of more it is the work of a thread.
SEARCHED_AT_ONCE = 2000
CURSOR_MAX_CHARS = 6000


class Federation:
    """The catalogue as control has it.

    Args:
        database: keeps the snapshots.
        platform: gives the platform file in force.
        clock: gives the time, aware.
    """

    def __init__(self, database: Database, platform: Callable[[], Platform], clock: Callable[[], datetime]) -> None:
        self._platform = platform
        self._clock = clock
        self._asker = Asker()
        self.harvester = Harvester(database, platform, clock, self._asker)
        self._index = Index()
        self._renewal = asyncio.Lock()
        self._branches: OrderedDict[tuple[object, ...], tuple[Branch, float]] = OrderedDict()

    async def search(self, query: Query, groups: frozenset[str], cursor: Sequence[str] | None = None) -> Result:
        """What fits the query and these groups may see, after the entry that a cursor names.

        Facets are counted over all that fits.

        Raises:
            BadCursorError: the cursor is of another kind.
        """
        place, index, platform = _place(cursor), await self._current(), self._platform()
        titles = {PLATFORM_CATALOGUE: "This platform"} | {
            name: spec.title for name, spec in platform.catalogues.items()
        }
        if len(index) <= SEARCHED_AT_ONCE:
            return _search(index, query, groups, titles, place)
        return await asyncio.to_thread(_search, index, query, groups, titles, place)

    async def find(self, wanted: str, groups: frozenset[str]) -> Entry | None:
        """A dataset that these groups may see, or None."""
        found = (await self._current()).find(wanted)
        return found if found is not None and found.may_see(groups) else None

    def shown(self, found: Entry, groups: frozenset[str], site: str | None) -> Dataset:
        """A dataset as it goes to a member of these groups at a site."""
        dataset = found.dataset
        if dataset.id in self._platform().datasets:  # it may have been taken out since it was found
            dataset = describe(self._platform(), dataset.id, site)
        return dataset.model_copy(update={"readable": found.may_read(groups, self._clock())})

    async def views(self, groups: frozenset[str]) -> list[CatalogueView]:
        """The catalogues of others that these groups may see, by title."""
        parts = (await self._current()).parts
        seen = [
            self._view(name, spec, len(parts[name].entries) if name in parts else 0)
            for name, spec in self._platform().catalogues.items()
            if _may_see(spec, groups)
        ]
        return sorted(seen, key=lambda view: (view.title.casefold(), view.id))

    def _view(self, name: str, spec: CatalogueSpec, datasets: int) -> CatalogueView:
        known = self.harvester.harvests().get(name, Harvest())
        return CatalogueView(
            id=name,
            title=spec.title,
            kind=spec.kind,
            state=state_of(known),
            error=known.error,
            harvested=known.harvested,
            datasets=datasets,
        )

    async def tree(self, wanted: str, path: str, cursor: str | None, limit: int) -> tuple[list[TreeEntry], str | None]:
        """A page of a directory of a ``linked`` dataset, and the cursor of the next.

        Raises:
            KeyError: there is no such linked dataset.
            CatalogueError: its catalogue does not answer; its kinds say that path or cursor are wrong.
        """
        name, found = (await self._current()).linked(wanted)
        inner = _decoded(cursor, wanted, path)
        branch = await self._branch(name, found, path, inner, limit)
        following = _encoded(wanted, path, branch.cursor) if branch.cursor else None
        return [leaf.entry for leaf in branch.leaves], following

    async def addresses(self, wanted: str, paths: Sequence[str]) -> tuple[list[PresignedPath], str | None]:
        """The public addresses of files of a ``linked`` dataset, each checked to lead to no private place.

        With them, the origin that the platform file allows to be private: whoever reads them checks again where each
        connection goes.

        Raises:
            KeyError, CatalogueError: as :meth:`tree`, or an address leads where nobody may be sent.
        """
        name, found = (await self._current()).linked(wanted)
        spec = self._platform().catalogues[name]
        known = {leaf.entry.path: leaf.url for branch in self._kept(wanted) for leaf in branch.leaves if leaf.url}

        def look(provider: Provider, session: GuardedSession) -> list[PresignedPath]:
            urls = [known.get(path) or provider.url(session, found, path) for path in paths]
            allowed = Allowed.of(spec.url, spec.allow_private)
            for start in {url.split("/", 3)[2]: url for url in urls if url.count("/") >= 2}.values():
                _check(start, allowed)
            return [PresignedPath(path=path, url=url) for path, url in zip(paths, urls, strict=True)]

        origin = f"{urlsplit(spec.url).scheme}://{urlsplit(spec.url).netloc}" if spec.allow_private else None
        return await self._asker.ask(name, spec, look), origin

    async def close(self) -> None:
        """Stop asking the catalogues."""
        await self.harvester.close()

    async def _branch(self, name: str, found: Found, path: str, cursor: str, limit: int) -> Branch:
        key = (dataset_id(name, found.local), path, cursor, limit)
        kept = self._branches.get(key)
        if kept is not None and time.monotonic() < kept[1]:
            return kept[0]
        branch = await self._asker.ask(
            name,
            self._platform().catalogues[name],
            lambda provider, session: provider.branch(session, found, path, cursor, limit),
        )
        self._branches[key] = (branch, time.monotonic() + BRANCH_SECONDS)
        if len(self._branches) > BRANCHES_KEPT:
            self._branches.popitem(last=False)
        return branch

    def _kept(self, wanted: str) -> list[Branch]:
        now = time.monotonic()
        return [branch for key, (branch, until) in self._branches.items() if key[0] == wanted and now < until]

    async def _current(self) -> Index:
        """The index of what is known at this moment; what has changed is worked out in a thread, once for all."""
        while not self._is_current():
            async with self._renewal:
                if not self._is_current():
                    platform, harvests = self._platform(), self.harvester.harvests()
                    self._index = await asyncio.to_thread(self._index.renewed, platform, harvests)
        return self._index

    def _is_current(self) -> bool:
        return self._index.is_of(self._platform(), self.harvester.harvests())


def _may_see(spec: CatalogueSpec, groups: frozenset[str]) -> bool:
    """Whether a member of these groups may know of a catalogue."""
    return EVERYBODY in spec.groups or not groups.isdisjoint(spec.groups)


def _search(
    index: Index, query: Query, groups: frozenset[str], titles: dict[str, str], after: tuple[int, bool, str] | None
) -> Result:
    result = search(index.entries(), query, groups, titles)
    if after is None:
        return result
    return Result([each for each in result.entries if rank(each, query) > after], result.facets)


def _place(cursor: Sequence[str] | None) -> tuple[int, bool, str] | None:
    if cursor is None:
        return None
    try:
        hits, linked, last = cursor
        return int(hits), linked == "1", last
    except ValueError as error:
        raise BadCursorError("Take `cursor` from the `next` of the page before.") from error


def place_of(each: Entry, query: Query) -> list[str]:
    """The cursor that names an entry."""
    hits, linked, last = rank(each, query)
    return [str(hits), "1" if linked else "0", last]


def _check(url: str, allowed: Allowed) -> None:
    try:
        check_address(url, allowed)
    except ForbiddenAddressError as error:
        raise CatalogueError(f"It names an address that is not read from here: {error}.") from error
    except OSError as error:
        raise CatalogueError("It names an address on a host that cannot be found.") from error


def _encoded(wanted: str, path: str, cursor: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([wanted, path, cursor]).encode()).decode().rstrip("=")


def _decoded(cursor: str | None, wanted: str, path: str) -> str:
    if cursor is None:
        return ""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = json.loads(base64.urlsafe_b64decode(padded.encode())) if len(cursor) <= CURSOR_MAX_CHARS else None
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or parts[:2] != [wanted, path] or len(parts) != 3 or not isinstance(parts[2], str):
        raise BadCursorError("The cursor is not one that this directory has given.")
    return parts[2]
