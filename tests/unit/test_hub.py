"""What a hub's own configuration keeps when it is made a Perijove hub."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from perijove_hub import hub as hub_module
from perijove_hub.admission.client import HUB_SECRET
from perijove_hub.hub import EXTRA_USER_SCOPES, SERVER_SCOPES, HubOptions, configure
from perijove_hub.spawner import PerijoveSpawner
from perijove_hub.web.auth import ADMIN_SCOPE
from perijove_hub.web.hub_handlers import PlacementHandler

PLATFORM = """\
sites: {near: {kind: local, title: Near, region: here, capacity: {cpu: 4, memory_gib: 8}}}
profiles: {small: {title: Small, cpu: 1, memory_gib: 1}}
"""


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HubOptions:
    (tmp_path / "perijove.yaml").write_text(PLATFORM)
    secret = tmp_path / HUB_SECRET
    secret.touch(mode=0o600)
    secret.write_text("a secret that is long enough")
    for holder, names in ((PerijoveSpawner, ("house", "homes")), (PlacementHandler, ("control",))):
        for name in names:
            monkeypatch.setattr(holder, name, None, raising=False)

    async def tell_nobody(*_: Any) -> None:
        """There is no hub that runs."""

    monkeypatch.setattr(hub_module, "tell_control", tell_nobody)
    told = {"control_url": "http://127.0.0.1:9", "public_control_url": "http://127.0.0.1:9/services/perijove"}
    return HubOptions(
        tmp_path / "perijove.yaml", tmp_path, tmp_path, **told, control_token="c" * 32, controller_token="d" * 32
    )


def names(things: list[dict[str, Any]]) -> list[str]:
    return [thing["name"] for thing in things]


async def test_what_the_hub_has_already_stays_however_it_was_said(options: HubOptions) -> None:
    c = Config()
    c.JupyterHub.services = [{"name": "mine"}]
    c.JupyterHub.load_roles.append({"name": "my-role"})
    c.JupyterHub.extra_user_scopes = ["read:hub"]
    c.JupyterHub.custom_scopes = {"custom:mine": {"description": "Mine"}}
    c.JupyterHub.init_spawners_timeout = 30
    configure(c, options)
    await asyncio.sleep(0)
    assert names(c.JupyterHub.services) == ["mine", "perijove", "perijove-controller"]
    assert names(c.JupyterHub.load_roles) == ["my-role", "perijove-control", "perijove-controller"]
    assert c.JupyterHub.extra_user_scopes == {"read:hub", *EXTRA_USER_SCOPES}
    assert set(c.JupyterHub.custom_scopes) == {"custom:mine", ADMIN_SCOPE}
    assert c.JupyterHub.init_spawners_timeout == 30


async def test_services_of_our_names_that_a_chart_has_given_tokens_are_there_once(options: HubOptions) -> None:
    c = Config()
    c.JupyterHub.services = [
        {"name": "perijove", "api_token": "e" * 32},
        {"name": "mine"},
        {"name": "perijove-controller"},
    ]
    configure(c, options)
    await asyncio.sleep(0)
    assert names(c.JupyterHub.services) == ["mine", "perijove", "perijove-controller"]
    assert c.JupyterHub.services[1]["api_token"] == options.control_token
    assert c.JupyterHub.services[1]["url"] == options.control_url


async def test_a_hub_that_says_nothing_gets_plain_values_that_can_be_added_to(options: HubOptions) -> None:
    c = Config()
    configure(c, options)
    await asyncio.sleep(0)
    c.JupyterHub.load_roles += [{"name": "later"}]
    c.JupyterHub.services.append({"name": "later"})
    assert names(c.JupyterHub.load_roles) == ["perijove-control", "perijove-controller", "later"]
    assert names(c.JupyterHub.services) == ["perijove", "perijove-controller", "later"]
    assert c.JupyterHub.extra_user_scopes == set(EXTRA_USER_SCOPES)
    assert c.JupyterHub.init_spawners_timeout == hub_module.INIT_SPAWNERS_SECONDS
    assert "public_url" not in c.JupyterHub


async def test_each_gateway_is_a_service_that_users_and_their_servers_may_come_to(options: HubOptions) -> None:
    dask = "dask: {address: 'https://g.example', proxy_address: 'gateway://g.example:8786', secret: near-dask}"
    text = PLATFORM.replace("memory_gib: 8}}}", f"memory_gib: 8}}, {dask}}}}}")
    options.platform.write_text(text)
    c = Config()
    configure(c, options)
    await asyncio.sleep(0)
    scope = "access:services!service=dask-near"
    assert names(c.JupyterHub.services) == ["perijove", "perijove-controller", "dask-near"]
    assert c.JupyterHub.services[-1] == {"name": "dask-near", "display": False}
    assert c.Spawner.server_token_scopes == [*SERVER_SCOPES, scope]
    assert c.JupyterHub.extra_user_scopes == {*EXTRA_USER_SCOPES, scope}
    # a gateway holds no scope of its own
    assert names(c.JupyterHub.load_roles) == ["perijove-control", "perijove-controller"]
    options.platform.write_text(text.replace("secret: near-dask", "secret: near-dask, service: my-gateway"))
    c = Config()
    configure(c, options)
    await asyncio.sleep(0)
    assert names(c.JupyterHub.services)[-1] == "my-gateway"
    c = Config()
    c.JupyterHub.services = [{"name": "my-gateway", "url": "https://g.example"}]
    configure(c, options)
    await asyncio.sleep(0)
    assert names(c.JupyterHub.services) == ["my-gateway", "perijove", "perijove-controller"]
    assert c.JupyterHub.services[0]["url"] == "https://g.example"
