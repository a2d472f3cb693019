"""The bed's etcd: objects, one counter of versions, and a log of changes that goes back only so far.

Everything happens in the bed's one loop and nothing here waits, so each call is a transaction. An object is never
changed once it is in: who changes it puts another in its place. So readers need no copies.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import Literal

from . import errors
from .resources import Object, Resource

ChangeKind = Literal["ADDED", "MODIFIED", "DELETED"]
#: Namespace (empty for what has none) and name.
Key = tuple[str, str]
FIRST_VERSION = 100


def now_text() -> str:
    """This moment as the API writes it, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def key_of(item: Object) -> Key:
    """Where an object is kept."""
    metadata = item["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def version_of(item: Object) -> int:
    """The version at which an object was written."""
    return int(item["metadata"]["resourceVersion"])


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the log. ``new`` is the last state for what was deleted; ``old`` is None for what was added."""

    version: int
    kind: ChangeKind
    new: Object
    old: Object | None


class Store:
    """Objects by resource. ``history`` is how many changes of each resource are kept."""

    def __init__(self, history: int = 10_000) -> None:
        self.version = FIRST_VERSION
        self._items: defaultdict[Resource, dict[Key, Object]] = defaultdict(dict)
        self._logs: defaultdict[Resource, deque[Change]] = defaultdict(lambda: deque(maxlen=history))
        #: The version of each resource's newest change that is forgotten.
        self._floors: defaultdict[Resource, int] = defaultdict(lambda: FIRST_VERSION - 1)
        self._wakers: set[asyncio.Event] = set()
        self._hooks: list[Callable[[Resource, Change], None]] = []

    # --- reading ------------------------------------------------------------------------------------------------

    def find(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """The object, or None."""
        return self._items[resource].get((namespace, name))

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """The object. Raises :class:`ApiError` 404."""
        item = self.find(resource, namespace, name)
        if item is None:
            raise errors.not_found(resource, name)
        return item

    def items(self, resource: Resource, namespace: str = "") -> list[Object]:
        """All objects of a resource, or those of one namespace, by namespace and name."""
        items = self._items[resource]
        return [items[key] for key in sorted(items) if not namespace or key[0] == namespace]

    def everything(self) -> Iterator[tuple[Resource, Object]]:
        """All there is."""
        for resource, items in list(self._items.items()):
            for item in list(items.values()):
                yield resource, item

    def items_at(self, resource: Resource, version: int) -> list[Object]:
        """All objects of a resource as they were at a version.

        Raises:
            ApiError: 410 where the log does not go back so far; 504 for a version that is not there yet.
        """
        if version > self.version:
            raise errors.too_new(version, self.version)
        items = dict(self._items[resource])
        for change in reversed(self.since(resource, version)):
            if change.old is None:
                items.pop(key_of(change.new), None)
            else:
                items[key_of(change.old)] = change.old
        return [items[key] for key in sorted(items)]

    def since(self, resource: Resource, version: int) -> list[Change]:
        """What has changed after a version, oldest first. Raises :class:`ApiError` 410 where that is forgotten."""
        if version < self._floors[resource]:
            raise errors.expired(version, self._floors[resource] + 1)
        log = self._logs[resource]
        return list(takewhile(lambda change: change.version > version, reversed(log)))[::-1]

    # --- writing ------------------------------------------------------------------------------------------------

    def create(self, resource: Resource, item: Object) -> Object:
        """Puts a new object in, with a uid, the time and a version. It becomes the store's own."""
        metadata = item["metadata"]
        if key_of(item) in self._items[resource]:
            raise errors.already_exists(resource, metadata["name"])
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = now_text()
        self._stamp(item)
        self._items[resource][key_of(item)] = item
        self._note(resource, "ADDED", item, None)
        return item

    def replace(self, resource: Resource, item: Object) -> Object:
        """Puts an object in the place of the one by its name. It becomes the store's own."""
        old = self.get(resource, *key_of(item))
        self._stamp(item)
        self._items[resource][key_of(item)] = item
        self._note(resource, "MODIFIED", item, old)
        return item

    def remove(self, resource: Resource, namespace: str, name: str) -> Object:
        """Takes an object out; its last state, with the version of the deletion."""
        old = self.get(resource, namespace, name)
        gone = {**old, "metadata": dict(old["metadata"])}
        self._stamp(gone)
        del self._items[resource][namespace, name]
        self._note(resource, "DELETED", gone, old)
        return gone

    def compact(self) -> None:
        """Forgets all changes so far: who watches from an older version is told 410."""
        for resource in list(self._items):
            self._logs[resource].clear()
            self._floors[resource] = self.version

    # --- following ----------------------------------------------------------------------------------------------

    def on_change(self, hook: Callable[[Resource, Change], None]) -> None:
        """Calls the hook after each change, in the order of changes."""
        self._hooks.append(hook)

    def wake(self) -> None:
        """Makes all who wait for changes look again."""
        for waker in self._wakers:
            waker.set()

    async def wait(self, waker: asyncio.Event, seconds: float) -> None:
        """Returns at the next change of anything, or after so many seconds. ``waker`` is the caller's own."""
        self._wakers.add(waker)
        try:
            await asyncio.wait_for(waker.wait(), max(0.0, seconds))
        except TimeoutError:
            pass
        finally:
            self._wakers.discard(waker)
            waker.clear()

    def _stamp(self, item: Object) -> None:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)

    def _note(self, resource: Resource, kind: ChangeKind, new: Object, old: Object | None) -> None:
        log = self._logs[resource]
        if log.maxlen is not None and len(log) == log.maxlen:
            self._floors[resource] = log[0].version
        change = Change(version_of(new), kind, new, old)
        log.append(change)
        self.wake()
        for hook in self._hooks:
            hook(resource, change)
