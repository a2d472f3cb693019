"""The configuration of the hubs that are measured.

``PJ_BENCH`` is JSON; its ``kind`` is ``bare``, ``kubespawner`` or ``perijove``.
"""

import json
import os
from pathlib import Path
from typing import Any

import jupyterhub.utils
from jupyterhub.auth import DummyAuthenticator

from benchmarks.hub_spawners import BareSpawner, FiguresHandler, count_commits, count_requests

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - JupyterHub puts it there
told = json.loads(os.environ["PJ_BENCH"])
darkness, pace = Path(told["darkness"]), Path(told["pace"])
count_commits()
if told["kind"] == "bare":
    BareSpawner.urls, BareSpawner.darkness, BareSpawner.pace = told["urls"], darkness, pace
    c.JupyterHub.spawner_class = BareSpawner
    c.JupyterHub.services, c.JupyterHub.load_roles, c.JupyterHub.extra_handlers = [], [], []
elif told["kind"] == "kubespawner":
    os.environ["KUBECONFIG"] = told["kubeconfig"]
    c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
    for name, value in told["kubespawner"].items():
        setattr(c.KubeSpawner, name, value)
    c.JupyterHub.services, c.JupyterHub.load_roles, c.JupyterHub.extra_handlers = [], [], []
else:
    # not above: the stock hub is measured without a line of ours
    import perijove_hub.hub
    from benchmarks.hub_sites import EchoSite, count_calls
    from perijove_hub.hub import HubOptions, configure
    from perijove_hub.sites import Bounded

    count_calls(told["elsewhere_url"], Path(told["echo_directory"]))
    sites = {
        name: Bounded(EchoSite(name, url, pace, darkness if name in told["dark"] else None), name, 60)
        for name, url in told["sites"].items()
    }
    # the sites of the platform file; the local ones but for what they start
    make_sites = perijove_hub.hub.make_sites
    perijove_hub.hub.make_sites = lambda *told: make_sites(*told) | sites
    paths = ("platform", "secrets_dir", "state_dir")
    options: dict[str, Any] = {key: Path(value) if key in paths else value for key, value in told["hub"].items()}
    configure(c, HubOptions(**options))
if told.get("asks_clusters"):
    count_requests()
c.JupyterHub.services.append({"name": "bench", "api_token": told["token"]})
c.JupyterHub.load_roles.append({"name": "bench", "scopes": ["admin:users", "admin:servers"], "services": ["bench"]})
c.JupyterHub.extra_handlers.append(("/bench", FiguresHandler))
for name, value in told["jupyterhub"].items():
    setattr(c.JupyterHub, name, value)
c.JupyterHub.authenticator_class = DummyAuthenticator
c.Authenticator.allow_all = True
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = told["proxy_api_url"]
c.ConfigurableHTTPProxy.auth_token = told["proxy_token"]
# the stock back-off of both hubs waits for seconds; nothing here takes that long
jupyterhub.utils.exponential_backoff.__defaults__ = (0.05, 1.5, 0.2, 10, 0.1)
