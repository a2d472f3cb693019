"""Stock KubeSpawner on a real control plane, with the rights that it has on the emulated cluster and no others."""

from __future__ import annotations

from pathlib import Path

from tests.support.control_plane import ControlPlane
from tests.support.kube.probe_target import Target
from tests.support.kube.stock_spawner import stock_rules, stock_spawner


async def test_a_server_starts_is_polled_and_stops(control_plane: ControlPlane, real: Target, tmp_path: Path) -> None:
    space = real.namespace()
    namespace = space.rpartition("/")[2]
    token = control_plane.add_account(namespace, "hub", stock_rules(namespace))
    kubeconfig = control_plane.kubeconfig(tmp_path / "config", namespace, token=token)
    settings = {"namespace": namespace, "cmd": ["sleep", "300"], "image": "jupyter:1"}
    async with stock_spawner(kubeconfig, "ana", **settings) as spawner:
        url = await spawner.start()
        [pod] = real.get(f"{space}/pods")["items"]
        assert url == f"http://{pod['status']['podIP']}:8888"
        assert await spawner.poll() is None
        await spawner.stop()
        assert await spawner.poll() is not None
    assert real.get(f"{space}/pods")["items"] == []
