"""The ends of the logs of clusters that failed: asked for one by one, and in no list."""

from __future__ import annotations

from .conftest import DaskBed


def test_a_log_is_told_to_who_asks_for_it_and_is_in_no_list(dask: DaskBed) -> None:
    dask.esac.add("failed", state="failed", log_tail="canary-log: out of memory", dashboard=False)
    dask.esac.add("fine")

    answers = [dask.server.get("dask/clusters"), dask.server.get(dask.path("failed"))]
    asked = len(dask.esac.seen)
    log = dask.server.get(dask.path("failed", "log"))

    assert all("canary-log" not in each.text for each in answers)
    assert {each["name"]: each["has_log"] for each in answers[0].json()["items"]} == {"failed": True, "fine": False}
    assert log.json() == {"log_tail": "canary-log: out of memory"}
    assert len(dask.esac.seen) == asked  # its gateway has told it with the list
    assert dask.server.get(dask.path("fine", "log")).json() == {"log_tail": None}


def test_a_log_of_which_the_gateway_has_not_told_yet_is_asked_for(dask: DaskBed) -> None:
    dask.server.get("dask/clusters")
    dask.esac.add("new", state="failed", log_tail="boom", dashboard=False)

    assert dask.server.get(dask.path("new", "log")).json() == {"log_tail": "boom"}


def test_nobody_reads_the_log_of_others_or_of_none(dask: DaskBed) -> None:
    dask.esac.add("theirs", "canary-hub-token-of-somebody-else", state="failed", log_tail="boom")

    for name in ("theirs", "nobodys"):
        refused = dask.server.get(dask.path(name, "log"))
        assert (refused.status_code, "boom" in refused.text) == (404, False)
