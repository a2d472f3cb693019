"""What a cluster runs on, asked before the first task and of workers as they come: versions that do not fit are told.

Imported only when a cluster is asked for, as :mod:`perijove.dask_cluster`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Set
from typing import Any

from .versions import (
    PACKAGES,
    Difference,
    Versions,
    differences,
    misfit,
    package_versions,
    python_version,
    told_versions,
)

#: How long schedulers and workers may take to tell their versions, before work goes on without.
VERSIONS_SECONDS = 5.0


class Preflight:
    """What the scheduler and the workers of one cluster have said.

    Args:
        scheduler: calls it, as :func:`distributed.rpc` does.
    """

    def __init__(self, scheduler: Any) -> None:
        self._comm = scheduler
        self._scheduler: Versions | None = None
        #: By their addresses; None: it has said nothing of use.
        self._workers: dict[str, Versions | None] = {}
        #: What was told of a worker is not told again of the next.
        self._told: set[tuple[tuple[Difference, ...], bool]] = set()

    async def check(self) -> str | None:
        """Ask the scheduler and all workers; what does not fit together, in a few words.

        Raises:
            OSError: the scheduler does not answer; or TimeoutError, not in time; so in what follows.
        """
        async with asyncio.timeout(VERSIONS_SECONDS):
            self._scheduler = told_versions(await self._comm.versions(packages=list(PACKAGES)))
            self._workers = await self._ask(None)
        self._is_news(self._workers)
        return self._misfit()

    def newcomers(self, addresses: Iterable[str]) -> set[str]:
        """Those workers of these that were not asked yet; what others have said is forgotten."""
        there = set(addresses)
        self._workers = {each: said for each, said in self._workers.items() if each in there}
        return there - self._workers.keys()

    async def check_newcomers(self, addresses: Set[str]) -> str | None:
        """Ask these workers; what does not fit, if one of them differs in what was not told yet."""
        async with asyncio.timeout(VERSIONS_SECONDS):
            said = await self._ask(addresses)
        self._workers |= dict.fromkeys(addresses) | said
        return self._misfit() if self._is_news(said) else None

    async def _ask(self, addresses: Set[str] | None) -> dict[str, Versions | None]:
        asked = {"op": "versions", "packages": list(PACKAGES)}
        only = {} if addresses is None else {"workers": sorted(addresses)}
        answers = await self._comm.broadcast(msg=asked, on_error="ignore", **only)
        return {at: told_versions(each) if isinstance(each, dict) else None for at, each in answers.items()}

    def _is_news(self, said: dict[str, Versions | None]) -> bool:
        here = _here()
        found = {(tuple(differences(here, each)), bool(each[1].get("perijove"))) for each in said.values() if each}
        news = {(differs, has_it) for differs, has_it in found if differs or not has_it} - self._told
        self._told |= news
        return bool(news)

    def _misfit(self) -> str | None:
        return misfit(_here(), self._scheduler, [each for each in self._workers.values() if each is not None])


def _here() -> Versions:
    return python_version(), package_versions()
