"""A site in a cluster of the bed, and what it starts there."""

from __future__ import annotations

import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from perijove.models import Resources
from perijove_hub.policy.sites import KubernetesSite
from perijove_hub.sites import Handle, StartSpec
from perijove_hub.sites.kubernetes import Cluster, KubernetesPods
from tests.support.kube import KubeBed
from tests.support.kube.rights import Rule

#: Exactly what the chart of a site grants the hub.
HUB_RIGHTS = [
    Rule(["get", "list", "watch", "create", "delete"], ["pods"]),
    Rule(["get"], ["pods/log"]),
    Rule(["get", "create"], ["persistentvolumeclaims"]),
    Rule(["get", "list", "watch"], ["events"]),
    Rule(["create"], ["services", "ingresses", "httproutes"]),
    Rule(["get"], ["httproutes"]),
]
#: Answers as a server of a user does, and ends when it is told.
SERVER = """
import http.server, os, urllib.parse
at = urllib.parse.urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("X-JupyterHub-Version", "6.1.1"); self.end_headers()
print("it listens", flush=True)
http.server.HTTPServer((at.hostname, at.port), Answer).serve_forever()
"""


@dataclass
class SiteBed:
    """A site, its cluster, and what was said by what started."""

    kube: KubeBed
    site: KubernetesPods
    token: str
    said: list[str] = field(default_factory=list)

    def spec(self, **change: Any) -> StartSpec:
        """What a session of ana needs."""
        told: dict[str, Any] = {
            "owner": "ana",
            "command": [sys.executable, "-u", "-c", SERVER],
            "env": {
                "JUPYTERHUB_API_TOKEN": "secret-of-ana",
                "JUPYTERHUB_API_URL": "http://10.0.0.1:8081/hub/api",
                "JUPYTERHUB_ACTIVITY_URL": "http://10.0.0.1:8081/hub/api/users/ana/activity",
            },
            "resources": Resources(cpu=1, memory_gib=0.5),
            "path": "/user/ana/",
            "home_site": None,
            "say": self.said.append,
        }
        return StartSpec(**(told | change))

    async def start(self, attempt_id: str | None = None, **change: Any) -> Handle:
        """Start a session."""
        return await self.site.start(self.spec(**change), attempt_id or uuid.uuid4().hex)

    def new_token(self) -> str:
        """Another with the hub's rights."""
        self.token = self.kube.add_token("hub", HUB_RIGHTS)
        return self.token

    def pods(self) -> list[dict[str, Any]]:
        """Those in the site's namespace."""
        return self.kube.objects("pods", "users")


def policy(**change: Any) -> KubernetesSite:
    """A site of the platform file."""
    told: dict[str, Any] = {
        "kind": "kubernetes", "title": "ESAC", "region": "eu-es-madrid", "capacity": {"cpu": 8, "memory_gib": 16},
        "namespace": "users", "image": "lab:1", "start_timeout_seconds": 30,
    }  # fmt: skip
    return KubernetesSite.model_validate(told | change)


@contextmanager
def running_cluster() -> Iterator[KubeBed]:
    """A cluster with a namespace for sessions."""
    bed = KubeBed(namespaces=["default", "users"], back_off_seconds=0.2)
    # KubeSpawner gives arguments and leaves the image its entry point, as tini
    bed.images["*"] = ["/usr/bin/env"]
    with bed:
        yield bed


@pytest.fixture
def kube() -> Iterator[KubeBed]:
    """One cluster."""
    with running_cluster() as bed:
        yield bed


@pytest.fixture
def other_kube() -> Iterator[KubeBed]:
    """Another."""
    with running_cluster() as bed:
        yield bed


@pytest.fixture
async def make_site(kube: KubeBed, tmp_path: Path) -> AsyncIterator[Callable[..., SiteBed]]:
    """Makes sites of that cluster, or of another, with the hub's rights."""
    made: list[KubernetesPods] = []

    def make(kube: KubeBed = kube, **change: Any) -> SiteBed:
        token = kube.add_token("hub", HUB_RIGHTS)
        path = kube.kubeconfig(tmp_path / f"kubeconfig-{len(made)}", "users", token=token)
        cluster = Cluster("esac", path.read_text)
        url = "https://science.example"
        made.append(KubernetesPods("esac", policy(**change), cluster, f"{url}/hub/api", url))
        return SiteBed(kube, made[-1], token)

    yield make
    for site in made:
        await site.close()


@pytest.fixture
def bed(make_site: Callable[..., SiteBed]) -> SiteBed:
    """The usual one."""
    return make_site()
