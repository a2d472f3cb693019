"""What kernels and terminals are told of the gateways, so that ``dask_gateway.Gateway()`` works as it stands.

Dask reads it from the environment. There is no token in it: the client takes the one of the session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from perijove.models import GatewayView

ADDRESS = "DASK_GATEWAY__ADDRESS"
PROXY_ADDRESS = "DASK_GATEWAY__PROXY_ADDRESS"
PUBLIC_ADDRESS = "DASK_GATEWAY__PUBLIC_ADDRESS"
AUTH_TYPE = "DASK_GATEWAY__AUTH__TYPE"


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
    }
    return {name: value for name, value in said.items() if name not in environment}
