"""The hub of the charts' bed: the configuration of the chart, where zero-to-jupyterhub's would run it.

``PJ_BED`` names a JSON file, as for the other bed.
"""

import json
import os
import sys
from pathlib import Path
from types import ModuleType

import jupyterhub.utils

c = get_config()  # noqa: F821 - JupyterHub puts it there
path = Path(os.environ["PJ_BED"])
told = json.loads(path.read_text())
tokens = {
    "hub.services.perijove.apiToken": told["hub"]["control_token"],
    "hub.services.perijove-controller.apiToken": told["hub"]["controller_token"],
}

z2jh = ModuleType("z2jh")
z2jh.get_secret_value = tokens.__getitem__  # type: ignore[attr-defined]
sys.modules["z2jh"] = z2jh
# as zero-to-jupyterhub's has them by then
c.JupyterHub.services = [{"name": key.split(".")[2], "api_token": token} for key, token in tokens.items()]
c.JupyterHub.services.append({"name": "bed", "api_token": told["bed_token"]})
scopes = ["admin:users", "admin:servers", "tokens", "read:roles", "admin:groups", "access:services"]
c.JupyterHub.load_roles = [{"name": "bed", "scopes": scopes, "services": ["bed"]}]
for name, value in told["jupyterhub"].items():
    setattr(c.JupyterHub, name, value)
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = told["proxy_api_url"]
c.ConfigurableHTTPProxy.auth_token = told["proxy_token"]
c.Spawner.cmd = told["command"]
c.Authenticator.allow_all = True
# the stock back-off waits for seconds; the bed's servers are up in a tenth of one
jupyterhub.utils.exponential_backoff.__defaults__ = (0.05, 1.5, 0.2, 10, 0.1)

exec(compile((path.parent / "hub_config.py").read_text(), "hub.extraConfig", "exec"))
c.PerijoveSpawner.ready_poll_seconds = 0.05
c.PerijoveSpawner.poll_interval = 1
