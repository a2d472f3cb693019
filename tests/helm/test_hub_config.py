"""The configuration that the chart gives to zero-to-jupyterhub's hub, run as its ``jupyterhub_config.py`` runs it."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from traitlets.config import Config

from perijove_hub import hub as hub_module
from perijove_hub.admission.client import HUB_SECRET
from perijove_hub.dask.kubernetes import KubeConfig
from perijove_hub.hub import CONTROL_SCOPES, CONTROLLER_SCOPES
from perijove_hub.policy import load_platform
from perijove_hub.policy.secrets import Secrets
from perijove_hub.spawner import PerijoveSpawner
from perijove_hub.spawning import anew
from perijove_hub.web.hub_handlers import PlacementHandler
from tests.helm.test_render import ON_POSTGRESQL
from tests.support.helm import CHARTS, EXAMPLES, Charts, the

HUB = yaml.safe_load((CHARTS / "perijove" / "values.yaml").read_text())["jupyterhub"]["hub"]
MOUNTS = {each["name"]: Path(each["mountPath"]) for each in HUB["extraVolumeMounts"]}


def mounted(charts: Charts, directory: Path, *values: dict[str, Any]) -> Path:
    """What the hub's pod has below /etc/perijove, as files."""
    manifests = charts.render("perijove", *values)
    platform = directory / MOUNTS["perijove-platform"].name
    platform.mkdir()
    for name, text in the(manifests, "ConfigMap", "perijove-platform")["data"].items():
        (platform / name).write_text(text)
    secrets = directory / MOUNTS["perijove-secrets"].name
    secrets.mkdir()
    (volume,) = (each["projected"] for each in HUB["extraVolumes"] if "projected" in each)
    for source in volume["sources"]:
        for item in source["secret"].get("items", ()):
            path = secrets / item["path"]
            path.write_text("as made by the chart")
            path.chmod(volume["defaultMode"])
    return directory


async def run_config(monkeypatch: pytest.MonkeyPatch, directory: Path) -> tuple[Config, list[Path]]:
    """Run what stands in hub.extraConfig; /etc/perijove is ``directory``. With it, the files that the hub follows."""
    followed: list[Path] = []

    async def tell_nobody(*_: Any) -> None:
        """There is no hub that runs."""

    async def follow(path: Path, *_: Any) -> None:
        followed.append(path)

    z2jh = ModuleType("z2jh")
    z2jh.get_secret_value = lambda key: f"the token of {key}".ljust(40, ".")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "z2jh", z2jh)
    monkeypatch.setattr(hub_module, "tell_control", tell_nobody)
    monkeypatch.setattr(anew, "_follow", follow)
    for holder, names in ((PerijoveSpawner, ("house", "homes")), (PlacementHandler, ("control",))):
        for name in names:
            monkeypatch.setattr(holder, name, None, raising=False)
    c = Config()
    # as zero-to-jupyterhub has it by then
    c.JupyterHub.services = [
        {"name": name, "api_token": "x" * 32} for name in ("perijove", "perijove-controller", "mine")
    ]
    c.JupyterHub.load_roles = []
    for _, text in sorted(HUB["extraConfig"].items()):
        assert "/etc/perijove" in text
        exec(compile(text.replace("/etc/perijove", str(directory)), "extraConfig", "exec"), {"c": c})
    await asyncio.sleep(0)
    return c, followed


async def test_it_makes_the_hub_a_perijove_hub(charts: Charts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    c, followed = await run_config(monkeypatch, mounted(charts, tmp_path))
    assert followed == [tmp_path / "platform" / "perijove.yaml"]
    assert c.JupyterHub.spawner_class is PerijoveSpawner
    assert list(PerijoveSpawner.house.sites) == ["near"]
    # where the pods of the hub's own cluster find it
    assert PerijoveSpawner.house.platform.sites["near"].hub_api_url == f"{c.JupyterHub.hub_connect_url}/hub/api"
    services = {each["name"]: each for each in c.JupyterHub.services}
    assert list(services) == ["mine", "perijove", "perijove-controller"]
    assert services["perijove"]["url"] == "http://perijove-control:8010"
    assert services["perijove"]["api_token"].startswith("the token of hub.services.perijove.apiToken")
    assert services["perijove-controller"]["api_token"].startswith("the token of hub.services.perijove-controller.")
    roles = {each["name"]: each["scopes"] for each in c.JupyterHub.load_roles}
    assert roles == {"perijove-control": CONTROL_SCOPES, "perijove-controller": CONTROLLER_SCOPES}
    assert c.JupyterHub.hub_connect_url == "http://hub.perijove:8081"


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, "http://proxy-public.perijove/services/perijove"),
        ({"platform": {"public_url": "https://science.example/"}}, "https://science.example/services/perijove"),
        ({"publicControlUrl": "https://c.example/p"}, "https://c.example/p"),
    ],
)
async def test_users_servers_find_control(
    charts: Charts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], found: str
) -> None:
    c, _ = await run_config(monkeypatch, mounted(charts, tmp_path, values))
    assert c.PerijoveSpawner.control_url == found


