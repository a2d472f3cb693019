from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from perijove_hub.admission.models import Refused
from perijove_hub.admission.service import AdmissionService
from perijove_hub.ledger.database import Database
from tests.support.platforms import open_house, platform, request, site

ROOT = Path(__file__).resolve().parents[3]
ASKS = 20
ONE_SESSION = [{"name": "one", "resource": "sessions", "limit": 1}]

ASKER = """
import asyncio, json, sys
from tests.support.platforms import open_house, platform
from tests.unit.admission.test_parallel import ONE_SESSION, outcomes, asks

async def main():
    async with open_house(sys.argv[1], platform(quotas=ONE_SESSION)) as house:
        sys.stdin.readline()  # both begin together
        print(json.dumps(await outcomes(asks(house.service, 10))))

print("ready", flush=True)
asyncio.run(main())
"""


def asks(service: AdmissionService, count: int = ASKS, **more: Any) -> list[Any]:
    return [service.ask(request(name=f"s{number}", **more)) for number in range(count)]


async def outcomes(calls: list[Any]) -> list[str]:
    """`admitted`, or the refusal's title, of each call; anything else is raised."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    told = []
    for answer in answers:
        if isinstance(answer, Refused):
            told.append(answer.problem.title)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            told.append("admitted")
    return sorted(told)


ONE_OF_THEM = sorted(["admitted", *["Limit reached"] * (ASKS - 1)])


async def test_parallel_asks_for_one_unit_admit_exactly_one(ledger: str) -> None:
    async with open_house(ledger, platform(quotas=ONE_SESSION)) as house:
        assert await outcomes(asks(house.service)) == ONE_OF_THEM
        assert await house.used(quota="one") == 1


async def test_parallel_asks_over_two_connections_admit_exactly_one(ledger: str) -> None:
    policy = platform(quotas=ONE_SESSION)
    async with open_house(ledger, policy) as house:
        other = Database(ledger)
        service = AdmissionService(other, lambda: policy, house.clock)
        assert await outcomes(asks(house.service, 10) + asks(service, 10)) == ONE_OF_THEM
        await other.close()


def test_parallel_asks_from_two_processes_admit_exactly_one(ledger: str) -> None:
    command = [sys.executable, "-c", ASKER, ledger]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    assert sorted(told[0] + told[1]) == ONE_OF_THEM


async def test_parallel_asks_for_the_last_place_of_a_site_admit_exactly_one(ledger: str) -> None:
    async with open_house(ledger, platform(sites={"esac": site(cpu=1)}, quotas=[])) as house:
        calls = [house.service.ask(request(f"user{number}")) for number in range(ASKS)]
        assert await outcomes(calls) == sorted(["admitted", *["No site can run this now"] * (ASKS - 1)])


async def test_the_same_ask_in_parallel_is_one_lease(ledger: str) -> None:
    async with open_house(ledger, platform(quotas=ONE_SESSION)) as house:
        asked = request()
        offers = await asyncio.gather(*(house.service.ask(asked) for _ in range(ASKS)))
        assert {offer.id for offer in offers} == {offers[0].id}
        assert len(await house.service.leases(None, None, 10)) == 1


async def test_a_hundred_asks_at_once_are_all_answered(ledger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # on a loaded machine the last of them may wait for long; who asks over HTTP would be told to ask again
    monkeypatch.setattr("perijove_hub.ledger.engines.TURN_SECONDS", 60)
    async with open_house(ledger, platform(sites={"esac": site(cpu=1000)}, quotas=[])) as house:
        calls = [house.service.ask(request(f"user{number}")) for number in range(100)]
        assert await outcomes(calls) == ["admitted"] * 100


async def test_parallel_asks_over_time_never_pass_the_limit(ledger: str) -> None:
    hours = [{"name": "hours", "resource": "cpu_hours", "window": "day", "limit": 3}]
    policy = platform(quotas=hours, sites={"esac": site(cpu=1000)})
    async with open_house(ledger, policy) as house:
        other = Database(ledger)
        service = AdmissionService(other, lambda: policy, house.clock)
        told = await outcomes(asks(house.service, 10) + asks(service, 10))
        assert told == sorted(["admitted"] * 3 + ["Limit reached"] * (ASKS - 3))
        assert await house.used(quota="hours") == 3
        await other.close()


async def test_parallel_asks_of_a_group_share_its_pool(ledger: str) -> None:
    pool = [{"name": "pool", "resource": "sessions", "limit": 4, "per": "group"}]
    policy = platform(quotas=pool, sites={"esac": site(cpu=1000)})
    async with open_house(ledger, policy) as house:
        calls = [house.service.ask(request(f"user{number}", groups=["euclid"])) for number in range(ASKS)]
        assert await outcomes(calls) == sorted(["admitted"] * 4 + ["Limit reached"] * (ASKS - 4))
