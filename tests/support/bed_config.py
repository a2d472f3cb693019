"""The hub of the bed. ``PJ_BED`` names a JSON file."""

import json
import os
from pathlib import Path

import jupyterhub.utils

from perijove_hub.hub import CONTROL_SCOPES, CONTROLLER_SCOPES, HubOptions, configure
from tests.support.commits import watch_commits
from tests.support.faulty_site import break_sites

c = get_config()  # noqa: F821 - JupyterHub puts it there
told = json.loads(Path(os.environ["PJ_BED"]).read_text())
configure(c, HubOptions(**{key: Path(v) if key in told["paths"] else v for key, v in told["hub"].items()}))
c.JupyterHub.services.append({"name": "bed", "api_token": told["bed_token"]})
c.JupyterHub.load_roles.append(
    {
        "name": "bed",
        "scopes": ["admin:users", "admin:servers", "tokens", "read:roles", "admin:groups", "access:services"],
        "services": ["bed"],
    }
)
# two users that may do what our services may, so that tests can make tokens with less
for name, scopes in (("like-control", CONTROL_SCOPES), ("like-controller", CONTROLLER_SCOPES)):
    c.JupyterHub.load_roles.append({"name": name, "scopes": scopes, "users": [name]})
for name, value in told["jupyterhub"].items():
    setattr(c.JupyterHub, name, value)
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = told["proxy_api_url"]
c.ConfigurableHTTPProxy.auth_token = told["proxy_token"]
c.Spawner.cmd = told["command"]
for name, value in told["spawner"].items():
    setattr(c.PerijoveSpawner, name, value)
c.PerijoveSpawner.ready_poll_seconds = 0.05
c.Authenticator.allow_all = True
# the stock back-off waits for seconds; the bed's servers are up in a tenth of one
jupyterhub.utils.exponential_backoff.__defaults__ = (0.05, 1.5, 0.2, 10, 0.1)
break_sites(Path(told["faults_dir"]))
watch_commits(Path(told["own_commits"]))
