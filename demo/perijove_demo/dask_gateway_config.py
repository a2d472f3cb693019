"""A Dask Gateway of the demo. ``PERIJOVE_DEMO_GATEWAY`` names a JSON file that the supervisor has written."""

import json
import os
import sys
from pathlib import Path

from dask_gateway_server.options import Float, Integer, Options, Select

from perijove_demo.gateways import TOLD_VARIABLE
from perijove_demo.leftovers import STATE_VARIABLE

c = get_config()  # type: ignore[name-defined]  # noqa: F821 - Dask Gateway puts it there
told = json.loads(Path(os.environ[TOLD_VARIABLE]).read_text())
directory = Path(told["directory"])

c.DaskGateway.address = told["api_address"]
# the proxy listens on every interface unless it is told where
c.Proxy.address = told["address"]
c.DaskGateway.backend_class = "perijove_hub.dask.local.PerijoveLocalBackend"
c.PerijoveLocalBackend.site = told["site"]
c.PerijoveLocalBackend.control_url = told["control_url"]
c.PerijoveLocalBackend.public_control_url = told["public_control_url"]
c.PerijoveLocalBackend.secret_path = told["secret_path"]
c.PerijoveLocalBackend.clusters_directory = str(directory / "clusters")
c.PerijoveLocalBackend.sweep_seconds = 5
# a demo that is started again finds the processes that carry its mark
c.PerijoveLocalBackend.inherited_environment = ["PATH", "PYTHONPATH", "LANG", "LC_ALL", STATE_VARIABLE]
# what stays when the gateway is killed is found again
c.DBBackendBase.db_url = f"sqlite:///{directory / 'gateway.db'}"
c.DBBackendBase.db_encrypt_keys = [told["encrypt_key"]]
c.DBBackendBase.stop_clusters_on_shutdown = True

c.DaskGateway.authenticator_class = "dask_gateway_server.auth.JupyterHubAuthenticator"
c.JupyterHubAuthenticator.jupyterhub_api_url = told["hub_api_url"]
# without it any token of the hub would do
c.JupyterHubAuthenticator.jupyterhub_service_name = told["service"]
# who has left a group, or has no token any more, is out soon
c.JupyterHubAuthenticator.cache_max_age = 30
# it asks the hub with the token of whoever comes, and never with one of its own
c.JupyterHubAuthenticator.jupyterhub_api_token = "none"  # noqa: S105 - there is none

# the scripts that Dask Gateway starts unless told otherwise are gone from current versions of distributed
c.ClusterConfig.scheduler_cmd = [sys.executable, "-m", "dask", "scheduler"]
c.ClusterConfig.worker_cmd = [sys.executable, "-m", "dask", "worker"]
c.ClusterConfig.scheduler_cores = 1
c.ClusterConfig.scheduler_memory = "0.5 G"


def configured(options):  # type: ignore[no-untyped-def]  # called by Dask Gateway, which is not typed
    """The configuration that a user's options make."""
    return {
        "worker_cores": options.worker_cores,
        "worker_memory": f"{options.worker_memory_gib} G",
        "idle_timeout": options.idle,
        "environment": {"MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"},
    }


idle_choices = list(told["idle_choices"].items())
c.Backend.cluster_options = Options(
    Integer("worker_cores", default=1, min=1, max=4, label="Cores per worker"),
    Float("worker_memory_gib", default=2.0, min=0.5, max=8, label="Memory per worker (GiB)"),
    Select("idle", idle_choices, default=idle_choices[0][0], label="Stops when idle for"),
    handler=configured,
)

for section, settings in told["more"].items():
    for name, value in settings.items():
        setattr(c[section], name, value)
