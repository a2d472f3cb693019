"""Workers of a cluster that does not run yet: the server asks for them, though nobody waits for that."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from .conftest import DaskBed


def make(dask: DaskBed, status: int = 201, **wish: Any) -> Any:
    """Ask for a cluster at ``esac``; it does not start before the test lets it."""
    dask.esac.starts = False
    answer = dask.server.http.post("dask/clusters", json=wish)
    assert answer.status_code == status, answer.text
    return answer.json().get("cluster", answer.json())


def sizes(dask: DaskBed) -> list[tuple[str, Any]]:
    """What the gateway was asked for, in order."""
    asked = [each for each in dask.esac.seen if each.path.rpartition("/")[2] in ("scale", "adapt")]
    return [(each.path.rpartition("/")[2], each.body) for each in asked]


def listed(dask: DaskBed, name: str) -> Any:
    (found,) = [each for each in dask.server.get("dask/clusters").json()["items"] if each["name"] == name]
    return found


def wait(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline, "it did not come in 20 s"
        time.sleep(0.05)


def nobody_waits(dask: DaskBed, name: str) -> None:
    """Once the server has let go of a cluster, what is asked of it goes straight to its gateway."""
    asked = len(dask.esac.requests(f"/clusters/{name}"))
    time.sleep(2.5)  # longer than the server pauses between two questions
    assert len(dask.esac.requests(f"/clusters/{name}")) == asked


def test_a_cluster_gets_its_workers_once_it_runs_though_nobody_waits(dask: DaskBed) -> None:
    made = make(dask, workers=3)
    while_it_starts = listed(dask, made["name"])
    dask.esac.starts = True
    wait(lambda: bool(sizes(dask)))

    assert (made["workers_wanted"], made["adaptive"], made["state"]) == (3, None, "requested")
    assert while_it_starts["workers_wanted"] == 3
    assert sizes(dask) == [("scale", {"count": 3})]
    nobody_waits(dask, made["name"])
    assert listed(dask, made["name"])["workers_wanted"] == 3


def test_a_cluster_chooses_between_bounds_once_it_runs(dask: DaskBed) -> None:
    made = make(dask, minimum=1, maximum=6)
    dask.esac.starts = True
    wait(lambda: bool(sizes(dask)))

    assert (made["workers_wanted"], made["adaptive"]) == (1, {"minimum": 1, "maximum": 6})
    assert sizes(dask) == [("adapt", {"minimum": 1, "maximum": 6, "active": True})]


def test_of_two_wishes_for_a_cluster_that_starts_the_later_one_is_done(dask: DaskBed) -> None:
    made = make(dask, workers=3)
    scaled = dask.server.http.post(dask.path(made["name"], "scale"), json={"workers": 5})
    adapted = dask.server.http.post(dask.path(made["name"], "adapt"), json={"maximum": 7})
    dask.esac.starts = True
    wait(lambda: bool(sizes(dask)))

    assert (scaled.status_code, scaled.json()["cluster"]["workers_wanted"]) == (200, 5)
    assert adapted.json()["cluster"]["adaptive"] == {"minimum": 0, "maximum": 7}
    assert sizes(dask) == [("adapt", {"minimum": 0, "maximum": 7, "active": True})]


def test_who_scaled_it_from_a_notebook_meanwhile_has_said_the_last_word(dask: DaskBed) -> None:
    made = make(dask, workers=3)
    dask.esac.clusters[made["name"]].update(state="running", workers_wanted=8)

    wait(lambda: listed(dask, made["name"])["workers_wanted"] == 8)

    nobody_waits(dask, made["name"])
    assert sizes(dask) == []


@pytest.mark.parametrize("way", ["one", "all"])
def test_a_cluster_that_is_stopped_while_it_starts_gets_none(dask: DaskBed, way: str) -> None:
    made = make(dask, workers=3)
    path = dask.path(made["name"]) if way == "one" else "dask/clusters"
    dask.server.http.delete(path).raise_for_status()
    dask.esac.starts = True

    nobody_waits(dask, made["name"])
    assert sizes(dask) == []
    assert listed(dask, made["name"])["workers_wanted"] == 0


def test_a_cluster_that_fails_gets_none(dask: DaskBed) -> None:
    made = make(dask, workers=3)
    dask.esac.clusters[made["name"]].update(state="failed", dashboard=False)

    wait(lambda: listed(dask, made["name"])["workers_wanted"] == 0)
    assert sizes(dask) == []


def test_what_the_gateway_does_not_do_is_told_in_the_list_until_the_next_wish(dask: DaskBed) -> None:
    made = make(dask, workers=50)
    dask.esac.starts = True
    wait(lambda: listed(dask, made["name"])["said"] is not None)
    capped = listed(dask, made["name"])
    dask.server.http.post(dask.path(made["name"], "scale"), json={"workers": 2}).raise_for_status()

    assert capped["said"].endswith("Scaling to 20 instead.")
    assert capped["workers_wanted"] == 20
    assert f"cluster {made['name']} at esac: Scale request of 50 workers" in dask.server.log()
    assert listed(dask, made["name"])["said"] is None


def test_a_refusal_is_told_in_the_list_and_in_the_log(dask: DaskBed) -> None:
    made = make(dask, workers=3)
    dask.esac.fault, dask.esac.fault_path = 422, "/scale"
    dask.esac.starts = True

    wait(lambda: listed(dask, made["name"])["said"] is not None)

    assert listed(dask, made["name"])["said"].startswith("Its workers were not asked for: Ordered by the test: 422")
    assert f"cluster {made['name']} at esac: Its workers were not asked for" in dask.server.log()


def test_a_gateway_that_is_away_for_a_while_is_asked_again(dask: DaskBed) -> None:
    made = make(dask, workers=3)
    dask.esac.fault = 503
    dask.esac.starts = True
    wait(lambda: len([each for each in dask.esac.requests(made["name"]) if each.query == "wait"]) > 1)
    dask.esac.fault = None

    wait(lambda: bool(sizes(dask)))

    assert sizes(dask) == [("scale", {"count": 3})]


def test_a_cluster_without_a_size_is_left_alone(dask: DaskBed) -> None:
    made = make(dask, workers=0)
    dask.esac.clusters[made["name"]]["state"] = "running"

    nobody_waits(dask, made["name"])
    assert sizes(dask) == []


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ({"workers": 2, "maximum": 4}, "either workers or minimum and maximum"),
        ({"workers": 2, "minimum": 0}, "either workers or minimum and maximum"),
        ({"minimum": 2}, "goes with a maximum"),
        ({"minimum": 5, "maximum": 4}, "goes with a maximum that is not less"),
        ({"workers": -1}, "workers"),
        ({"maximum": 10**10}, "maximum"),
    ],
)
def test_a_size_that_cannot_be_is_refused_before_anybody_is_asked(
    dask: DaskBed, wish: dict[str, Any], words: str
) -> None:
    refused = make(dask, status=400, **wish)

    assert words in refused["detail"]
    assert not dask.esac.seen
