"""What hub and users change in the life of a lease, to be tried under a fault and again after it."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from .control_bed import SECRET, Answer, ControlBed

TITLE = "The ledger is busy; try again in a moment."


@dataclass
class Changes:
    """Three leases of three users: one is asked for, one starts, one is active. Every call may be repeated."""

    bed: ControlBed
    asked: str = field(default_factory=lambda: uuid.uuid4().hex)
    offered: dict[str, Any] = field(default_factory=dict)
    active: dict[str, Any] = field(default_factory=dict)

    async def prepare(self) -> None:
        """The leases that are there before the fault."""
        self.active = await self.bed.start("ana")
        answer = await self.ask(uuid.uuid4().hex, "eva")
        assert answer.status == 201, answer.text
        self.offered = answer.body

    async def ask(self, attempt_id: str, owner: str = "bob") -> Answer:
        """An ask for a session."""
        body = {"owner": owner, "kind": "session", "attempt_id": attempt_id}
        return await self.bed.call("POST", "leases", SECRET, body=body)

    def calls(self) -> dict[str, Callable[[], Awaitable[Answer]]]:
        """Every change, in the order in which they are made."""
        bed, now = self.bed, self.bed.clock.now.isoformat()
        seen = [{"attempt_id": self.active["attempt_id"], "owned": True}]
        inventory = {"observed_at": now, "reachable": True, "attempts": seen}
        starts, ends = {"state": "starting", "site": "esac"}, {"state": "ended", "reason": "stopped"}
        activity, mine = {"last_activity": now, "busy": True}, f"leases/{self.active['id']}"
        return {
            "ask": lambda: self.ask(self.asked),
            "start": lambda: bed.call("PATCH", f"leases/{self.offered['id']}", SECRET, body=starts),
            "report": lambda: bed.call("PUT", "sites/esac/inventory", SECRET, body=inventory),
            "activity": lambda: bed.call("POST", f"{mine}/activity", bed.ana, body=activity),
            "end": lambda: bed.call("PATCH", mine, SECRET, body=ends),
        }

    async def states(self) -> dict[str, str]:
        """The state of every lease by its attempt."""
        leases = await self.bed.state.admission.leases(None, None, 100)
        return {lease.attempt_id: str(lease.state) for lease in leases}

    async def all_refused(self) -> None:
        """Every change is answered with 503, when to come back, and no word of what is inside."""
        for name, call in self.calls().items():
            answer = await call()
            assert (name, answer.status, answer.detail) == (name, 503, TITLE)
            assert answer.headers["Retry-After"] == "2"

    async def all_made(self, before_each: Callable[[], None] = lambda: None) -> None:
        """Every change is made, and each lease is there once."""
        for name, call in self.calls().items():
            before_each()
            answer = await call()
            assert (name, answer.status) == (name, 201 if name == "ask" else 200), answer.text
        assert await self.states() == {
            self.asked: "offered",
            self.offered["attempt_id"]: "starting",
            self.active["attempt_id"]: "ended",
        }
