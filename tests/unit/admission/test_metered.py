"""What Prometheus is told of admission: outcomes, moves and times, and never a name."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import generate_latest

from perijove.models import LeasePatch
from perijove_hub.admission.metered import MeteredAdmission
from perijove_hub.admission.models import Refused
from perijove_hub.controller.measures import Measures
from perijove_hub.metrics import REGISTRY, SNAPSHOT
from tests.support.platforms import House, open_house, platform, profile, request, site


def asks() -> dict[str, float]:
    outcomes = ("offered", "over limit", "not possible", "conflict", "invalid", "error")
    return {each: REGISTRY.get_sample_value("perijove_asks_total", {"outcome": each}) or 0.0 for each in outcomes}


def moves(state: str) -> float:
    return REGISTRY.get_sample_value("perijove_moves_total", {"state": state}) or 0.0


def decisions(call: str) -> float:
    return REGISTRY.get_sample_value("perijove_decision_seconds_count", {"call": call}) or 0.0


async def refused(service: MeteredAdmission, **wish: object) -> None:
    with pytest.raises(Refused):
        await service.ask(request(**wish))


async def test_asks_are_counted_by_what_came_of_them_and_decisions_timed(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        service = MeteredAdmission(house.database, lambda: house.platform, house.clock)
        before, moved, timed = asks(), moves("starting"), {call: decisions(call) for call in ("ask", "move", "place")}
        offer = await service.ask(request("ana-canary"))
        await service.ask(request("ana-canary"))
        await refused(service, owner="ana-canary")
        await refused(service, owner="bob", profile="large")
        await refused(service, owner="bob", site="moon")
        await refused(service, owner="bob", attempt_id=offer.attempt_id)
        await service.place("bob", frozenset(), request())
        await service.move(offer.id, LeasePatch(state="starting", site=offer.candidates[0].site))
        counted = {outcome: number - before[outcome] for outcome, number in asks().items()}
        assert counted == {
            "offered": 2, "over limit": 1, "not possible": 1, "conflict": 1, "invalid": 1, "error": 0,
        }  # fmt: skip
        assert moves("starting") - moved == 1
        await service.ask(request("eva", starting=True))
        assert moves("starting") - moved == 2
        assert {call: decisions(call) - number for call, number in timed.items()} == {"ask": 7, "move": 1, "place": 1}
    assert "canary" not in generate_latest(REGISTRY).decode()


async def test_the_gauges_say_what_the_ledger_holds(tmp_path: Path) -> None:
    policy = platform(
        sites={"esac": site(price={"cpu_hour": 0.5}), "cloud-eu": site("Cloud EU", "eu-de-1")},
        profiles={"standard": profile(cpu=2)},
        quotas=[{"name": "two-sessions", "resource": "sessions", "limit": 2}],
        datasets={},
    )
    async with open_house(tmp_path, policy) as house:
        await house.inventory("esac")
        await house.start("ana-canary", "esac")
        await house.start("ana-canary", "esac")
        await house.service.ask(request("bob", site="cloud-eu"))
        house.clock.advance(1800)
        told = await gauges(house)
    assert told["perijove_leases_open", "esac", "session", "active"] == 2
    assert told["perijove_leases_open", "cloud-eu", "session", "offered"] == 1
    assert told["perijove_site_held", "esac", "cpu"] == 4
    assert told["perijove_site_capacity", "esac", "memory_gib"] == 16
    assert (told["perijove_site_up", "esac"], told["perijove_site_up", "cloud-eu"]) == (0, 0)
    assert told["perijove_inventory_age_seconds", "esac"] == 1800
    assert ("perijove_inventory_age_seconds", "cloud-eu") not in told
    assert told["perijove_used_today", "esac", "cpu_hours"] == 2
    assert told["perijove_used_today", "esac", "cost"] == 1
    assert told["perijove_limits_near", "two-sessions", "exhausted"] == 1
    SNAPSHOT.show([])


async def gauges(house: House) -> dict[tuple[str, ...], float]:
    families = await Measures(house.database, lambda: house.platform, house.clock).read()
    SNAPSHOT.show(families)
    assert "canary" not in generate_latest(REGISTRY).decode()
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}
