"""A Kubernetes cluster for tests: its API over real HTTP, with nodes that turn manifests into real processes.

::

    with KubeBed(nodes=["node-1", "node-2"], tls=True) as bed:
        config = bed.kubeconfig(tmp_path / "config", bed.namespace("science"))
        bed.faults.error(429, "delete", "pods", retry_after_seconds=2)  # what its API does on bad days
        bed.fates.add(Fate(FateKind.OOM, name="jupyter-ana.*", after_seconds=1))  # what becomes of pods
        ...  # any Kubernetes client, and then
        assert bed.objects("pods", "science") == []
        assert [request.verb for request in bed.requests] == [...]

It runs in a thread of its own, so any test may use it, one with a loop too; ``pytest_plugins =
["tests.support.kube.fixtures"]`` gives the fixture ``kube_bed``. As a process: ``python -m tests.support.kube``.

Pods have addresses of their own on loopback (``127.N.x.y``), so that each may keep its port. That the API behaves as
real ones do is calibrated: ``probe.py`` passes here and on a real control plane (``make conformance``). What is not
served is refused and not pretended. There are no mounts, images, services' addresses or limits of memory, and roles are
rules of tokens (:func:`rules_of_role`) and no objects.
"""

from .bed import KubeBed
from .errors import ApiError
from .fates import Fate, FateKind
from .faults import Fault, FaultKind, GapEnd
from .nodes import NodeSpec
from .resources import Object
from .rights import ADMIN, Rule, rules_of_role
from .server import NO_ANSWER, Recorded

__all__ = [
    "ADMIN",
    "NO_ANSWER",
    "ApiError",
    "Fate",
    "FateKind",
    "Fault",
    "FaultKind",
    "GapEnd",
    "KubeBed",
    "NodeSpec",
    "Object",
    "Recorded",
    "Rule",
    "rules_of_role",
]
