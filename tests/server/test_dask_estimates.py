"""The arithmetic of what a cluster would hold, cost and leave of the limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perijove.errors import BadRequest
from perijove.models import Price, QuotaView, SiteView
from perijove.models.compute import Estimate
from perijove.models.gateways import ClusterNeed
from perijove_server.dask.estimates import AT_ONCE, OVER_TIME, estimate

from .conftest import DaskBed

PRICE = Price(cpu_hour=0.1, memory_gib_hour=0.01, gpu_hour=2)
UNITS = {"clusters": "clusters", "cpu": "cores", "memory_gib": "GiB", "gpu": "GPUs", "cpu_hours": "core hours"}


def need(workers_max: int | None = 20, **worker: float) -> ClusterNeed:
    holds = {"cpu": 2, "memory_gib": 4} | worker
    scheduler = {"cpu": 1, "memory_gib": 2}
    return ClusterNeed.model_validate(
        {"scheduler": scheduler, "worker": holds, "workers_max": workers_max, "idle_stop_seconds": 60}
    )


def quota(resource: str, limit: float, used: float = 0, **change: Any) -> QuotaView:
    said = {"name": f"q-{resource}".replace("_", "-"), "unit": UNITS.get(resource, "EUR"), "per": "user", "state": "ok"}
    return QuotaView.model_validate({"resource": resource, "limit": limit, "used": used} | said | change)


def estimated(needs: ClusterNeed, workers: int, *quotas: QuotaView, site: SiteView | None = None) -> Estimate:
    return estimate(needs, workers, gateway="esac", title="ESAC", price=PRICE, quotas=quotas, currency="EUR", site=site)


def site(**change: Any) -> SiteView:
    said = {"name": "esac", "title": "ESAC", "kind": "local", "region": "eu", "health": "up", "load": 0.0}
    there = {"price": PRICE.model_dump(), "capacity": {"cpu": 16, "memory_gib": 64}, "homes": True}
    return SiteView.model_validate(said | there | change)


def test_without_limits_everything_fits() -> None:
    said = estimated(need(workers_max=None), 100)

    assert (said.fits, said.why_not, said.limits) == (True, None, [])
    assert (said.resources.cpu, said.resources.memory_gib) == (201, 402)
    assert said.cost_hour == pytest.approx(24.12)


NOBODY = "Not even a cluster without workers fits now."
MONTH = quota("cpu_hours", 40, 36, window="month")
POOL = quota("credits", 5, 4.5, window="allocation", per="group", subject="group:euclid")


@pytest.mark.parametrize(
    ("limit", "workers", "used", "needed", "fits"),
    [
        (quota("cpu", 10, 4), 3, "4 of 10 cores are used", "7 more", "2 workers fit now."),
        (quota("cpu", 10, 7.5), 1, "7.5 of 10 cores are used", "3 more", "A cluster without workers fits now."),
        (quota("cpu", 10, 10), 0, "10 of 10 cores are used", "1 more", NOBODY),
        (quota("clusters", 2, 2), 0, "2 of 2 clusters are used", "1 more", NOBODY),
        (MONTH, 2, "36 of 40 core hours are used this month", "5 more an hour", "1 worker fits now."),
        (POOL, 2, "4.5 of 5 EUR are used of the allocation", "0.6 more an hour", "1 worker fits now."),
    ],
)
def test_what_is_in_the_way_is_a_sentence(limit: QuotaView, workers: int, used: str, needed: str, fits: str) -> None:
    said = estimated(need(), workers, limit)

    name = f"{limit.name} of group euclid" if limit is POOL else limit.name
    assert not said.fits
    assert said.why_not == f"The limit {name} is in the way: {used}, and this cluster needs {needed}. {fits}"


def test_what_a_gateway_allows_is_in_the_way_too() -> None:
    said = estimated(need(), 21, quota("cpu", 1000))

    assert said.why_not == "A cluster of ESAC has 20 workers at most. 20 workers fit now."


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ({"closed": "takes no starts until 09:00: cooling."}, "ESAC takes no starts until 09:00: cooling."),
        ({"health": "down", "health_reason": "has not answered since 08:00"}, "ESAC has not answered since 08:00."),
        ({"health": "down"}, "ESAC does not answer."),
        (
            {"capacity": {"cpu": 4, "memory_gib": 64}},
            "ESAC has 4 cores in all, and this cluster needs 5.",
        ),
    ],
)
def test_a_site_that_does_not_take_it_is_in_the_way(there: dict[str, Any], words: str) -> None:
    said = estimated(need(), 2, quota("cpu", 1), site=site(**there))

    assert (said.fits, said.why_not, said.warning) == (False, words, None)


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (1.0, "ESAC is full now: the cluster may not start, or without workers."),
        (0.75, "ESAC is 75% full now: not all of the workers may start."),
        (0.68, None),
        (0.0, None),
    ],
)
def test_a_site_that_is_full_or_nearly_so_is_warned_of(load: float, words: str | None) -> None:
    said = estimated(need(), 2, site=site(load=load))

    assert (said.fits, said.why_not, said.warning) == (True, None, words)


def test_the_server_asks_control_for_the_site_and_does_without_while_it_does_not_say(dask: DaskBed) -> None:
    there = site(closed="takes no starts: moving house").model_dump(mode="json")
    dask.control.sites = [there | {"name": "cloud-eu"}]
    elsewhere = dask.server.http.post("dask/estimates", json={"gateway": "esac"}).json()
    dask.control.sites = [there]
    closed = dask.server.http.post("dask/estimates", json={"gateway": "esac"}).json()
    dask.control.sites = None
    unsaid = dask.server.http.post("dask/estimates", json={"gateway": "esac"}).json()

    assert (closed["fits"], closed["why_not"]) == (False, "ESAC takes no starts: moving house.")
    assert (elsewhere["fits"], unsaid["fits"]) == (True, True)


def test_limits_that_the_cluster_does_not_touch_are_left_out() -> None:
    others = [quota("sessions", 1, 2), quota("home_gib", 1, 2), quota("gpu", 0, 1), quota("of-a-later-version", 0)]
    elsewhere = quota("cpu", 0, per="site", subject="site:cloud")
    here = quota("cpu", 100, per="site", subject="site:esac", window=None)

    said = estimated(need(), 1, *others, elsewhere, here)

    assert [(each.label, each.left, each.limit) for each in said.limits] == [("Cores at once of site esac", 97, 100)]
    assert said.fits


def test_what_nothing_can_be_is_refused() -> None:
    with pytest.raises(BadRequest, match="1000000000 workers of this size"):
        estimated(need(), 10**9)


numbers = st.floats(min_value=0, max_value=500, allow_nan=False).map(lambda value: round(value, 3))
quotas = st.lists(
    st.builds(
        lambda resource, limit, used: quota(resource, limit, used, window="month" if resource in OVER_TIME else None),
        st.sampled_from([*AT_ONCE, *OVER_TIME]),
        numbers,
        numbers,
    ),
    max_size=5,
)
needs = st.builds(
    lambda cpu, memory, gpu, most: need(most, cpu=cpu, memory_gib=memory, gpu=gpu),
    st.floats(min_value=0.01, max_value=16).map(lambda value: round(value, 2)),
    st.floats(min_value=0.01, max_value=64).map(lambda value: round(value, 2)),
    st.integers(min_value=0, max_value=4),
    st.none() | st.integers(min_value=0, max_value=200),
)


@given(needs, quotas, st.integers(min_value=0, max_value=300))
def test_it_fits_when_nothing_is_left_below_zero(needs: ClusterNeed, limits: list[QuotaView], workers: int) -> None:
    said = estimated(needs, workers, *limits)

    enough = all(each.left >= -1e-5 for each in said.limits)
    assert said.fits is (said.why_not is None)
    if said.fits:
        assert enough
        assert needs.workers_max is None or workers <= needs.workers_max
    elif needs.workers_max is None or workers <= needs.workers_max:
        assert any(each.left < 0 for each in said.limits)


@given(needs, quotas, st.integers(min_value=1, max_value=300))
def test_fewer_workers_leave_more(needs: ClusterNeed, limits: list[QuotaView], workers: int) -> None:
    more, fewer = estimated(needs, workers, *limits), estimated(needs, workers - 1, *limits)

    assert fewer.fits or not more.fits
    left = {each.name: each.left for each in fewer.limits}
    assert all(each.left <= left[each.name] + 1e-6 for each in more.limits if each.name in left and len(limits) == 1)
    assert more.cost_hour is not None
    assert fewer.cost_hour is not None
    assert more.cost_hour >= fewer.cost_hour


@given(needs, quotas, st.integers(min_value=0, max_value=300))
def test_what_is_said_to_fit_fits_and_one_more_does_not(
    needs: ClusterNeed, limits: list[QuotaView], workers: int
) -> None:
    why_not = estimated(needs, workers, *limits).why_not
    assume(why_not is not None)
    sentence = str(why_not).rsplit(". ", 1)[1]
    if sentence.startswith("Not even"):
        assert not estimated(needs, 0, *limits).fits
        return
    most = 0 if sentence.startswith("A cluster without") else int(sentence.split()[0])
    assert estimated(needs, most, *limits).fits
    assert not estimated(needs, most + 1, *limits).fits
