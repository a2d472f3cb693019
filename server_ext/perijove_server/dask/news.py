"""What has happened to the user's clusters, told once as Jupyter events, so that a Lab hears it whatever it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from perijove.models.compute import ClusterEvent, ClusterView
from perijove.models.gateways import ClusterState

SCHEMA_ID = "https://events.perijove.dev/cluster/v1"
SCHEMA_PATH = Path(__file__).parents[1] / "events" / "cluster.v1.yaml"

#: How long before it is stopped for being idle a cluster is told of; the Lab tells its user at the same time.
IDLE_SOON = timedelta(minutes=5)
#: Browsers count in these: of two events the later one is later for them, too.
_STEP = timedelta(milliseconds=1)


@dataclass(frozen=True)
class _Facts:
    """What is told of one cluster when it changes."""

    state: ClusterState
    capped: str | None
    said: str | None
    idle_soon: bool


class ClusterNews:
    """Compares what gateways say with what they said before.

    Args:
        tell: emits one change as an event.
        clock: the time.
    """

    def __init__(self, tell: Callable[[ClusterEvent], None], clock: Callable[[], datetime]) -> None:
        self._tell = tell
        self._clock = clock
        self._began = clock()
        self._known: dict[tuple[str, str], _Facts] = {}
        #: When something was told last; None before. Who has missed an event sees it by this.
        self.told_at: datetime | None = None

    def hear(self, gateway: str, clusters: Iterable[ClusterView]) -> None:
        """All clusters of one gateway as it shows them now; what has changed is told."""
        now = self._clock()
        before = {key: facts for key, facts in self._known.items() if key[0] == gateway}
        heard = {(gateway, each.name): each for each in clusters}
        for key in before.keys() - heard.keys():
            del self._known[key]
        for key, cluster in heard.items():
            facts, known = _facts(cluster, now), before.get(key)
            # first: who hears of it may ask at once
            self._known[key] = facts
            if facts != known and (known is not None or self._is_new(cluster)):
                self._tell(self._event(cluster, facts, known, now))

    def _is_new(self, cluster: ClusterView) -> bool:
        """Whether a cluster that was never heard of is worth telling: not one that ended before this server began."""
        return not cluster.state.is_over or (cluster.ended is not None and cluster.ended >= self._began)

    def _event(self, cluster: ClusterView, facts: _Facts, known: _Facts | None, now: datetime) -> ClusterEvent:
        at = now if self.told_at is None else max(now, self.told_at + _STEP)
        self.told_at = at
        return ClusterEvent(
            gateway=cluster.gateway,
            name=cluster.name,
            title=cluster.title,
            state=facts.state,
            previous=known.state if known else None,
            capped=facts.capped,
            said=facts.said,
            idle_stop_at=cluster.idle_stop_at if facts.idle_soon else None,
            at=at,
        )


def _facts(cluster: ClusterView, now: datetime) -> _Facts:
    runs, stop_at = cluster.state is ClusterState.RUNNING, cluster.idle_stop_at
    return _Facts(
        state=cluster.state,
        capped=cluster.capped if runs else None,
        said=cluster.said,
        idle_soon=runs and stop_at is not None and stop_at - now < IDLE_SOON,
    )
