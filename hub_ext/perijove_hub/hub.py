"""What ``jupyterhub_config.py`` calls: the spawner, its sites, the scopes, and the loop that reports inventories."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jupyterhub.app import JupyterHub

from perijove.models import Inventory, SeenAttempt
from perijove_hub.admission.client import ControlClient, ControlRefused, ControlUnreachable
from perijove_hub.policy import Platform, load_platform
from perijove_hub.policy.secrets import SecretError, Secrets
from perijove_hub.sites import Handle, LocalProcesses, SiteError, SiteInterface
from perijove_hub.spawner import PerijoveSpawner
from perijove_hub.web.auth import ADMIN_SCOPE
from perijove_hub.web.control import HUB_SECRET
from perijove_hub.web.hub_handlers import PlacementHandler

log = logging.getLogger(__name__)

#: What a user's server may do: report its activity, be reached, and call our services as its user.
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
    """

    platform: Path
    secrets_dir: Path
    state_dir: Path
    control_url: str
    public_control_url: str
    control_token: str
    controller_token: str


def configure(c: Any, options: HubOptions) -> None:
    """Make a hub a Perijove hub; call it from ``jupyterhub_config.py``.

    Raises:
        PlatformFileError: the platform file is wrong.
        SecretError: the secret shared with control is missing.
    """
    platform = load_platform(options.platform)
    secrets = Secrets(options.secrets_dir)
    secrets.text(HUB_SECRET)  # a hub without it could start nothing: say so now
    PerijoveSpawner.platform = platform
    PerijoveSpawner.sites = make_sites(platform, options.state_dir)
    PerijoveSpawner.control = ControlClient(
        f"{options.control_url}/services/perijove", lambda: secrets.text(HUB_SECRET)
    )
    PlacementHandler.control = PerijoveSpawner.control
    c.JupyterHub.spawner_class = PerijoveSpawner
    c.PerijoveSpawner.control_url = options.public_control_url
    c.Spawner.server_token_scopes = SERVER_SCOPES
    c.JupyterHub.extra_user_scopes = EXTRA_USER_SCOPES
    c.JupyterHub.custom_scopes = {ADMIN_SCOPE: {"description": "See and change everybody's limits and use in Perijove"}}
    c.JupyterHub.services = [
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
    ]
    c.JupyterHub.load_roles = [
        {"name": "perijove-control", "scopes": CONTROL_SCOPES, "services": ["perijove"]},
        {"name": "perijove-controller", "scopes": CONTROLLER_SCOPES, "services": ["perijove-controller"]},
    ]
    c.JupyterHub.extra_handlers = [("/perijove/placement", PlacementHandler)]
    # the hub reads its configuration inside its running loop
    _background.add(asyncio.get_running_loop().create_task(report_inventories(JupyterHub.instance(), platform)))


#: Tasks of the process, held so that they are not collected.
_background: set[asyncio.Task[None]] = set()


def make_sites(platform: Platform, state_dir: Path) -> dict[str, SiteInterface]:
    """The sites of the platform file, each with the homes that it can reach."""
    homes = {name: state_dir / name / "homes" for name, site in platform.sites.items() if site.homes}
    return {
        name: LocalProcesses(
            name,
            state_dir / name,
            {home: path for home, path in homes.items() if home == name or home in site.mounts_homes_of},
        )
        for name, site in platform.sites.items()
    }


async def report_inventories(hub: JupyterHub, platform: Platform) -> None:
    """Tell control what each site runs, for ever, and remove what it says has no business there.

    Begins when the hub has loaded its spawners: before, everything that runs would look like an orphan.
    """
    while not getattr(hub, "_start_future", None) or not hub._start_future.done():  # noqa: ASYNC110 - the hub has no event for it
        await asyncio.sleep(0.1)
    # a loop for each site: one that answers slowly makes no other late
    await asyncio.gather(*(_report_for_ever(name, site, platform) for name, site in PerijoveSpawner.sites.items()))


async def _report_for_ever(name: str, site: SiteInterface, platform: Platform) -> None:
    while True:
        try:
            await report_site(name, site)
        except Exception:  # whatever it was, the loop goes on: without inventories nothing is ever reconciled
            log.exception("an inventory of %s failed", name)
        await asyncio.sleep(platform.admission.inventory_seconds)


async def report_site(name: str, site: SiteInterface, *, is_second: bool = False) -> None:
    """Take and send the inventory of one site. Logs what goes wrong: the next one comes anyway."""
    # the set of owned attempts is read before and after: a start that begins meanwhile is no orphan
    observed_at, owned = datetime.now(UTC), set(PerijoveSpawner.owned_attempts)
    try:
        seen = await site.list()
    except SiteError as error:
        log.warning("site %s does not tell what it runs: %s", name, error)
        inventory = Inventory(observed_at=observed_at, reachable=False)
    else:
        owned |= PerijoveSpawner.owned_attempts
        # what the hub is just starting here counts as there: its process may be about to appear
        starting = {attempt for attempt, where in PerijoveSpawner.starting.items() if where == name}
        attempts = [SeenAttempt(attempt_id=attempt, owned=attempt in owned) for attempt in {*seen, *starting}]
        inventory = Inventory(observed_at=observed_at, reachable=True, attempts=attempts)
    try:
        answer = await PerijoveSpawner.control.report(name, inventory)
    except (ControlRefused, ControlUnreachable, SecretError) as error:
        log.warning("the inventory of %s was not settled: %s", name, error)
        return
    # together, so that one that does not end keeps none of the others alive
    stops = [site.stop(Handle(name, attempt, "")) for attempt in answer.remove]
    for attempt, fault in zip(answer.remove, await asyncio.gather(*stops, return_exceptions=True), strict=True):
        log.warning("attempt %s at %s has no lease: %s", attempt, name, fault or "removed")
    if stops and not is_second:
        # what is gone now is told at once, so that the next sweep closes its leases
        await report_site(name, site, is_second=True)
