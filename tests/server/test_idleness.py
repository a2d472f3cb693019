from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.models import Activity
from perijove_server.activity.idleness import NOTEBOOKS_KEPT, Idleness, KernelActivity, SavedNotebooks

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def request(kind: str, request_id: str = "1", **more: Any) -> dict[str, Any]:
    return {"msg_type": kind, "msg_id": request_id, **more}


def notebook(*sources: Any, outputs: str = "") -> dict[str, Any]:
    return {"cells": [{"cell_type": "code", "source": source, "outputs": [outputs]} for source in sources]}


def test_a_cell_counts_when_it_starts_while_it_runs_and_when_it_ends() -> None:
    kernel = KernelActivity()

    assert kernel.hear("busy", request("execute_request"), at(0))
    assert kernel.busy(at(0))
    assert kernel.busy(at(100_000))
    assert kernel.hear("idle", request("execute_request"), at(100_000))
    assert not kernel.busy(at(100_000))


@pytest.mark.parametrize("kind", ["kernel_info_request", "complete_request", "history_request", "debug_request", None])
def test_what_a_tab_asks_when_it_connects_does_not_count(kind: str | None) -> None:
    kernel = KernelActivity()
    parent = {} if kind is None else request(kind)

    assert not kernel.hear("busy", parent, at(0))
    assert not kernel.busy(at(1000))
    assert not kernel.hear("idle", parent, at(1000))


@pytest.mark.parametrize(("seconds", "counts"), [(0.1, False), (9.9, False), (10, True), (3600, True)])
def test_a_widget_counts_when_it_computes_and_not_when_it_redraws(seconds: float, counts: bool) -> None:
    kernel = KernelActivity()

    assert not kernel.hear("busy", request("comm_msg"), at(0))
    assert kernel.busy(at(seconds)) is counts
    assert kernel.hear("idle", request("comm_msg"), at(seconds)) is counts
    assert not kernel.busy(at(seconds))


def test_a_cell_whose_end_was_lost_is_over_with_the_next_request() -> None:
    kernel = KernelActivity()
    kernel.hear("busy", request("execute_request", "lost"), at(0))
    kernel.hear("busy", request("execute_request", "next"), at(5))
    kernel.hear("idle", request("execute_request", "next"), at(6))

    assert not kernel.busy(at(6))


def test_a_restart_ends_whatever_ran() -> None:
    kernel = KernelActivity()
    kernel.hear("busy", request("execute_request"), at(0))
    kernel.hear("starting", {}, at(1))

    assert not kernel.busy(at(1))


def test_subshells_run_beside_each_other() -> None:
    kernel = KernelActivity()
    kernel.hear("busy", request("execute_request", "main"), at(0))
    kernel.hear("busy", request("execute_request", "side", subshell_id="s"), at(1))
    kernel.hear("idle", request("execute_request", "side", subshell_id="s"), at(2))

    assert kernel.busy(at(2))


def test_the_end_of_a_cell_whose_start_was_not_heard_counts() -> None:
    assert KernelActivity().hear("idle", request("execute_request"), at(0))


@given(st.lists(st.tuples(st.sampled_from(["execute_request", "comm_msg", "kernel_info_request"]), st.booleans())))
def test_a_kernel_is_busy_exactly_while_its_last_request_is_open_and_counts(history: list[tuple[str, bool]]) -> None:
    kernel, expected, seconds = KernelActivity(), False, 0.0
    for number, (kind, ends) in enumerate(history):
        kernel.hear("busy", request(kind, str(number)), at(seconds))
        seconds += 60
        if kind != "kernel_info_request":
            expected = not ends
        if ends:
            kernel.hear("idle", request(kind, str(number)), at(seconds))

    assert kernel.busy(at(seconds)) is expected


def test_the_time_of_the_last_activity_never_runs_back() -> None:
    idleness = Idleness(at(100))
    idleness.touch(at(50))

    assert idleness.said(at(200), busy=False) == Activity(last_activity=at(100), busy=False, sent_at=at(200))


def test_a_busy_session_is_active_now() -> None:
    idleness = Idleness(at(0))
    kernel = idleness.kernels["k"] = KernelActivity()
    kernel.hear("busy", request("execute_request"), at(1))

    assert idleness.said(at(500), busy=False) == Activity(last_activity=at(500), busy=True, sent_at=at(500))


def test_a_notebook_counts_when_its_text_changes_and_not_its_outputs() -> None:
    saved = SavedNotebooks()

    assert saved.edited("a.ipynb", notebook("x = 1"))
    assert not saved.edited("a.ipynb", notebook("x = 1", outputs="frame 2"))
    assert not saved.edited("a.ipynb", notebook(["x ", "= 1"], outputs="frame 3"))
    assert saved.edited("a.ipynb", notebook("x = 2"))
    assert saved.edited("a.ipynb", notebook("x = ", "2"))
    assert saved.edited("b.ipynb", notebook("x = ", "2"))


@pytest.mark.parametrize("content", [None, "text", {}, {"cells": None}, {"cells": [None, {"source": 7}, {}]}])
def test_a_malformed_notebook_is_no_trouble(content: Any) -> None:
    saved = SavedNotebooks()

    assert saved.edited("a.ipynb", content)
    assert not saved.edited("a.ipynb", content)


def test_only_so_many_notebooks_are_remembered() -> None:
    saved = SavedNotebooks()
    for number in range(NOTEBOOKS_KEPT + 1):
        saved.edited(f"{number}.ipynb", notebook("x"))

    assert saved.edited("0.ipynb", notebook("x"))
    assert not saved.edited(f"{NOTEBOOKS_KEPT}.ipynb", notebook("x"))
