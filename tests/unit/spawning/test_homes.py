"""When homes are measured, and that no size gets lost on its way to control."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from perijove_hub.spawning import homes as homes_module
from perijove_hub.spawning.homes import HomeInUse, HomeSizes

from .sites import ScriptedSite


class Homes:
    """Two sites with the homes that a test says are in use."""

    def __init__(self) -> None:
        self.esac, self.cloud = ScriptedSite("esac"), ScriptedSite("cloud")
        self.in_use: list[HomeInUse] = []
        self.looks = 0
        self.sizes = HomeSizes({"esac": self.esac, "cloud": self.cloud}, self._look)

    def _look(self) -> list[HomeInUse]:
        self.looks += 1
        return list(self.in_use)

    async def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline, (self.esac.asked, self.cloud.asked)
            await asyncio.sleep(0.01)


@pytest.fixture
async def homes(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Homes]:
    monkeypatch.setattr(homes_module, "ROUND_SECONDS", 0.01)
    homes = Homes()
    task = asyncio.create_task(homes.sizes.run())
    yield homes
    task.cancel()


async def test_a_home_in_use_is_measured_on_its_site_again_and_again(homes: Homes) -> None:
    homes.in_use = [("esac", "ana", 0.05), ("esac", "ana", 0.05), ("cloud", "bob", 3600)]
    await homes.until(lambda: len(homes.esac.asked) >= 3)
    assert set(homes.esac.asked) == {"home_bytes ana"}
    assert homes.cloud.asked == ["home_bytes bob"]
    (size,) = homes.sizes.take("esac")
    assert (size.owner, size.used_bytes) == ("ana", 7)


async def test_a_home_is_measured_after_a_stop_however_fresh_its_size_is(homes: Homes) -> None:
    homes.in_use = [("esac", "ana", 3600)]
    await homes.until(lambda: homes.esac.asked == ["home_bytes ana"])
    homes.in_use = []
    for _ in range(3):  # several servers of one user
        homes.sizes.want("esac", "ana")
    await homes.until(lambda: homes.esac.asked == ["home_bytes ana"] * 2)
    homes.sizes.want("nowhere", "ana")


async def test_a_size_is_told_once(homes: Homes) -> None:
    homes.sizes.want("esac", "ana")
    await homes.until(lambda: bool(homes.esac.asked))
    assert [size.owner for size in homes.sizes.take("esac")] == ["ana"]
    assert homes.sizes.take("esac") == []
    assert homes.sizes.take("cloud") == []


async def test_a_size_that_could_not_be_told_is_kept_unless_there_is_a_newer(homes: Homes) -> None:
    for owner in ("ana", "bob"):
        homes.sizes.want("esac", owner)
    await homes.until(lambda: len(homes.esac.asked) == 2)
    old = homes.sizes.take("esac")
    homes.sizes.want("esac", "ana")
    await homes.until(lambda: len(homes.esac.asked) == 3)
    homes.sizes.put_back("esac", old)
    told = {size.owner: size for size in homes.sizes.take("esac")}
    assert set(told) == {"ana", "bob"}
    assert told["ana"].measured_at > old[0].measured_at
    assert told["bob"] == old[1]


async def test_a_slow_site_makes_no_other_late_and_a_home_that_cannot_be_measured_is_not_told(homes: Homes) -> None:
    homes.esac.hangs = True
    homes.sizes.want("esac", "ana")
    homes.sizes.want("cloud", "bob")
    await homes.until(lambda: homes.cloud.asked == ["home_bytes bob"])
    assert [size.owner for size in homes.sizes.take("cloud")] == ["bob"]
    assert homes.sizes.take("esac") == []


async def test_a_home_that_is_wanted_while_it_is_measured_is_measured_again(homes: Homes) -> None:
    homes.esac.hangs = True
    homes.sizes.want("esac", "ana")
    await homes.until(lambda: homes.esac.asked == ["home_bytes ana"])
    homes.in_use = [("esac", "ana", 3600)]  # that alone is no reason to measure it twice
    homes.sizes.want("esac", "ana")
    homes.esac.hangs = False
    homes.esac.released.set()
    await homes.until(lambda: homes.esac.asked == ["home_bytes ana"] * 2)


async def test_a_fault_of_one_look_or_of_one_home_ends_nothing(homes: Homes) -> None:
    homes.in_use = None  # type: ignore[assignment]  # the hub's objects may fail, as when its database is away
    looks = homes.looks
    await homes.until(lambda: homes.looks >= looks + 2)
    homes.in_use = [("esac", "ana", 0.05)]
    homes.esac.fault = RuntimeError("a bug")
    await homes.until(lambda: len(homes.esac.asked) >= 2)
    homes.esac.fault = None
    await homes.until(lambda: bool(homes.sizes.take("esac")))


async def test_a_size_that_presses_is_news_once_and_others_are_none(homes: Homes) -> None:
    homes.sizes.want("esac", "bob")
    await homes.until(lambda: homes.esac.asked == ["home_bytes bob"])
    news = asyncio.create_task(homes.sizes.news("esac"))
    await asyncio.sleep(0.05)
    assert not news.done()
    homes.sizes.want("esac", "ana", pressing=True)
    await asyncio.wait_for(news, 5)
    assert {size.owner for size in homes.sizes.take("esac")} == {"ana", "bob"}
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(homes.sizes.news("esac"), 0.05)
