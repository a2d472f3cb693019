"""The hub of the demo. ``PERIJOVE_DEMO_HUB`` names a JSON file that the supervisor has written."""

import json
import os
from dataclasses import replace
from pathlib import Path

from perijove_demo.authenticator import DemoAuthenticator
from perijove_demo.leftovers import STATE_VARIABLE
from perijove_demo.out_of_order import OUT_OF_ORDER, OutOfOrder
from perijove_hub.hub import HubOptions, configure
from perijove_hub.spawner import PerijoveSpawner
from perijove_hub.web.auth import ADMIN_SCOPE

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub puts it there
told = json.loads(Path(os.environ["PERIJOVE_DEMO_HUB"]).read_text())

configure(
    c,
    HubOptions(
        platform=Path(told["platform"]),
        secrets_dir=Path(told["secrets_dir"]),
        state_dir=Path(told["sites_dir"]),
        control_url=told["control_url"],
        public_control_url=told["public_control_url"],
        control_token=told["control_token"],
        controller_token=told["controller_token"],
    ),
)

house = PerijoveSpawner.house
if OUT_OF_ORDER in house.sites:
    PerijoveSpawner.house = replace(house, sites={**house.sites, OUT_OF_ORDER: OutOfOrder()})

c.JupyterHub.bind_url = told["public_url"]
c.JupyterHub.hub_bind_url = told["hub_url"]
c.JupyterHub.db_url = told["db_url"]
c.JupyterHub.cookie_secret_file = told["cookie_secret_file"]
c.JupyterHub.allow_named_servers = True
c.JupyterHub.template_vars = {"announcement": ""}
# Ctrl-C ends the sessions too; a hub that is killed leaves them running and finds them again
c.JupyterHub.cleanup_servers = True
# the supervisor runs the proxy: a hub that is killed takes nothing with it
c.JupyterHub.cleanup_proxy = False
c.ConfigurableHTTPProxy.should_start = False
# a proxy that was started again knows no route: the hub looks this often, and puts them back
c.JupyterHub.last_activity_interval = 5
c.ConfigurableHTTPProxy.api_url = told["proxy_api_url"]
c.ConfigurableHTTPProxy.auth_token = told["proxy_token"]

c.Spawner.default_url = "/lab"
c.Spawner.cmd = told["singleuser_command"]
c.Spawner.environment = {
    "JUPYTER_CONFIG_PATH": told["jupyter_config_dir"],
    # a session that outlives supervisor and hub is found again by it
    STATE_VARIABLE: told["state_dir"],
}
c.Spawner.poll_interval = 10
# how soon a start is seen as done; the default's back-off waits for seconds
c.PerijoveSpawner.ready_poll_seconds = 0.1

c.JupyterHub.authenticator_class = DemoAuthenticator
c.DemoAuthenticator.passwords = {account["name"]: account["password"] for account in told["accounts"]}
c.Authenticator.allowed_users = {account["name"] for account in told["accounts"]}
c.Authenticator.admin_users = {account["name"] for account in told["accounts"] if account["admin"]}
c.JupyterHub.load_groups = {
    group: {"users": [account["name"] for account in told["accounts"] if group in account["groups"]]}
    for account in told["accounts"]
    for group in account["groups"]
}
# makes the accounts' API tokens at the first start; it may do that and nothing else
c.JupyterHub.services.append({"name": "perijove-demo", "api_token": told["demo_token"], "display": False})
c.JupyterHub.load_roles += [
    {"name": "perijove-demo", "scopes": ["tokens", "read:users:name"], "services": ["perijove-demo"]},
    {"name": "perijove-admin", "scopes": [ADMIN_SCOPE], "users": sorted(c.Authenticator.admin_users)},
]
