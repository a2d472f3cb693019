"""The probe: named checks of how a Kubernetes API behaves towards the clients of a hub.

The same checks pass on the bed and on a real control plane; that is what makes the bed's word worth something. Each is
a function of a :class:`Target` that fails by an AssertionError, and works in a namespace of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from . import probe_lists, probe_objects, probe_patches, probe_pods, probe_rights, probe_watches
from .probe_target import Target

Check = Callable[[Target], None]

ROOMS = (probe_objects, probe_patches, probe_lists, probe_watches, probe_rights, probe_pods)
CHECKS: list[Check] = [check for room in ROOMS for check in room.CHECKS]
#: What holds on the bed only, and why no real server without a network of nodes can show it.
BED_ONLY: dict[Check, str] = {
    probe_pods.logs_are_read_through_the_api: (
        "a real API server fetches logs from the kubelet's own port, which the process kubelet does not have"
    ),
}


def title(check: Check) -> str:
    """The check's name as a sentence."""
    return check.__name__.replace("_", " ")
