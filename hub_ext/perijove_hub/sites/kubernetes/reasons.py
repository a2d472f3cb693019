"""What pods and their events say, in plain words; pure.

Source: the API reference of Kubernetes, "PodStatus", "ContainerState" and "Event"; the words of scheduler and kubelet
as they are in 1.34.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from perijove_hub.sites.models import Status

Pod = Mapping[str, Any]
Event = Mapping[str, Any]

#: The container of a session in its pod.
CONTAINER = "notebook"
#: Marks the pod of a session whose owner has named the image.
USERS_IMAGE_ANNOTATION = "perijove.io/users-image"
#: An image that could not be pulled so often is not waited for.
PULL_FAILURES_MAX = 2
#: How long after the time that it was given a pod may still be ending; then its node is gone.
ENDING = timedelta(seconds=60)

#: A container that waits for one of these never begins.
_NEVER = {
    "InvalidImageName": "{image} has a name that cannot be one",
    "ErrImageNeverPull": "{image} is not on the node, and may not be fetched",
    "CreateContainerConfigError": "a secret or a setting that it needs is not there",
    "CreateContainerError": "its container cannot be made",
    "RunContainerError": "its container cannot be started",
}
_PULL = ("ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable")
#: A container that could not be started: what is said is about its image, as that it lacks the command.
_NOT_STARTED = ("StartError", "ContainerCannotRun")

#: What events mean to who waits for a session.
_STEPS = {
    "Scheduled": "A node was found for it",
    "Pulling": "Fetching its software: the first time on a node this takes minutes",
    "Pulled": "Its software is there",
    "Created": "Its container is made",
    "Started": "Its server starts",
    "TriggeredScaleUp": "A new node is being added for it: this takes minutes",
    "FailedMount": "Its home cannot be mounted yet",
    "FailedAttachVolume": "Its home cannot be attached to the node yet",
    "SuccessfulAttachVolume": "Its home is attached to the node",
}


@dataclass(frozen=True)
class Seen:
    """What a pod shows: whether it runs, why it does not, whether it never will, and since when nothing tells of it."""

    status: Status
    reason: str = ""
    is_hopeless: bool = False
    ended_at: datetime | None = None
    silent_since: datetime | None = None


def look(pod: Pod, now: datetime) -> Seen:
    """What is to be said of a pod as its cluster shows it."""
    status = pod.get("status", {})
    if (ended := _ended(pod)) is not None:
        return Seen(Status.STOPPED, ended, ended_at=_end_of(status))
    if _is_lost(pod, now):
        return Seen(Status.STOPPED, "the node that it ran on is gone", ended_at=_missed_since(status))
    container = _waiting(status)
    if container is not None:
        waiting = container["state"]["waiting"]
        reason, message = waiting.get("reason", ""), waiting.get("message", "")
        # of what others have put into the pod, the owner has named nothing
        named = _users_image(pod) if container.get("name") == CONTAINER else ""
        image = f"the image {named}, which you have named," if named else "its image"
        what_to_do = "; check its name and its tag, or start without it" if named else ""
        if reason in _NEVER:
            words = _with(_NEVER[reason].format(image=image), message)
            return Seen(Status.RUNNING, f"{words}{what_to_do}", is_hopeless=True)
        if reason in _PULL:
            return Seen(Status.RUNNING, f"{_with(f'{image} cannot be fetched', message)}{what_to_do}")
    if (unscheduled := _unscheduled(status)) is not None:
        return Seen(Status.RUNNING, unscheduled)
    return Seen(Status.RUNNING, silent_since=_silent_since(status))


def _users_image(pod: Pod) -> str:
    """The image that its owner has named; empty: it has the platform's."""
    if USERS_IMAGE_ANNOTATION not in (pod.get("metadata", {}).get("annotations") or {}):
        return ""
    containers = pod.get("spec", {}).get("containers") or ()
    return next((str(each.get("image")) for each in containers if each.get("name") == CONTAINER), "")


def _ended(pod: Pod) -> str | None:
    """Why it is over; None: it is not."""
    status = pod.get("status", {})
    phase, reason = status.get("phase"), status.get("reason")
    if reason == "Evicted":
        return _with("its node has put it out", status.get("message", ""))
    if reason in ("NodeLost", "NodeShutdown", "Terminated", "Preempting") and phase in ("Failed", "Succeeded"):
        return _with("the node that it ran on is gone or was needed for others", status.get("message", ""))
    for container in status.get("containerStatuses") or ():
        if container.get("name") == CONTAINER and (end := container.get("state", {}).get("terminated")):
            return _spoken_end(end, pod)
    if phase in ("Failed", "Succeeded"):
        return _with("it ended", status.get("message", ""))
    return None


def _silent_since(status: Mapping[str, Any]) -> datetime | None:
    """Since when its node is not heard of; None: it is.

    The controller of nodes takes a pod's readiness away then, and nothing else (``MarkPodsNotReady``): of its
    containers it shows what the node said last, that all are ready. A pod whose readiness gates are open is not ready
    for other reasons.
    """
    conditions = {each.get("type"): each for each in status.get("conditions") or ()}
    are_ready = conditions.get("ContainersReady", {}).get("status") == "True"
    is_gated = conditions.get("Ready", {}).get("reason") == "ReadinessGatesNotReady"
    return _missed_since(status) if status.get("phase") == "Running" and are_ready and not is_gated else None


