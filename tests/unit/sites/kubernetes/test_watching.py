"""The hub's picture of a cluster."""

from __future__ import annotations

from typing import Any

from perijove_hub.sites.kubernetes.watching import EventsByPod


def event(pod: str, version: int = 1) -> dict[str, Any]:
    """As a cluster has it, as far as the picture looks."""
    return {"involvedObject": {"name": pod}, "metadata": {"resourceVersion": str(version)}}


def test_events_are_found_by_their_pod_until_they_go() -> None:
    events = EventsByPod({"users/a.1": event("a"), "users/b.1": event("b")})
    events["users/a.2"] = event("a")
    events["users/a.1"] = event("a", version=3)
    events["users/a.1"] = event("a", version=2)  # comes late

    assert list(events.of("a")) == [event("a", version=3), event("a")]
    assert events.pop("users/a.1", None) == event("a", version=3)
    assert events.pop("users/a.1", None) is None
    assert list(events.of("a")) == [event("a")]
    events.pop("users/a.2", None)
    assert (list(events.of("a")), list(events.of("b"))) == ([], [event("b")])
