"""What pods say, in plain words: the cases that no bed has to play."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perijove_hub.sites import Status
from perijove_hub.sites.kubernetes import reasons

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_pod(ready: dict[str, str], containers_ready: str = "True", /, **deleted: Any) -> dict[str, Any]:
    """One that runs on a node that is not heard of, unless something else is said."""
    conditions = [
        {"type": "ContainersReady", "status": containers_ready},
        {"type": "Ready", "lastTransitionTime": "2026-03-01T11:58:00Z", **ready},
    ]
    running = {"name": "notebook", "ready": True, "state": {"running": {}}}
    return {
        "metadata": deleted,
        "status": {"phase": "Running", "conditions": conditions, "containerStatuses": [running]},
    }


def test_a_node_is_silent_that_has_taken_only_the_readiness_of_its_pods() -> None:
    seen = reasons.look(a_pod({"status": "False"}), NOW)
    assert seen == reasons.Seen(Status.RUNNING, silent_since=NOW - timedelta(minutes=2))


@pytest.mark.parametrize(
    "pod",
    [
        a_pod({"status": "True"}),
        a_pod({"status": "False"}, "False"),  # a container that others have put into it
        a_pod({"status": "False", "reason": "ReadinessGatesNotReady"}),
    ],
    ids=["ready", "sidecar", "gate"],
)
def test_a_pod_that_is_not_ready_for_another_reason_is_on_no_silent_node(pod: dict[str, Any]) -> None:
    told = {"deletionTimestamp": "2026-03-01T12:00:20Z", "deletionGracePeriodSeconds": 30}
    assert reasons.look(pod, NOW) == reasons.Seen(Status.RUNNING)
    assert reasons.look({**pod, "metadata": told}, NOW).status is Status.RUNNING  # it has its time to save


def test_what_a_cluster_gives_up_is_over_and_has_its_time_to_save_all_the_same() -> None:
    pod = a_pod({"status": "False"}, deletionTimestamp="2026-03-01T12:00:20Z", deletionGracePeriodSeconds=30)
    assert reasons.look(pod, NOW) == reasons.Seen(
        Status.STOPPED, "the node that it ran on is gone", ended_at=NOW - timedelta(minutes=2)
    )
    assert reasons.time_to_save(pod, NOW) == timedelta(seconds=20)
    assert reasons.time_to_save(pod, NOW + timedelta(minutes=1)) == timedelta()
    pod["status"]["phase"] = "Failed"  # it has ended there
    assert reasons.time_to_save(pod, NOW) == timedelta()


@pytest.mark.parametrize(
    ("is_users", "words"),
    [
        (True, "; the image team/lab:1 has to have what a session needs"),
        (False, ""),
    ],
)
def test_an_image_without_the_command_of_a_session_is_told(is_users: bool, words: str) -> None:
    said = 'exec: "jupyterhub-singleuser": executable file not found in $PATH'
    ended = {"terminated": {"reason": "StartError", "exitCode": 128, "message": said}}
    pod = {
        "metadata": {"annotations": {"perijove.io/users-image": "true"} if is_users else {}},
        "spec": {"containers": [{"name": "notebook", "image": "team/lab:1"}]},
        "status": {"phase": "Failed", "containerStatuses": [{"name": "notebook", "state": ended}]},
    }
    seen = reasons.look(pod, NOW)
    assert (seen.status, seen.reason) == (Status.STOPPED, f"its container cannot be started: {said}{words}")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("InvalidImageName", "the image team/lab:1:2, which you have named, has a name that cannot be one"),
        (
            "ErrImageNeverPull",
            "the image team/lab:1:2, which you have named, is not on the node, and may not be fetched",
        ),
    ],
)
def test_an_image_of_a_user_that_can_never_be_there_is_told(reason: str, words: str) -> None:
    pod = {
        "metadata": {"annotations": {"perijove.io/users-image": "true"}},
        "spec": {"containers": [{"name": "notebook", "image": "team/lab:1:2"}]},
        "status": {
            "phase": "Pending",
            "containerStatuses": [{"name": "notebook", "state": {"waiting": {"reason": reason}}}],
        },
    }
    seen = reasons.look(pod, NOW)
    assert (seen.is_hopeless, seen.reason) == (True, f"{words}; check its name and its tag, or start without it")


def test_an_image_that_others_have_put_into_the_pod_is_not_the_one_that_its_user_has_named() -> None:
    waiting = {"waiting": {"reason": "ErrImagePull", "message": "no such mesh"}}
    pod = {
        "metadata": {"annotations": {"perijove.io/users-image": "true"}},
        "spec": {"containers": [{"name": "notebook", "image": "team/lab:1"}]},
        "status": {"phase": "Pending", "initContainerStatuses": [{"name": "mesh", "state": waiting}]},
    }
    assert reasons.look(pod, NOW).reason == "its image cannot be fetched: no such mesh"
