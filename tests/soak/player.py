"""Plays a plan on a bed: operations on threads of their own, as users are, and faults beside them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psutil

from tests.soak.bed import LIMITS, SoakBed
from tests.soak.plan import Step
from tests.support.gate import Step as Exchange

#: How long one operation may take: a start that is tried at two sites while control is down and up again.
OPERATION_SECONDS = 120

PARTS = ("proxy", "control", "controller", "hub")


@dataclass(frozen=True)
class Answer:
    """How a start was answered, from when until when."""

    step: int
    user: str
    server: str
    begun: datetime
    ended: datetime
    status: int
    words: str

    @property
    def outcome(self) -> str:
        """In one word."""
        if self.status in (201, 202):
            # 202: it is on its way, or another start of the same server is
            return "started" if self.status == 201 else "pending"
        if self.status in (0, 502) or (self.status in (503, 504) and not self.words):
            return "hub away"
        return {400: "already there", 403: "refused", 409: "conflict"}.get(self.status, f"failed with {self.status}")


@dataclass
class Outage:
    """A time in which a part could not do its work. ``ended`` is None as long as it lasts."""

    part: str
    begun: datetime
    ended: datetime | None = None


@dataclass
class History:
    """What was done, what was answered, and what was out of order when."""

    lines: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    #: (quota, subject) to the limits that an admin has set, each from when until when at most.
    overrides: dict[tuple[str, str], list[tuple[datetime, datetime, float]]] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, line: str) -> None:
        """Add a line, with the time."""
        with self._lock:
            self.lines.append(f"{datetime.now(UTC):%H:%M:%S.%f} {line}"[:400])

    def highest_limit(self, quota: str, subject: str, at: datetime) -> float:
        """The most that may have been in force at a moment; what begins or ends just then counts on both sides."""
        margin = timedelta(seconds=2)
        said = self.overrides.get((quota, subject), [])
        # the newest one binds; which one that was at the very moment is not asked, any of them may have been it
        return max([LIMITS[quota], *(limit for begun, ended, limit in said if begun - margin <= at <= ended + margin)])


class Player:
    """Does the steps of a plan."""

    def __init__(self, bed: SoakBed, history: History) -> None:
        self._bed, self._history = bed, history
        self._admin = bed.admin()
        self._threads: list[threading.Thread] = []
        self._crashes: list[str] = []
        self._parts = {part: threading.Lock() for part in (*PARTS, "gate", "near", "far")}

    def play(self, steps: list[Step]) -> None:
        """Begin every step of an episode; :meth:`rest` waits for their end."""
        for step in steps:
            time.sleep(step.pause_seconds)
            self._history.note(str(step))
            self._history.counted[step.what] += 1
            if step.what == "trouble_database":
                # in this thread: the server that it starts ends with the thread that has started it
                self._with_outage("database", lambda step=step: self._bed.trouble_database(**step.details))
                continue
            thread = threading.Thread(target=self._do, args=(step,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def rest(self) -> None:
        """Wait until every operation has been answered and every fault is over; then mend what has ended."""
        deadline = time.monotonic() + OPERATION_SECONDS
        while alive := [thread for thread in self._threads if thread.is_alive()]:
            alive[0].join(0.5)
            self._mend()
            assert time.monotonic() < deadline, f"{len(alive)} operations were never answered"
        assert not self._crashes, f"the soak itself failed: {self._crashes}"
        self._threads.clear()
        self._mend()

    def close(self) -> None:
        """Give the connections back; what is still asking after a failure is let finish."""
        deadline = time.monotonic() + 30
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._admin.close()

    def _mend(self) -> None:
        """Bring up what has ended by itself, where no fault is about to do so."""
        for part in PARTS:
            if self._parts[part].acquire(blocking=False):
                try:
                    self._bring_up(part)
                finally:
                    self._parts[part].release()

    def _bring_up(self, part: str) -> None:
        if again := self._bed.bring_up(part):
            self._history.note(f"{part} was started {again} times")
            self._history.counted[f"{part} started"] += again

    def _do(self, step: Step) -> None:
        try:
            getattr(self, f"_{step.what}")(step, **step.details)
        except httpx.TransportError as error:
            self._history.note(f"{step.number:4} nobody answered: {error!r}")
        except Exception as error:  # noqa: BLE001 - it is told at the next quiet point
            self._crashes.append(f"{step}: {error!r}")

    # --- operations -----------------------------------------------------------------------------------------------

    def _start(self, step: Step, user: str, server: str, options: dict[str, Any]) -> None:
        answer = self._ask(step, user, server, options)
        if answer.outcome == "hub away":
            # people try again when they see the hub again
            self._bed.wait("the hub to answer", self._bed.hub_is_up, 60)
            self._ask(step, user, server, options)

    def _ask(self, step: Step, user: str, server: str, options: dict[str, Any]) -> Answer:
        begun = datetime.now(UTC)
        try:
            response = self._bed.ask(user, server, **options)
            status, words = response.status_code, _words(response)
        except httpx.TransportError:
            status, words = 0, ""
        answer = Answer(step.number, user, server, begun, datetime.now(UTC), status, words)
        self._history.answers.append(answer)
        self._history.note(f"{step.number:4} {user}/{server}: {answer.outcome} {words}")
        return answer

    def _rush(self, step: Step, user: str, servers: list[str]) -> None:
        starts = [
            threading.Thread(target=self._start, args=(step, user, server, {"profile": "small"})) for server in servers
        ]
        for thread in starts:
            thread.start()
        for thread in starts:
            thread.join()

    def _stop(self, step: Step, pick: float) -> None:
        users = self._bed.api.get("users")
        if users.status_code != 200:
            return
        found = [
            (user["name"], name)
            for user in users.json()
            for name, server in sorted(user["servers"].items())
            if server["ready"]
        ]
        if not found:
            return
        user, server = found[int(pick * len(found))]
        route = f"users/{user}/servers/{server}" if server else f"users/{user}/server"
        answer = self._bed.api.delete(route)
        self._history.note(f"{step.number:4} {user}/{server}: stop {answer.status_code}")

    def _end_session(self, step: Step, pick: float) -> None:
        found = sorted(self._bed.session_processes().items())
        if not found:
            return
        attempt, process = found[int(pick * len(found))]
        self._history.note(f"{step.number:4} {attempt} is killed")
        try:
            process.kill()
        except psutil.NoSuchProcess:
            return

    def _override(self, step: Step, quota: str, subject: str, limit: float, seconds: float) -> None:
        begun = datetime.now(UTC)
        expires = begun + timedelta(seconds=seconds)
        # on record before it is said: it may count before the answer comes
        self._history.overrides.setdefault((quota, subject), []).append((begun, expires, limit))
        body = {"quota": quota, "subject": subject, "limit": limit, "reason": "soaked", "expires": expires.isoformat()}
        answer = self._admin.post("overrides", json=body)
        self._history.note(f"{step.number:4} {quota} of {subject} is {limit}: {answer.status_code}")
        self._require(answer, 201)

    def _close_site(self, step: Step, site: str, stops_seconds: float | None, reopens_seconds: float) -> None:
        now = datetime.now(UTC)
        body = {"site": site, "reason": "soaked", "reopens": (now + timedelta(seconds=reopens_seconds)).isoformat()}
        if stops_seconds is not None:
            body["stops_at"] = (now + timedelta(seconds=stops_seconds)).isoformat()
        answer = self._admin.post("closures", json=body)
        self._history.note(f"{step.number:4} {site} is closed: {answer.status_code}")
        self._require(answer, 201, 409)  # 409: it is closed then anyway

    def _change_group(self, step: Step, user: str, group: str, member: bool) -> None:
        status = self._bed.change_group(user, group, member=member)
        self._history.note(f"{step.number:4} {user} {'joins' if member else 'leaves'} {group}: {status}")

    def _require(self, answer: httpx.Response, *statuses: int) -> None:
        """What an admin asks is granted, or it is told that this cannot be now.

        A proxy that has just come up knows no routes yet; then the hub answers for whoever is meant, with a page.
        """
        is_controls = "json" in answer.headers.get("Content-Type", "")
        if is_controls and answer.status_code not in (*statuses, 503, 504):
            raise AssertionError(f"answered {answer.status_code}: {answer.text[:300]}")

    # --- faults ---------------------------------------------------------------------------------------------------

    def _kill_hub(self, step: Step, seconds: float) -> None:
        self._kill("hub", seconds)

    def _kill_control(self, step: Step, seconds: float) -> None:
        self._kill("control", seconds)

    def _kill_controller(self, step: Step, seconds: float) -> None:
        self._kill("controller", seconds)

    def _kill_proxy(self, step: Step, seconds: float) -> None:
        self._kill("proxy", seconds)

    def _kill(self, part: str, seconds: float) -> None:
        with self._parts[part]:
            self._with_outage(part, lambda: self._killed(part, seconds))

    def _killed(self, part: str, seconds: float) -> None:
        if not self._bed.has_ended(part):
            self._bed.kill(part)
        time.sleep(seconds)
        self._bring_up(part)

    def _pause_control(self, step: Step, seconds: float) -> None:
        with self._parts["control"]:
            self._with_outage("control", lambda: self._bed.pause("control", seconds))

    def _delay_inventory(self, step: Step, seconds: float) -> None:
        with self._parts["gate"]:
            exchange = Exchange("before", "PUT", "/inventory")
            self._with_outage("inventory", lambda: self._delayed(exchange, seconds))

    def _delayed(self, exchange: Exchange, seconds: float) -> None:
        self._bed.gate.trap(exchange, lambda: time.sleep(seconds))
        self._bed.gate.sprung.wait(seconds + 5)

    def _break_site(self, step: Step, site: str, fault: str, seconds: float) -> None:
        with self._parts[site]:
            self._with_outage(site, lambda: self._broken(site, fault, seconds))

    def _broken(self, site: str, fault: str, seconds: float) -> None:
        self._bed.break_site(site, fault)
        time.sleep(seconds)
        self._bed.break_site(site, "")

    def _with_outage(self, part: str, act: Callable[[], None]) -> None:
        outage = Outage(part, datetime.now(UTC))
        self._history.outages.append(outage)
        try:
            act()
        finally:
            outage.ended = datetime.now(UTC)


def _words(answer: httpx.Response) -> str:
    try:
        content = answer.json()
        return str(content.get("message", "")) if isinstance(content, dict) else ""
    except ValueError:
        return ""
