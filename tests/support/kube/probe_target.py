"""What the probe speaks to: a cluster's API by plain HTTP, which hides nothing."""

from __future__ import annotations

import json
import ssl
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import httpx

from .resources import Object
from .rights import Rule

T = TypeVar("T")
#: Real controllers take their time.
PATIENCE_SECONDS = 60.0
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True)
class Answer:
    """A status and what came with it."""

    status: int
    body: Any

    @property
    def error(self) -> tuple[int, str]:
        """Status and reason of a refusal."""
        assert self.body.get("kind") == "Status", self.body
        assert self.body["code"] == self.status
        return self.status, self.body["reason"]


@dataclass
class Target:
    """A cluster's API, and a token of one who may do all.

    ``make_account`` makes a service account of a namespace and a name with such rights, and gives its token;
    ``compact`` makes the server forget all versions but the newest.
    """

    url: str
    token: str
    make_account: Callable[[str, str, Sequence[Rule]], str]
    compact: Callable[[], None]
    authority: str | None = None

    @cached_property
    def client(self) -> httpx.Client:
        """Pins the authority."""
        verify = ssl.create_default_context(cadata=self.authority) if self.authority else True
        return httpx.Client(base_url=self.url, verify=verify, timeout=30, trust_env=False)

    def close(self) -> None:
        """Ends the connections."""
        self.client.close()

    def ask(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json", token: str = "", **query: Any
    ) -> Answer:
        """One request; ``kind`` is the type of the body, ``token`` another's."""
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": kind}
        if token == "none":
            del headers["Authorization"]
        content = None if body is None else json.dumps(body)
        answer = self.client.request(method, path, content=content, headers=headers, params=query)
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return Answer(answer.status_code, answer.json() if is_json else answer.text)

    def get(self, path: str, **query: Any) -> Any:
        """What is there. Raises AssertionError for an answer that is none."""
        answer = self.ask("GET", path, **query)
        assert answer.status == 200, answer
        return answer.body

    def make(self, path: str, body: Object) -> Any:
        """What was made of it. Raises AssertionError where it was refused."""
        answer = self.ask("POST", path, body)
        assert answer.status == 201, answer
        return answer.body

    def patch(self, path: str, body: Any, kind: str = MERGE) -> Any:
        """The object with the patch. Raises AssertionError where it was refused."""
        answer = self.ask("PATCH", path, body, kind=kind)
        assert answer.status == 200, answer
        return answer.body

    def namespace(self) -> str:
        """A new namespace with the service account that pods need; its path."""
        name = f"probe-{uuid.uuid4().hex[:8]}"
        self.make("/api/v1/namespaces", {"metadata": {"name": name}})
        path = f"/api/v1/namespaces/{name}"
        self.until(lambda: self.ask("GET", f"{path}/serviceaccounts/default").status == 200)
        return path

    def version(self, path: str) -> str:
        """The version of a collection as it is now."""
        return str(self.get(path)["metadata"]["resourceVersion"])

    def watch(self, path: str, seconds: int = 1, **query: Any) -> list[tuple[str, Object]]:
        """The events of a watch until the server ends it."""
        query = {"watch": "true", "timeoutSeconds": seconds, **query}
        headers = {"Authorization": f"Bearer {self.token}"}
        began, events = time.monotonic(), []
        with self.client.stream("GET", path, params=query, headers=headers, timeout=seconds + 10) as stream:
            assert stream.status_code == 200, stream.read()
            for line in stream.iter_lines():
                event = json.loads(line)
                events.append((event["type"], event["object"]))
        assert time.monotonic() - began < seconds + 5, "the server did not end the watch in time"
        return events

    def until(self, look: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
        """What a look says at last. Raises AssertionError when it never says anything."""
        ends_at = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < ends_at, "it never came about"
            time.sleep(0.05)
        return found

    def gone(self, path: str) -> bool:
        """Waits until nothing is there."""
        return self.until(lambda: self.ask("GET", path).status == 404)

    def pod_when(self, path: str, holds: Callable[[Object], Any]) -> Object:
        """Waits until a pod is so; the pod."""

        def look() -> Object | None:
            pod: Object = self.get(path)
            return pod if holds(pod) else None

        found = self.until(look)
        assert found is not None
        return found


def pod(name: str, command: str = "sleep 300", /, *, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """A manifest of one container that runs a shell."""
    container = {"name": "main", "image": "busybox:1", "command": ["sh", "-c", command], **spec.pop("container", {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"containers": [container], "automountServiceAccountToken": False, **spec},
    }


def config(name: str, labels: dict[str, str] | None = None, **more: Any) -> Object:
    """A manifest of a ConfigMap, which nobody but the caller cares for."""
    return {"metadata": {"name": name, "labels": labels or {}, **more}, "data": {"a": "1"}}


def names(items: Sequence[Object]) -> list[str]:
    """The names of objects."""
    return [item["metadata"]["name"] for item in items]


def seen(events: Sequence[tuple[str, Object]]) -> list[tuple[str, str]]:
    """Kinds and names of events."""
    return [(kind, item["metadata"]["name"]) for kind, item in events if kind != "BOOKMARK"]
