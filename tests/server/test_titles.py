"""What people call sites and profiles, for a Lab that knows their names."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from perijove.client import AsyncControlClient
from perijove_server.titles import TitleBook
from tests.support.control import TOKEN, FakeControl, threaded_control
from tests.support.jupyter import JupyterServer

NOTHING: dict[str, dict[str, str]] = {"sites": {}, "profiles": {}}
RESOURCES = {"cpu": 1, "memory_gib": 2}


def site(name: str, title: str) -> dict[str, Any]:
    price = {"cpu_hour": 0.1, "memory_gib_hour": 0.01, "gpu_hour": 1.0}
    facts = {"kind": "local", "region": "eu", "health": "up", "load": 0.5, "price": price}
    return {"name": name, "title": title, "capacity": RESOURCES, "homes": True} | facts


def profile(name: str, title: str) -> dict[str, Any]:
    facts = {"description": "", "max_hours": None, "idle_minutes": None, "allowed": True, "reason": None}
    return {"name": name, "title": title, "resources": RESOURCES} | facts


@dataclass
class Played:
    """A control that is played, and a book that asks it."""

    control: FakeControl
    book: TitleBook


@pytest.fixture
async def played() -> AsyncIterator[Played]:
    with threaded_control() as control:
        client = AsyncControlClient(control.url, TOKEN)
        played = Played(control, TitleBook(client, logging.getLogger(__name__)))
        yield played
        await played.book.close()
        await client.aclose()


async def test_sites_and_profiles_have_titles_which_are_asked_for_once(played: Played) -> None:
    played.control.sites, played.control.profiles = [site("esac", "ESAC")], [profile("standard", "Standard")]
    first = await played.book.titles()
    played.control.sites, played.control.profiles = None, None

    assert first == {"sites": {"esac": "ESAC"}, "profiles": {"standard": "Standard"}}
    assert await played.book.titles() == first


async def test_control_that_is_away_is_not_asked_again_at_once(played: Played) -> None:
    played.control.sites = None
    assert await played.book.titles() == NOTHING
    played.control.sites = [site("esac", "ESAC")]

    assert await played.book.titles() == NOTHING


async def test_titles_are_asked_for_again_after_a_while(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perijove_server.titles.AGAIN_SECONDS", -1.0)
    played.control.profiles = None
    assert await played.book.titles() == NOTHING
    played.control.sites, played.control.profiles = [site("esac", "ESAC")], []

    assert (await played.book.titles())["sites"] == {"esac": "ESAC"}


def test_the_limits_come_with_titles(server: JupyterServer) -> None:
    assert server.get("usage").json()["titles"] == NOTHING
