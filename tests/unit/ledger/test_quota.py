from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perijove.models import Resources
from perijove_hub.ledger.quota import Held, applicable_quotas, first_over_limit, view_quota
from perijove_hub.policy.models import Quota


def quota(name: str = "q", *, groups: list[str] | None = None, **more: Any) -> Quota:
    said = {"name": name, "resource": "sessions", "limit": 2, "applies_to": {"groups": groups or ["*"]}, **more}
    return Quota.model_validate(said)


def needs(cpu: float = 1, memory_gib: float = 2, gpu: int = 0) -> Resources:
    return Resources(cpu=cpu, memory_gib=memory_gib, gpu=gpu)


def test_of_several_limits_the_most_generous_that_matches_binds() -> None:
    quotas = [
        quota("all", limit=1),
        quota("staff", groups=["staff"], limit=5),
        quota("euclid", groups=["euclid", "xmm"], limit=3),
        quota("cores", resource="cpu", limit=8),
    ]

    def names(*groups: str) -> set[str]:
        return {each.name for each in applicable_quotas(quotas, frozenset(groups))}

    assert names() == {"all", "cores"}
    assert names("euclid") == {"euclid", "cores"}
    assert names("xmm", "staff") == {"staff", "cores"}


def test_a_limit_for_others_does_not_bind() -> None:
    assert applicable_quotas([quota(groups=["staff"])], frozenset({"euclid"})) == []


@pytest.mark.parametrize(
    ("said", "held", "detail"),
    [
        ({}, Held(sessions=1), None),
        ({}, Held(sessions=2), "Limit q reached: 2 of 2 sessions used. Stop a running server, then start this one."),
        (
            {"resource": "cpu", "limit": 6},
            Held(cpu=5.5),
            "Limit q would be passed: 5.5 of 6 cores used, and 1 more are needed. "
            "Stop a running server or choose a smaller profile.",
        ),
        ({"resource": "cpu", "limit": 6}, Held(cpu=5), None),
        (
            {"resource": "memory_gib", "limit": 3},
            Held(memory_gib=2),
            "Limit q would be passed: 2 of 3 GiB used, and 2 more are needed. "
            "Stop a running server or choose a smaller profile.",
        ),
        ({"limit": 0}, Held(), "Limit q reached: 0 of 0 sessions used. Stop a running server, then start this one."),
        ({"resource": "gpu", "limit": 0}, Held(), None),
    ],
)
def test_one_more_session_fits_or_is_refused_in_one_sentence(
    said: dict[str, Any], held: Held, detail: str | None
) -> None:
    over = first_over_limit([quota(**said)], held, needs())
    assert (over.detail if over else None) == detail


def test_a_lowered_limit_refuses_only_what_asks_for_more_of_it() -> None:
    quotas = [quota("gpus", resource="gpu", limit=1), quota("cores", resource="cpu", limit=4)]
    held = Held(sessions=1, cpu=2, gpu=2)
    assert first_over_limit(quotas, held, needs(gpu=0)) is None
    over = first_over_limit(quotas, held, needs(gpu=1))
    assert over is not None
    assert (over.quota.name, over.used, over.needed) == ("gpus", 2.0, 1.0)


@given(st.lists(st.floats(0.01, 4), min_size=1, max_size=40))
def test_what_was_granted_piece_by_piece_fits_a_limit_of_their_sum(pieces: list[float]) -> None:
    limit = quota(resource="cpu", limit=sum(sorted(pieces)))
    held = 0.0
    for piece in pieces:
        assert first_over_limit([limit], Held(cpu=held), needs(cpu=piece)) is None
        held += piece
    assert first_over_limit([limit], Held(cpu=held), needs(cpu=0.01)) is not None


@pytest.mark.parametrize(
    ("said", "held", "state"),
    [
        ({"limit": 10}, Held(sessions=7), "ok"),
        ({"limit": 10}, Held(sessions=8), "warning"),
        ({"limit": 10}, Held(sessions=10), "exhausted"),
        ({"limit": 10}, Held(sessions=12), "exhausted"),
        ({"limit": 10, "warn_at": [0.9, 0.5]}, Held(sessions=5), "warning"),
        ({"limit": 10, "warn_at": []}, Held(sessions=9), "ok"),
        ({"limit": 0}, Held(), "exhausted"),
    ],
)
def test_a_limit_is_shown_with_what_is_used_and_when_it_gets_tight(
    said: dict[str, Any], held: Held, state: str
) -> None:
    view = view_quota(quota(**said), held)
    assert view.model_dump() == {
        "name": "q",
        "resource": "sessions",
        "unit": "sessions",
        "limit": said["limit"],
        "used": held.sessions,
        "per": "user",
        "window": None,
        "window_end": None,
        "state": state,
    }