def test_hub_and_control_read_the_same_platform_and_the_same_secret(charts: Charts, tmp_path: Path) -> None:
    directory = mounted(charts, tmp_path)
    assert load_platform(directory / "platform" / "perijove.yaml").sites.keys() == {"near"}
    secret = directory / "secrets" / HUB_SECRET
    assert stat.S_IMODE(secret.stat().st_mode) == 0o440
    assert Secrets(secret.parent).text(HUB_SECRET)
    control = the(charts.render("perijove", ON_POSTGRESQL), "Deployment", "perijove-control")["spec"]["template"][
        "spec"
    ]
    (volume,) = (each["projected"] for each in control["volumes"] if each["name"] == "secrets")
    of_hub = HUB["extraVolumes"][1]["projected"]
    assert volume["sources"][0] == of_hub["sources"][0]
    assert volume["defaultMode"] == of_hub["defaultMode"]


def test_stores_keys_are_control_s_alone_and_kubeconfigs_the_hub_s(charts: Charts) -> None:
    manifests = charts.render("perijove", {"storeSecrets": ["stores"]}, ON_POSTGRESQL)
    control, controller = (
        str(the(manifests, "Deployment", f"perijove-{name}")["spec"]["template"]["spec"]["volumes"])
        for name in ("control", "controller")
    )
    assert "'stores'" in control
    assert "perijove-kubeconfigs" not in control
    assert "secret" not in controller
    assert "perijove-kubeconfigs" in str(HUB["extraVolumes"])


def test_no_failing_site_ends_the_hub_and_nothing_else_ends_sessions(charts: Charts) -> None:
    ours = yaml.safe_load((CHARTS / "perijove" / "values.yaml").read_text())["jupyterhub"]
    assert ours["hub"]["consecutiveFailureLimit"] == 0
    assert 1 <= ours["hub"]["concurrentSpawnLimit"] <= 64
    assert ours["cull"] == {"enabled": False}


async def test_the_configuration_of_the_dask_gateway_says_whom_it_serves(
    charts: Charts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = charts.render("perijove", EXAMPLES / "on-premises-and-two-clouds.yaml", least=False)
    gateway = yaml.safe_load((CHARTS / "perijove" / "values.yaml").read_text())["dask-gateway"]["gateway"]
    told = the(rendered, "ConfigMap", "perijove-platform")["data"]["gateway.json"]
    monkeypatch.setenv("PERIJOVE_GATEWAY", told)
    monkeypatch.setenv("PERIJOVE_GATEWAY_SECRET", "a secret of the gateway's own")
    c = Config()
    for text in gateway["extraConfig"].values():
        exec(compile(text.replace("/tmp/", f"{tmp_path}/"), "extraConfig", "exec"), {"c": c})
    assert c.PerijoveKubeBackend.site == json.loads(told)["site"] == "esac"
    assert c.PerijoveKubeBackend.control_url == "http://perijove-control.perijove:8010/services/perijove"
    assert c.JupyterHubAuthenticator.jupyterhub_service_name == "dask-esac"
    made = KubeConfig(config=c)
    assert (made.scheduler_cmd, made.worker_cmd) == (["dask", "scheduler"], ["dask", "worker"])
    assert made.idle_timeout == 1800
    secret = Path(c.PerijoveKubeBackend.secret_path)
    assert Secrets(secret.parent).text(secret.name) == "a secret of the gateway's own"
    named = {each["valueFrom"][kind]["name"] for each in gateway["env"] for kind in each["valueFrom"]}
    assert named == {"perijove-dask", "perijove-platform"}
    control = the(rendered, "Deployment", "perijove-control")["spec"]["template"]["spec"]["volumes"]
    assert {"secret": {"name": "perijove-dask", "items": [{"key": "gateway", "path": "esac-dask"}]}} in (
        control[-1]["projected"]["sources"]
    )
