"""All datasets as one list: the platform file's and those of the catalogues of others; and the trees of these."""

from __future__ import annotations

import base64
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from perijove.models import PLATFORM_CATALOGUE, CatalogueView, Dataset, PresignedPath, Replica, TreeEntry
from perijove.places import Allowed, ForbiddenAddressError, check_address, is_outside
from perijove_hub.catalogue import texts
from perijove_hub.catalogue.citations import bibtex
from perijove_hub.catalogue.guarded import GuardedSession
from perijove_hub.catalogue.harvest import Asker, Harvester, state_of
from perijove_hub.catalogue.models import BadCursorError, Branch, CatalogueError, Found, Harvest
from perijove_hub.catalogue.names import dataset_id
from perijove_hub.catalogue.providers import Provider
from perijove_hub.catalogue.search import Entry, Query, Result, entry, rank, search
from perijove_hub.catalogue.service import describe
from perijove_hub.ledger.database import Database
from perijove_hub.policy.base import EVERYBODY
from perijove_hub.policy.catalogues import CatalogueSpec
from perijove_hub.policy.models import Platform

#: How long a directory of a catalogue of others is believed to be as it was, and how many are kept.
BRANCH_SECONDS = 60.0
BRANCHES_KEPT = 256
CURSOR_MAX_CHARS = 6000


@dataclass(frozen=True)
class _Index:
    """All entries, made anew when the platform file or a snapshot changes."""

    version: str
    harvests: object
    entries: list[Entry]
    by_id: dict[str, Entry]
    linked: dict[str, tuple[str, Found]]


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
        self._index = _Index("", None, [], {}, {})
        self._branches: OrderedDict[tuple[object, ...], tuple[Branch, float]] = OrderedDict()

    def search(self, query: Query, groups: frozenset[str]) -> Result:
        """What fits the query and these groups may see; facets are counted."""
        platform = self._platform()
        titles = {PLATFORM_CATALOGUE: "This platform"} | {
            name: spec.title for name, spec in platform.catalogues.items()
        }
        return search(self._indexed().entries, query, groups, titles)

    def find(self, wanted: str, groups: frozenset[str]) -> Entry | None:
        """A dataset that these groups may see, or None."""
        found = self._indexed().by_id.get(wanted)
        return found if found is not None and found.may_see(groups) else None

    def shown(self, found: Entry, groups: frozenset[str], site: str | None) -> Dataset:
        """A dataset as it goes to a member of these groups at a site."""
        dataset = found.dataset
        if dataset.catalogue == PLATFORM_CATALOGUE:
            dataset = describe(self._platform(), dataset.id, site)
        return dataset.model_copy(update={"readable": found.may_read(groups, self._clock())})

    def views(self, groups: frozenset[str]) -> list[CatalogueView]:
        """The catalogues of others that these groups may see, by title."""
        counts: dict[str, int] = {}
        for each in self._indexed().entries:
            counts[each.dataset.catalogue] = counts.get(each.dataset.catalogue, 0) + each.may_see(groups)
        seen = [
            self._view(name, spec, counts.get(name, 0))
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
        name, found = self._indexed().linked[wanted]
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
        name, found = self._indexed().linked[wanted]
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

    def _indexed(self) -> _Index:
        platform, harvests = self._platform(), self.harvester.harvests()
        if self._index.version == platform.version and self._index.harvests is harvests:
            return self._index
        entries = [
            entry(
                describe(platform, name, None),
                spec.groups,
                spec.embargo.groups if spec.embargo else (),
            )
            for name, spec in platform.datasets.items()
        ]
        linked: dict[str, tuple[str, Found]] = {}
        for name, harvest in harvests.items():
            spec = platform.catalogues.get(name)
            if spec is None or spec.fingerprint != harvest.fingerprint:
                continue
            for found in harvest.found:
                dataset = _dataset(name, spec, found)
                linked[dataset.id] = (name, found)
                entries.append(entry(dataset, spec.groups, more=spec.title))
        by_id = {each.dataset.id: each for each in entries}
        self._index = _Index(platform.version, harvests, list(by_id.values()), by_id, linked)
        return self._index


def _may_see(spec: CatalogueSpec, groups: frozenset[str]) -> bool:
    """Whether a member of these groups may know of a catalogue."""
    return EVERYBODY in spec.groups or not groups.isdisjoint(spec.groups)


def after(result: Result, query: Query, cursor: Sequence[str] | None) -> list[Entry]:
    """The entries of a result after the one that a cursor names.

    Raises:
        BadCursorError: the cursor is of another kind.
    """
    if cursor is None:
        return result.entries
    try:
        hits, linked, last = cursor
        place = (int(hits), linked == "1", last)
    except ValueError as error:
        raise BadCursorError("Take `cursor` from the `next` of the page before.") from error
    return [each for each in result.entries if rank(each, query) > place]


def place_of(each: Entry, query: Query) -> list[str]:
    """The cursor that names an entry."""
    hits, linked, last = rank(each, query)
    return [str(hits), "1" if linked else "0", last]


def _dataset(name: str, spec: CatalogueSpec, found: Found) -> Dataset:
    """A dataset of a catalogue of others as it goes over the wire."""
    own = dataset_id(name, found.local)
    allowed = Allowed.of(spec.url, spec.allow_private)
    landing_url = found.landing_url if is_outside(found.landing_url, allowed) else None
    providers = [
        each if each.url is None or is_outside(each.url, allowed) else each.model_copy(update={"url": None})
        for each in found.providers
    ]
    # how far it is, and what it costs whom, nobody knows: it is as far for all sites
    replica = Replica(id=name, site=None, region="elsewhere", url=spec.url, endpoint=None, rank=0, egress_cost=None)
    return Dataset(
        id=own,
        catalogue=name,
        title=found.title,
        description=found.description,
        licence=found.licence or spec.licence,
        doi=found.doi,
        keywords=found.keywords,
        providers=providers,
        formats=found.formats,
        size_bytes=found.size_bytes,
        extent=texts.extent({**(found.extent or {}), "frame": spec.frame}) if spec.frame == texts.SKY else found.extent,
        delivery="linked",
        replicas=[replica],
        citation=found.citation
        or bibtex(own, found.title, found.providers, found.year, found.doi, landing_url or spec.url),
        landing_url=landing_url,
    )


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
