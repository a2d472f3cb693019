"""Stock KubeSpawner on any cluster, as a hub makes it: what ours is measured and checked against."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

from jupyterhub.objects import Hub
from kubernetes_asyncio import config
from kubernetes_asyncio.client import CoreV1Api
from kubespawner import KubeSpawner
from kubespawner.reflector import ResourceReflector
from traitlets.config import Config

from .rights import Rule


def stock_rules(namespace: str) -> list[Rule]:
    """What KubeSpawner does to a cluster in its plain form, and no more."""
    return [
        Rule(("get", "list", "watch", "create", "delete"), ("pods",), namespace, ("",)),
        Rule(("get", "list", "watch"), ("events",), namespace, ("",)),
        Rule(("create",), ("persistentvolumeclaims",), namespace, ("",)),
    ]


class _Spawner(KubeSpawner):  # type: ignore[misc] # published without types
    """Stock, but for reflectors that nobody else shares."""

    reflectors: ClassVar[dict[Any, ResourceReflector]] = {}


class _User(SimpleNamespace):
    """As much of the hub's user as a spawner asks for."""

    def __init__(self, name: str) -> None:
        server = SimpleNamespace(base_url=f"/user/{name}/")
        super().__init__(name=name, escaped_name=name, server=server, url=f"/user/{name}/", id=1)


@asynccontextmanager
async def stock_client(kubeconfig: Path) -> AsyncIterator[CoreV1Api]:
    """The client of a cluster, which KubeSpawner and its reflectors use for the time being."""
    async with await config.new_client_from_config(str(kubeconfig)) as client:
        api = CoreV1Api(client)
        with (
            mock.patch("kubespawner.spawner.load_config"),
            mock.patch("kubespawner.spawner.shared_client", return_value=api),
            mock.patch("kubespawner.reflector.shared_client", return_value=api),
        ):
            yield api


@asynccontextmanager
async def stock_spawner(kubeconfig: Path, user: str, **settings: Any) -> AsyncIterator[KubeSpawner]:
    """A spawner of a user, with these settings of the class; its reflectors end with it."""
    async with stock_client(kubeconfig):
        made = _Spawner(hub=Hub(), user=_User(user), config=Config(KubeSpawner=settings), _mock=True)
        made.api_token = "hub-token"
        try:
            yield made
        finally:
            await _Spawner._stop_all_reflectors()
            _Spawner.reflectors.clear()
