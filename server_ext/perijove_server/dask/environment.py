"""What kernels and terminals are told of the gateways, so that ``dask_gateway.Gateway()`` works as it stands.

Dask reads it from the environment. There is no token in it: the client takes the one of the session.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from perijove.models import GatewayView

ADDRESS = "DASK_GATEWAY__ADDRESS"
PROXY_ADDRESS = "DASK_GATEWAY__PROXY_ADDRESS"
PUBLIC_ADDRESS = "DASK_GATEWAY__PUBLIC_ADDRESS"
AUTH_TYPE = "DASK_GATEWAY__AUTH__TYPE"
#: Where a browser finds our routes of this server; ``perijove.cluster`` makes its links of it.
SERVER_URL = "PERIJOVE_SERVER_URL"


def own_url(environment: Mapping[str, str], control_url: str, base_url: str) -> str:
    """Where a browser finds this server, with a slash at its end.

    JupyterHub says so when it was told itself. Else it is where control is reached by users, which is behind the same
    proxy. A path alone would not do: the Lab takes what has no host for a file.
    """
    said = environment.get("JUPYTERHUB_PUBLIC_URL")
    if not said:
        parts = urlsplit(control_url)
        said = f"{parts.scheme}://{parts.netloc}{base_url}"
    return f"{said.rstrip('/')}/"


def kernel_environment(
    gateways: Sequence[GatewayView], server_url: str, environment: Mapping[str, str]
) -> dict[str, str]:
    """What to set for the first of the gateways; nothing if there is none, or if the user has set another address.

    ``server_url`` is where a browser finds this server, with a slash at its end. The client makes links to dashboards
    of the public address: ours leads to the dashboards that only their owner reaches.
    """
    if not gateways:
        return {}
    first = gateways[0]
    if environment.get(ADDRESS, first.address) != first.address:
        return {}
    said = {
        ADDRESS: first.address,
        PROXY_ADDRESS: first.proxy_address,
        PUBLIC_ADDRESS: f"{server_url}perijove/dask/gateways/{first.site}",
        AUTH_TYPE: "jupyterhub",
        SERVER_URL: f"{server_url}perijove",
    }
    return {name: value for name, value in said.items() if name not in environment}


class KernelEnvironment:
    """Keeps this process's environment, which kernels and terminals get when they start, as the gateways are.

    Args:
        server_url: where a browser finds this server, with a slash at its end.
    """

    def __init__(self, server_url: str) -> None:
        self._server_url = server_url
        self._told: dict[str, str] = {}

    def tell(self, gateways: Sequence[GatewayView]) -> None:
        """There are these gateways, the default one first."""
        of_others = {name: value for name, value in os.environ.items() if self._told.get(name) != value}
        said = kernel_environment(gateways, self._server_url, of_others)
        for name in self._told.keys() - said.keys():
            if name not in of_others:
                os.environ.pop(name, None)
        os.environ.update(said)
        self._told = said
