"""The names of gateways and clusters, as they come in a URL."""

from __future__ import annotations

import re

from perijove.errors import NotFound

#: As Dask Gateway makes them: on Kubernetes with dots.
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_GATEWAY = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def is_cluster_name(name: str) -> bool:
    """Whether a gateway may call a cluster so. Such a name is safe in a path as it stands."""
    return _CLUSTER.fullmatch(name) is not None and ".." not in name


def check_cluster_name(name: str) -> str:
    """The name.

    Raises:
        NotFound: no cluster is called so.
    """
    if not is_cluster_name(name):
        raise NotFound("There is no cluster of that name.")
    return name


def check_gateway_name(name: str) -> str:
    """The name.

    Raises:
        NotFound: no gateway is called so.
    """
    if not _GATEWAY.fullmatch(name):
        raise NotFound("There is no Dask Gateway of that name.")
    return name