def _missed_since(status: Mapping[str, Any]) -> datetime | None:
    """Since when it is not ready any more."""
    for condition in status.get("conditions") or ():
        if (
            condition.get("type") == "Ready"
            and condition.get("status") != "True"
            and condition.get("lastTransitionTime")
        ):
            return parsed_time(condition["lastTransitionTime"])
    return None


def _end_of(status: Mapping[str, Any]) -> datetime | None:
    """When its container has ended, by the clock of its node."""
    for container in status.get("containerStatuses") or ():
        end = container.get("state", {}).get("terminated") or {}
        if container.get("name") == CONTAINER and end.get("finishedAt"):
            return parsed_time(end["finishedAt"])
    return _missed_since(status)


def _spoken_end(end: Mapping[str, Any], pod: Pod) -> str:
    if end.get("reason") in _NOT_STARTED:
        words = _with("its container cannot be started", end.get("message", ""))
        image = _users_image(pod)
        return f"{words}; the image {image} has to have what a session needs" if image else words
    if end.get("reason") == "OOMKilled":
        return "it used more memory than it has: choose a larger size, or load less at once"
    code = end.get("exitCode", 0)
    return "its server has ended" if code == 0 else f"its server ended with code {code}"


def _is_lost(pod: Pod, now: datetime) -> bool:
    """Whether it was to be gone long ago, and nobody on its node has said so: then no node is there to say it.

    Or its node was silent when it was told to end, as when the cluster gives up what runs on such a node: it ends
    there even if the node comes back, however long it runs until then.
    """
    to_be_gone_at = _to_be_gone_at(pod)
    if to_be_gone_at is None:
        return False
    told_at = to_be_gone_at - timedelta(seconds=pod["metadata"].get("deletionGracePeriodSeconds") or 0)
    silent_since = _silent_since(pod.get("status", {}))
    return now > to_be_gone_at + ENDING or (silent_since is not None and silent_since <= told_at)


def _to_be_gone_at(pod: Pod) -> datetime | None:
    """When it has to be gone; None: nobody has told it to end."""
    deleted = pod.get("metadata", {}).get("deletionTimestamp")
    return None if deleted is None else parsed_time(deleted)


def time_to_save(pod: Pod, now: datetime) -> timedelta:
    """How long a node that was told to end it still lets it save, should it be there after all."""
    to_be_gone_at = None if _ended(pod) is not None else _to_be_gone_at(pod)
    return timedelta() if to_be_gone_at is None else max(timedelta(), to_be_gone_at - now)


def _waiting(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if container.get("state", {}).get("waiting"):
            found: Mapping[str, Any] = container
            return found
    return None


def _unscheduled(status: Mapping[str, Any]) -> str | None:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return spoken_scheduling(condition.get("message", ""))
    return None


def lacks_claim(pod: Pod) -> bool:
    """Whether it has no node because the claim of its home is not there."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(
        condition.get("type") == "PodScheduled"
        and re.search(r"persistentvolumeclaim .* not found", _message(condition))
        for condition in conditions
    )


def _message(condition: Mapping[str, Any]) -> str:
    return str(condition.get("message") or "")


def spoken_scheduling(message: str) -> str:
    """What the scheduler says of a pod that has no node, as ``0/3 nodes are available: 3 Insufficient cpu.``"""
    wants = [
        (r"Insufficient cpu", "enough free cores"),
        (r"Insufficient memory", "enough free memory"),
        (r"Insufficient \S*gpu\S*", "a free GPU"),
        (r"Too many pods|Insufficient pods", "room for another session"),
        (r"exceed max volume count", "room for another home"),
        (r"unbound immediate PersistentVolumeClaims|didn't find available persistent volumes", "storage for its home"),
        (r"volume node affinity conflict", "its home within reach"),
    ]
    missing = [words for pattern, words in wants if re.search(pattern, message)]
    if missing:
        return f"no node has {' and '.join(missing)}"
    return _with("no node takes it", message)


def pull_failures(events: Iterable[Event]) -> int:
    """How often its image could not be pulled, by the events of its pod."""
    return sum(int(event.get("count") or 1) for event in events if "ErrImagePull" in (event.get("message") or ""))


def step(event: Event) -> str | None:
    """An event as who waits wants to read it; None: it tells nothing that helps."""
    if event.get("reason") == "FailedScheduling":
        spoken = spoken_scheduling(event.get("message") or "")
        return f"It waits: {spoken}"
    if event.get("reason") == "Failed" and "pull image" in (event.get("message") or ""):
        # what the kubelet says of its tries after that says no more
        return _with("Its image cannot be fetched", event.get("message") or "")
    return _STEPS.get(event.get("reason") or "")


def parsed_time(text: str) -> datetime:
    """A moment as Kubernetes writes it."""
    return datetime.fromisoformat(text)


def _with(words: str, message: str) -> str:
    """Words, with what the cluster says of it in one line, shortened."""
    line = " ".join(message.split())[:200].rstrip(". ")
    return f"{words}: {line}" if line else words
