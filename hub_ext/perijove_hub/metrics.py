"""What Prometheus may ask about: the metrics of control and controller, and the port they are served on.

Labels have few values: sites, kinds, states, resources and names of limits, all from the platform file or from this
program. No label names a person, a group or a lease.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from perijove.models import PolicyState

#: Ours alone: the hub's library fills the default one with its own.
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

#: From a millisecond, as a decision in memory takes, to what no user waits for.
DECISION_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
STEP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

ASKS = Counter("perijove_asks", "Asks for a lease, by what came of them", ["outcome"], registry=REGISTRY)
MOVES = Counter(
    "perijove_moves", "Moves of leases that were granted, by the state they lead to", ["state"], registry=REGISTRY
)
DECISION_SECONDS = Histogram(
    "perijove_decision_seconds", "How long admission takes for a call, with its committed transaction", ["call"],
    buckets=DECISION_BUCKETS, registry=REGISTRY,
)  # fmt: skip
STEPS = Counter("perijove_controller_steps", "Rounds of the controller's steps", ["step", "result"], registry=REGISTRY)
STEP_SECONDS = Histogram(
    "perijove_controller_step_seconds", "How long a round of a step takes", ["step"],
    buckets=STEP_BUCKETS, registry=REGISTRY,
)  # fmt: skip
RENEWALS = Counter("perijove_renewals", "Slices of use over time that were renewed", registry=REGISTRY)
CLOSED = Counter(
    "perijove_leases_closed", "Leases that a sweep has closed, by their state", ["state"], registry=REGISTRY
)
NOTICES = Counter("perijove_notices", "Notices that the controller has written", ["topic"], registry=REGISTRY)
STOPS = Counter("perijove_stops", "Sessions that the hub was asked to stop, by why", ["topic"], registry=REGISTRY)
HUB_FAILURES = Counter(
    "perijove_hub_failures", "Requests of the controller that the hub did not answer", registry=REGISTRY
)


class Snapshot(Collector):
    """Gauges that are read from the ledger now and then, all at one moment."""

    def __init__(self) -> None:
        self._families: Sequence[GaugeMetricFamily] = ()

    def show(self, families: Iterable[GaugeMetricFamily]) -> None:
        """Put these in the place of those before."""
        self._families = tuple(families)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """What Prometheus is told."""
        return self._families


#: What the controller has seen last.
SNAPSHOT = Snapshot()
REGISTRY.register(SNAPSHOT)


def gauge(
    name: str, text: str, labels: Sequence[str], values: Iterable[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    """A gauge with its values, each by the values of the labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for of_labels, value in values:
        family.add_metric(of_labels, value)
    return family


class PolicyCollector(Collector):
    """Which platform file a process obeys, and whether it has refused a newer one since."""

    def __init__(self, state: Callable[[], PolicyState]) -> None:
        self._state = state

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """What Prometheus is told."""
        state = self._state()
        yield gauge("perijove_policy", "The platform file in force", ["version"], [((state.version,), 1)])
        refused = float(state.refused_at is not None)
        yield gauge("perijove_policy_refused", "1 when a newer platform file was refused", [], [((), refused)])


def serve_metrics(address: str, port: int, policy: Callable[[], PolicyState]) -> Callable[[], None]:
    """Serve ``/metrics`` from a thread of its own; what is returned ends that. Port 0 serves nothing.

    There is no login: the port is for the platform's own network and is never routed.

    Raises:
        OSError: the port is taken.
    """
    if port == 0:
        return lambda: None
    server, thread = start_http_server(port, address, registry=REGISTRY)
    collector = PolicyCollector(policy)
    REGISTRY.register(collector)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()
        REGISTRY.unregister(collector)

    return stop
