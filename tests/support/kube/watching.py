"""Watches: what has changed since a version, as a stream of lines, with the weather that a test has ordered.

Source: "Efficient detection of changes" in the Kubernetes API concepts.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field

from aiohttp import web

from . import errors
from .faults import Fault, FaultKind, Faults, GapEnd
from .listing import parse_version, selected
from .request import ApiRequest
from .resources import Object
from .selectors import Test, passes
from .store import Change, Store

DEFAULT_SECONDS = 1800.0
Event = tuple[str, Object]


class Cut(Exception):
    """The connection is to be cut, by order of the test."""


@dataclass(slots=True)
class Weather:
    """What the faults of one stream have under way."""

    gap: Fault | None = None
    gap_ends_at: float = 0.0
    held: list[Event] = field(default_factory=list)
    held_until: float = 0.0
    held_number: int = 0
    again: Event | None = None


class Watch:
    """One stream. ``bookmark_seconds`` is how often a bookmark is sent to whom allows them."""

    def __init__(self, store: Store, faults: Faults, request: ApiRequest, bookmark_seconds: float) -> None:
        self._store = store
        self._faults = faults
        self._request = request
        self._test: Test = passes(request.resource, request.text("labelSelector"), request.text("fieldSelector"))
        self._bookmark_seconds = bookmark_seconds
        self._bookmarks = request.text("allowWatchBookmarks").lower() in ("true", "1")
        self._ends_at = time.monotonic() + (request.number("timeoutSeconds") or DEFAULT_SECONDS)
        self._version = self._first_version()
        self._asked_version = self._version or 0
        self._weather = Weather()
        self._waker = asyncio.Event()
        self._response = web.StreamResponse(headers={"Content-Type": "application/json"})

    def _first_version(self) -> int | None:
        """Where to begin; None for the state of now, told as so many additions."""
        if self._request.text("sendInitialEvents"):
            sentence = (
                "Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"
            )
            cause = ("sendInitialEvents", "FieldValueForbidden", sentence)
            raise errors.invalid("ListOptions", "", [cause], group="meta.k8s.io")
        said = self._request.text("resourceVersion")
        return None if said in ("", "0") else parse_version(said)

    async def run(self, http: web.Request) -> web.StreamResponse:
        """Sends events until the time is over, the log is too short, or a fault has its way. Raises :class:`Cut`."""
        await self._response.prepare(http)
        try:
            if self._version is None:
                self._version = self._store.version
                for item in selected(self._store, self._request):
                    await self._send("ADDED", item)
            await self._follow(self._version)
        except errors.ApiError as error:
            await self._send("ERROR", error.to_status())
        await self._response.write_eof()
        return self._response

    async def _follow(self, version: int) -> None:
        bookmark_at = time.monotonic() + self._bookmark_seconds
        while (now := time.monotonic()) < self._ends_at:
            if self._gap_is_over():
                return
            await self._let_go_of_held(now)
            changes, version = self._store.since(self._request.resource, version), self._store.version
            for change in changes:
                if event := self._event_of(change):
                    await self._send_with_faults(event)
            if self._bookmarks and now >= bookmark_at and not self._is_busy():
                bookmark_at = now + self._bookmark_seconds
                await self._send("BOOKMARK", self._bookmark(version))
            if not self._store.since(self._request.resource, version):
                await self._store.wait(self._waker, self._pause(bookmark_at))
        if self._bookmarks and not self._is_busy():
            await self._send("BOOKMARK", self._bookmark(version))

    def _pause(self, bookmark_at: float) -> float:
        until = min(self._ends_at, bookmark_at) if self._bookmarks else self._ends_at
        for moment in (self._weather.gap_ends_at, self._weather.held_until):
            until = min(until, moment) if moment else until
        return until - time.monotonic()

    def _event_of(self, change: Change) -> Event | None:
        """What a change is to this stream, whose selectors objects enter and leave."""
        namespace = self._request.namespace
        if self._request.resource.namespaced and namespace not in ("", change.new["metadata"].get("namespace")):
            return None
        hit = self._test(change.new)
        was = change.old is not None and self._test(change.old)
        if change.kind == "DELETED":
            return ("DELETED", change.new) if was else None
        if hit:
            return ("MODIFIED" if was else "ADDED"), change.new
        if was and change.old is not None:  # it has left: the last state that was seen, at the version of the change
            last = {**change.old, "metadata": {**change.old["metadata"], "resourceVersion": str(change.version)}}
            return "DELETED", last
        return None

    def _bookmark(self, version: int) -> Object:
        resource = self._request.resource
        metadata = {"resourceVersion": str(version), "creationTimestamp": None}
        return {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}

    async def _send(self, kind: str, item: Object) -> None:
        await self._response.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")

    # --- weather ------------------------------------------------------------------------------------------------

    def _is_busy(self) -> bool:
        return self._weather.gap is not None or bool(self._weather.held)

    async def _send_with_faults(self, event: Event) -> None:
        weather = self._weather
        if weather.gap is not None:
            return None
        if weather.held:
            weather.held.append(event)
            return await self._let_go_of_held(time.monotonic())
        fault = self._faults.pick_event(self._request, event[1]["metadata"]["name"])
        match fault.kind if fault else None:
            case FaultKind.WATCH_CUT:
                raise Cut
            case FaultKind.WATCH_GAP if fault:
                weather.gap, weather.gap_ends_at = fault, time.monotonic() + fault.gap_seconds
                return None
            case FaultKind.WATCH_DISORDER if fault:
                weather.held, weather.held_number = [event], fault.batch
                weather.held_until = time.monotonic() + fault.gap_seconds
                return None
        await self._send(*event)
        if weather.again is not None:
            await self._send(*weather.again)
            weather.again = None
        if fault and fault.kind is FaultKind.WATCH_DUPLICATE:
            weather.again = event
        return None

    async def _let_go_of_held(self, now: float) -> None:
        weather = self._weather
        if weather.held and (len(weather.held) >= weather.held_number or now >= weather.held_until):
            held, weather.held, weather.held_until = weather.held, [], 0.0
            for event in reversed(held):
                await self._send(*event)

    def _gap_is_over(self) -> bool:
        """Whether the stream ends with a gap; where it goes on after one, it does from here. Raises 410."""
        gap = self._weather.gap
        if gap is None or time.monotonic() < self._weather.gap_ends_at:
            return False
        self._weather.gap, self._weather.gap_ends_at = None, 0.0
        if gap.then is GapEnd.EXPIRED:
            raise errors.expired(self._asked_version, self._store.version)
        return gap.then is GapEnd.ENDS
