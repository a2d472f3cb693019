"""Dask Gateways as the platform file says them."""

from __future__ import annotations

from pydantic import Field

from perijove.models import Slug
from perijove_hub.policy.base import HttpAddress, PlatformModel

#: The services of the hub that the platform itself is; no gateway has these names.
OWN_SERVICES = ("perijove", "perijove-controller")


class DaskGateway(PlatformModel):
    """The Dask Gateway of a site: where users reach it, and by what control knows it."""

    address: HttpAddress = Field(description="of its API, as users' servers reach it")
    proxy_address: str = Field(
        pattern=r"^gateway://[!-~]+:[0-9]{1,5}$",
        description="where kernels reach its schedulers, as gateway://dask.example:8786",
    )
    service: Slug | None = Field(
        default=None, description="its name as a service of the hub; absent: dask-, and the name of the site"
    )
    secret: Slug = Field(
        description="names a file in the secrets directory: with it the gateway asks control for leases of clusters"
    )

    def service_of(self, site: str) -> str:
        """Its name as a service of the hub, at this site."""
        return self.service or f"dask-{site}"
