"""What a gateway knows of a cluster beyond Dask Gateway's own record: its room, who wants more, how idle it is.

It lives in memory: what must outlast the gateway is in the marks of the cluster, in the ledger, and, as whether it
adapts, in the scheduler itself.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from perijove.models import Adaptive, ClusterState, GatewayCluster, Resources

from .marks import Marks, marks_of
from .scheduler import SchedulerState
from .sizes import held_by, most_workers, resources_of, workers_in

#: A scheduler that has not said by then how it is does not say it.
UNSEEN = timedelta(minutes=2)
#: What the owner is told of one.
UNSEEN_REASON = (
    "The gateway cannot see whether anything runs in it, so it does not stop by itself: stop it when you are done."
)
#: How much of a log is kept of a cluster that failed.
LOG_TAIL_CHARS = 6000
#: What stands before the scheduler's log in it.
SCHEDULER_LOG = "[scheduler]\n"
#: A line of a log of Dask that tells of no trouble.
_IN_PASSING = re.compile(r" - (DEBUG|INFO) - ")


@dataclass
class Standing:
    """One cluster.

    Args:
        marks: what it is marked with.
        scheduler: what its scheduler holds.
        worker: what one of its workers holds.
        since: from when on this gateway knows it; whoever was away saw nothing run.
    """

    marks: Marks
    scheduler: Resources
    worker: Resources
    since: datetime
    #: for how many workers the lease has room; None: not known yet, after a start of the gateway
    granted: int | None = None
    wanted: int = 0
    #: control has been told that it runs
    is_active: bool = False
    #: its scheduler has been up at some time
    has_run: bool = False
    capped: str | None = None
    adaptive: Adaptive | None = None
    reason: str | None = None
    log_tail: str | None = None
    kept_until: datetime | None = None
    #: what the lease says of it
    kept_until_noted: datetime | None = None
    state: SchedulerState | None = None
    state_at: datetime | None = None
    #: control has been told that it is over
    is_settled: bool = False
    #: one change of the lease at a time: heartbeats, people and sweeps come at once
    lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def most_workers(self) -> int:
        """More than so many no lease has room for."""
        return most_workers(self.scheduler, self.worker)

    def held_with(self, workers: int) -> Resources:
        """What it holds with so many workers."""
        return held_by(self.scheduler, self.worker, workers)

    def room_in(self, held: Resources) -> int:
        """How many workers there is room for in what the lease holds."""
        return workers_in(held, self.scheduler, self.worker)

    def idle_stop_at(self) -> datetime | None:
        """When it is stopped because nothing runs in it; None while something does, or when that is never.

        A gateway that was away counts from when it came back, so that nobody is stopped whom nobody told.
        """
        if self.marks.idle_stop_seconds is None or self.state is None or self.state_at is None:
            return None
        if self.state.idle_seconds is None:
            return None
        idle_since = max(self.state_at - timedelta(seconds=self.state.idle_seconds), self.since)
        stop_at = idle_since + timedelta(seconds=self.marks.idle_stop_seconds)
        return max(stop_at, self.kept_until) if self.kept_until else stop_at

    def is_unseen(self, running_since: datetime, at: datetime) -> bool:
        """Whether its scheduler runs and has never said how it is: then nobody can tell whether anything runs in it."""
        began = max(running_since, self.since)
        return self.marks.idle_stop_seconds is not None and self.state_at is None and at - began > UNSEEN

    def take(self, state: SchedulerState, at: datetime) -> None:
        """Note what its scheduler says; whether it adapts, the scheduler knows also when this gateway has forgotten."""
        self.state, self.state_at = state, at
        if "adaptive" in state.model_fields_set:
            said, most = state.adaptive, self.most_workers
            self.adaptive = None
            if said is not None:
                highest = most if said.maximum is None else min(said.maximum, most)
                self.adaptive = Adaptive(minimum=min(said.minimum, most), maximum=highest)

    def is_growing(self) -> bool:
        """Whether fewer workers run than it wants and has room for, as far as its scheduler has said."""
        return self.state is not None and self.state.workers < min(self.wanted, self.granted or 0)

    def silent_for(self, at: datetime) -> timedelta:
        """How long ago its scheduler has said how it is; no time at all when it was never asked."""
        return at - self.state_at if self.state_at is not None else timedelta(0)

    def keep_log(self, text: str) -> None:
        """Keep the end of its logs, without its token."""
        token = self.marks.token
        self.log_tail = (text.replace(token, "…") if token else text)[-LOG_TAIL_CHARS:]

    def why_over(self, *, failed: bool) -> str:
        """Why it is over, in words for its owner."""
        if self.reason is not None:
            return self.reason
        if not failed:
            return "it was stopped"
        # the scheduler's comes last; what it says in passing is no reason
        log = (self.log_tail or "").rpartition(SCHEDULER_LOG)[2].splitlines()
        line = next((line.strip() for line in reversed(log) if line.strip() and not _IN_PASSING.search(line)), "")
        what = "its scheduler was lost" if self.has_run else "its scheduler did not start"
        return f"{what}: {line[:300]}" if line else what


def standing_of(config: Mapping[str, Any], since: datetime) -> Standing | None:
    """What is known of a cluster by its configuration alone; None: it has no lease."""
    marks = marks_of(config)
    if marks is None:
        return None
    return Standing(marks, resources_of(config, "scheduler"), resources_of(config, "worker"), since)


def view_of(
    name: str,
    options: Mapping[str, Any],
    state: ClusterState,
    created: datetime,
    ended: datetime | None,
    standing: Standing,
    *,
    dashboard: bool,
    at: datetime,
) -> GatewayCluster:
    """A cluster as its owner is told at this moment."""
    seen = standing.state if state is ClusterState.RUNNING else None
    title = options.get("title")
    return GatewayCluster(
        name=name,
        title=title if isinstance(title, str) else "",
        state=state,
        options={key: value for key, value in options.items() if key != "title"},
        lease_id=standing.marks.lease_id,
        created=created,
        ended=ended,
        scheduler=standing.scheduler,
        worker=standing.worker,
        workers=seen.workers if seen else None,
        workers_wanted=standing.wanted,
        workers_granted=standing.granted or 0,
        adaptive=standing.adaptive,
        capped=standing.capped if not state.is_over else None,
        processing=seen.processing if seen else None,
        idle_seconds=seen.idle_seconds if seen else None,
        idle_stop_at=standing.idle_stop_at() if seen else None,
        reason=_reason(state, created, standing, at),
        log_tail=standing.log_tail if state is ClusterState.FAILED else None,
        versions=seen.versions() if seen else None,
        dashboard=dashboard,
    )


def _reason(state: ClusterState, created: datetime, standing: Standing, at: datetime) -> str | None:
    if state.is_over:
        return standing.why_over(failed=state is ClusterState.FAILED)
    if standing.reason is None and state is ClusterState.RUNNING and standing.is_unseen(created, at):
        return UNSEEN_REASON
    return standing.reason
