"""What ``jupyterhub_config.py`` calls: the spawner, its sites, the scopes, and the loop that reports inventories."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from jupyterhub.app import JupyterHub
from traitlets.config.loader import LazyConfigValue

from perijove_hub.admission.client import HUB_SECRET, ControlClient
from perijove_hub.policy import Platform, load_platform
from perijove_hub.policy.gateways import OWN_SERVICES
from perijove_hub.policy.models import KubernetesSite
from perijove_hub.policy.secrets import Secrets
from perijove_hub.sites import Bounded, LocalProcesses, SiteInterface
from perijove_hub.spawner import PerijoveSpawner
from perijove_hub.spawning.attempt import House
from perijove_hub.spawning.homes import HomeInUse, HomeSizes
from perijove_hub.spawning.inventory import SiteReporter
from perijove_hub.web.auth import ADMIN_SCOPE
from perijove_hub.web.hub_handlers import HUB_HANDLERS, PlacementHandler

log = logging.getLogger(__name__)

#: What a user's server may do: report its activity, be reached, and call our services as its user.
#: More for each Dask Gateway of the platform file; see :func:`gateway_services`.
SERVER_SCOPES = ["users:activity!user", "access:servers!server", "access:services!service=perijove"]

#: What the `user` role holds beyond JupyterHub's own, so that a server's token may hold it too.
EXTRA_USER_SCOPES = ["access:services!service=perijove"]

#: What control may ask the hub: who is in which group.
CONTROL_SCOPES = ["read:users:groups", "read:users:name"]

#: What the controller may do with the hub's API.
CONTROLLER_SCOPES = [
    "list:users",
    "read:users",
    "read:servers",
    "delete:servers",
    "start:servers",
    "delete:users",
    "tokens",
]


#: How long a hub that comes up waits until it has looked at every server before it serves anybody; the others it looks
#: at while it serves. The hub's own default is 10 s, which one site that hangs would cost every user.
INIT_SPAWNERS_SECONDS = 3


@dataclass(frozen=True)
class HubOptions:
    """What the hub's process is told.

    Args:
        platform: the platform file; the hub reads ``sites`` and what a start needs of the rest.
        secrets_dir: holds the secret that the hub shares with control.
        state_dir: where local sites keep records, homes and scratch.
        control_url: of control itself, not through the proxy.
        public_control_url: of control through the proxy, for user servers.
        control_token: the hub API token of control's service.
        controller_token: the hub API token of the controller's service.
        control_seconds: how long a call to control is repeated before a start does without it.
    """

    platform: Path
    secrets_dir: Path
    state_dir: Path
    control_url: str
    public_control_url: str
    control_token: str
    controller_token: str
    control_seconds: float = 20


def configure(c: Any, options: HubOptions) -> None:
    """Make a hub a Perijove hub; call it from ``jupyterhub_config.py``.

    Services, roles, handlers and scopes that are there already stay, but for services of our own names, whose place
    ours take; later ones have to be added, as with ``c.JupyterHub.services.append(…)``, not put in the place of these.

    Raises:
        PlatformFileError: the platform file is wrong.
        SecretError: the secret shared with control is missing.
    """
    platform = load_platform(options.platform)
    secrets = Secrets(options.secrets_dir)
    secrets.text(HUB_SECRET)  # a hub without it could start nothing: say so now
    sites = make_sites(platform, options.state_dir, secrets)
    control = ControlClient(
        f"{options.control_url}/services/perijove", lambda: secrets.text(HUB_SECRET), options.control_seconds
    )
    PerijoveSpawner.house = House(platform, sites, control)
    PerijoveSpawner.homes = HomeSizes(sites, _homes_in_use)
    PlacementHandler.control = control
    if platform.public_url:
        c.JupyterHub.public_url = platform.public_url
    c.JupyterHub.spawner_class = PerijoveSpawner
    c.PerijoveSpawner.control_url = options.public_control_url
    services = gateway_services(platform)
    to_gateways = [f"access:services!service={name}" for name in services]
    c.Spawner.server_token_scopes = [*SERVER_SCOPES, *to_gateways]
    # a site that does not answer is waited for in the background, not by everybody who waits for the hub
    if "init_spawners_timeout" not in c.JupyterHub:
        c.JupyterHub.init_spawners_timeout = INIT_SPAWNERS_SECONDS
    hub = c.JupyterHub
    hub.extra_user_scopes = {*_given(hub, "extra_user_scopes", set()), *EXTRA_USER_SCOPES, *to_gateways}
    hub.custom_scopes = _given(hub, "custom_scopes", {}) | {
        ADMIN_SCOPE: {"description": "See and change everybody's limits and use in Perijove"}
    }
    # a chart names ours, too, to have their tokens made
    given = [each for each in _given(hub, "services", []) if each.get("name") not in OWN_SERVICES]
    known = {each.get("name") for each in given}
    hub.services = [
        *given,
        {
            "name": "perijove",
            "url": options.control_url,
            "api_token": options.control_token,
            "oauth_client_id": "service-perijove",
            "oauth_no_confirm": True,
            "oauth_client_allowed_scopes": [ADMIN_SCOPE],
            "display": True,
        },
        {"name": "perijove-controller", "api_token": options.controller_token, "display": False},
        # they ask the hub with the token of whoever comes, and hold none themselves; a chart may have named one already
        *({"name": name, "display": False} for name in services if name not in known),
    ]
    hub.load_roles = [
        *_given(hub, "load_roles", []),
        {"name": "perijove-control", "scopes": CONTROL_SCOPES, "services": ["perijove"]},
        {"name": "perijove-controller", "scopes": CONTROLLER_SCOPES, "services": ["perijove-controller"]},
    ]
    hub.extra_handlers = [*_given(hub, "extra_handlers", []), *HUB_HANDLERS]
    # the hub reads its configuration inside its running loop
    task = asyncio.get_running_loop().create_task(tell_control(JupyterHub.instance(), platform))
    _background.add(task)
    task.add_done_callback(_tell_of_end)
    # what is loaded by now lasts: to look through it for garbage again and again stops the hub for 0.1 s each time
    gc.freeze()


def gateway_services(platform: Platform) -> list[str]:
    """The names of the Dask Gateways as services of the hub: a token must hold their access scope to get in."""
    return [site.dask.service_of(name) for name, site in platform.sites.items() if site.dask is not None]


def _given(section: Any, name: str, empty: Any) -> Any:
    """What the configuration has under a name until now; a value that was appended to is not a plain one."""
    value = section[name]
    return value.get_value(empty) if isinstance(value, LazyConfigValue) else value


#: Tasks of the process, held so that they are not collected.
_background: set[asyncio.Task[None]] = set()


def _tell_of_end(task: asyncio.Task[None]) -> None:
    # it is to run for ever: without it nothing is reconciled, and nobody would know
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the hub tells control nothing any more; restart it", exc_info=error)


def make_sites(platform: Platform, state_dir: Path, secrets: Secrets) -> dict[str, SiteInterface]:
    """The sites of the platform file, each with the homes that it can reach.

    Raises:
        SecretError: the kubeconfig of one is missing.
    """
    homes = {name: state_dir / name / "homes" for name, site in platform.sites.items() if site.homes}
    sites: dict[str, SiteInterface] = {}
    for name, site in platform.sites.items():
        made: SiteInterface
        if isinstance(site, KubernetesSite):
            made = _cluster_site(name, site, platform, secrets)
        else:
            mounted = {home: path for home, path in homes.items() if home == name or home in site.mounts_homes_of}
            made = LocalProcesses(name, state_dir / name, mounted)
        sites[name] = Bounded(made, name, site.start_timeout_seconds)
    return sites


def _cluster_site(name: str, site: KubernetesSite, platform: Platform, secrets: Secrets) -> SiteInterface:
    # KubeSpawner is there where it is used: it takes a third of a second to import
    from perijove_hub.sites.kubernetes import Cluster, KubernetesPods

    kubeconfig = None
    if site.kubeconfig is not None:
        kubeconfig = partial(secrets.text, site.kubeconfig.secret)
        kubeconfig()  # a hub that can never reach it should say so now
    hub_api_url = site.hub_api_url or f"{(platform.public_url or '').rstrip('/')}/hub/api"
    return KubernetesPods(name, site, Cluster(name, kubeconfig), hub_api_url.rstrip("/"), platform.public_url or "")


def _homes_in_use() -> Iterator[HomeInUse]:
    for spawner in PerijoveSpawner.owned.values():
        if spawner.home_site is not None and spawner.is_up:
            yield spawner.home_site, spawner.user.name, spawner.home_seconds


async def tell_control(hub: JupyterHub, platform: Platform) -> None:
    """Tell control what each site runs and how full the homes are, for ever.

    Begins when the hub has loaded its spawners: before, everything that runs would look like an orphan.
    """
    while not getattr(hub, "_start_future", None) or not hub._start_future.done():  # noqa: ASYNC110 - the hub has no event for it
        await asyncio.sleep(0.1)
    house, seconds = PerijoveSpawner.house, platform.admission.inventory_seconds
    reporters = [SiteReporter(name, site, seconds) for name, site in house.sites.items()]
    try:
        # a loop for each site: one that answers slowly makes no other late
        await asyncio.gather(PerijoveSpawner.homes.run(), *(reporter.report_for_ever() for reporter in reporters))
    finally:
        await house.control.close()
        await asyncio.gather(*(site.close() for site in house.sites.values() if isinstance(site, Bounded)))
