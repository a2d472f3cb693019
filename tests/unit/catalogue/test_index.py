"""The index of all datasets: made off the event loop, and only what has changed of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from perijove_hub.catalogue import federation, index, snapshots
from perijove_hub.catalogue.federation import Federation
from perijove_hub.catalogue.index import Index
from perijove_hub.catalogue.models import Found, FoundList, Harvest
from perijove_hub.catalogue.search import Query
from perijove_hub.ledger.database import Database
from perijove_hub.policy.models import Platform
from tests.support.platforms import dataset, platform
from tests.support.platforms import replica as copy

NAMES = ("earth", "sky")
GROUPS = frozenset({"astro"})


def of(title: str = "Earth") -> Platform:
    catalogues = {name: {"kind": "stac", "title": title, "url": f"https://{name}.example/stac"} for name in NAMES}
    return platform(catalogues=catalogues, datasets={"own": dataset(copy(site="esac"))})


def harvest(policy: Platform, name: str, *locals_: str, **more: Any) -> Harvest:
    found = tuple(Found(local=local, title=local.title()) for local in locals_)
    return Harvest(policy.catalogues[name].fingerprint, 1, datetime.now(UTC), found=found, **more)


def heard(policy: Platform) -> dict[str, Harvest]:
    return {"earth": harvest(policy, "earth", "sea", "land"), "sky": harvest(policy, "sky", "stars.north")}


def ids(made: Index) -> set[str]:
    return {each.dataset.id for each in made.entries()}


def test_all_are_in_it_and_are_found_by_their_ids() -> None:
    policy = of()
    made = Index().renewed(policy, heard(policy))

    assert ids(made) == {"own", "earth.sea", "earth.land", "sky.stars~2enorth"}
    assert len(made) == 4
    for each in ids(made):
        found = made.find(each)
        assert found is not None
        assert found.dataset.id == each
    assert [made.find(wrong) for wrong in ("earth", "earth.", "sea", "moon.sea", "own.x", "")] == [None] * 6
    assert made.linked("sky.stars~2enorth")[1].title == "Stars.North"
    for wrong in ("own", "earth.mars", "moon.sea"):
        with pytest.raises(KeyError):
            made.linked(wrong)


def test_a_failure_changes_nothing_of_it() -> None:
    policy = of()
    known = heard(policy)
    made = Index().renewed(policy, known)
    assert made.is_of(policy, {**known, "sky": replace(known["sky"], failures=3, error="It answered 503.")})


def test_only_the_catalogue_that_found_something_else_is_made_anew() -> None:
    policy = of()
    known = heard(policy)
    made = Index().renewed(policy, known)
    now = {**known, "sky": harvest(policy, "sky", "moon")}
    assert not made.is_of(policy, now)

    then = made.renewed(policy, now)

    assert then.parts["earth"] is made.parts["earth"]
    assert then.own is made.own
    assert ids(then) == {"own", "earth.sea", "earth.land", "sky.moon"}


def test_another_platform_file_counts_and_a_catalogue_that_is_gone_or_elsewhere_is_not_in_it() -> None:
    policy = of()
    known = heard(policy)
    made = Index().renewed(policy, known)
    renamed = of("Another title").model_copy(update={"version": "2"})
    assert not made.is_of(renamed, known)
    assert made.renewed(renamed, known).parts["sky"].spec.title == "Another title"

    moved = {"earth": known["earth"], "sky": replace(known["sky"], fingerprint="of another address")}
    assert ids(made.renewed(policy, moved)) == {"own", "earth.sea", "earth.land"}
    assert ids(made.renewed(policy, {"earth": known["earth"]})) == {"own", "earth.sea", "earth.land"}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What was done, and by which thread."""
    done: list[tuple[str, int]] = []
    make, search = index._part, federation.search

    def made(name: str, *rest: Any) -> Any:
        done.append((name, threading.get_ident()))
        return make(name, *rest)

    def searched(*arguments: Any) -> Any:
        done.append(("search", threading.get_ident()))
        return search(*arguments)

    monkeypatch.setattr(index, "_part", made)
    monkeypatch.setattr(federation, "search", searched)
    return done


async def federated(
    policy: Platform, known: Mapping[str, Harvest], monkeypatch: pytest.MonkeyPatch, ledger: str
) -> Federation:
    found = Federation(Database(ledger), lambda: policy, lambda: datetime.now(UTC))
    monkeypatch.setattr(found.harvester, "harvests", lambda: known)
    return found


async def test_what_takes_long_is_not_done_on_the_event_loop_and_once_for_all_who_wait(
    seen: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, ledger: str
) -> None:
    policy = of()
    known = heard(policy)
    catalogue = await federated(policy, known, monkeypatch, ledger)
    found = await asyncio.gather(*(catalogue.find("earth.sea", GROUPS) for _ in range(5)))
    assert all(found)
    assert sorted(name for name, _ in seen) == ["earth", "sky"]

    result = await catalogue.search(Query(words=("sea",)), GROUPS)
    assert [each.dataset.id for each in result.entries] == ["earth.sea"]
    assert seen.pop() == ("search", threading.get_ident())  # of a few, a thread would take longer than the search
    monkeypatch.setattr(federation, "SEARCHED_AT_ONCE", 3)
    assert (await catalogue.search(Query(words=("sea",)), GROUPS)).entries == result.entries

    assert [name for name, _ in seen[2:]] == ["search"]
    assert threading.get_ident() not in {thread for _, thread in seen}
    known["sky"] = replace(known["sky"], failures=1)
    await catalogue.find("sky.x", GROUPS)
    assert len(seen) == 3, "a failure makes nothing anew"
    await catalogue.close()


async def test_a_catalogue_that_moved_is_in_it_again_once_another_control_has_asked_there(ledger: str) -> None:
    """What it names there may be the very same."""
    policies = [of(), of()]
    moved = policies[1].catalogues["sky"].model_copy(update={"url": "https://sky.example/elsewhere"})
    policies[1].catalogues["sky"] = moved
    policies[1] = policies[1].model_copy(update={"version": "2"})
    database = Database(ledger)

    async def heard_by_another(policy: Platform) -> None:
        now, later = datetime.now(UTC), datetime.now(UTC) + timedelta(hours=1)
        for name, spec in policy.catalogues.items():
            text = FoundList(items=[Found(local="stars", title="Stars")]).model_dump_json()
            await database.transact(
                partial(snapshots.claim, name=name, fingerprint=spec.fingerprint, now=now, until=later)
            )
            await database.transact(
                partial(snapshots.succeeded, name=name, fingerprint=spec.fingerprint, now=now, due=later, text=text)
            )

    catalogue = Federation(database, lambda: policies[0], lambda: datetime.now(UTC))
    await heard_by_another(policies[0])
    await catalogue.harvester.look()
    assert await catalogue.find("sky.stars", GROUPS)
    policies.pop(0)
    assert not await catalogue.find("sky.stars", GROUPS)
    await heard_by_another(policies[0])
    await catalogue.harvester.look()
    assert await catalogue.find("sky.stars", GROUPS)
    await catalogue.close()


async def test_a_dataset_that_is_taken_out_while_it_is_looked_for_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, ledger: str
) -> None:
    policy = of()
    catalogue = await federated(policy, {}, monkeypatch, ledger)
    found = await catalogue.find("own", GROUPS)
    assert found is not None
    policy.datasets.clear()
    assert catalogue.shown(found, GROUPS, "esac").id == "own"
    await catalogue.close()
