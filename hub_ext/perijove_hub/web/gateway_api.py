"""Routes of the Dask Gateways of sites: which there are, and what they run."""

from __future__ import annotations

from perijove.models import GatewayView, Inventory
from perijove_hub.policy.models import EVERYBODY
from perijove_hub.web.base import BaseHandler, problem_error


class GatewaysHandler(BaseHandler):
    """``GET gateways``: the Dask Gateways of the sites that the caller may use."""

    async def get(self) -> None:
        """Answer with a page of gateways."""
        self.require_user()
        self.write_page(
            [
                GatewayView(
                    site=name,
                    title=site.title,
                    region=site.region,
                    address=site.dask.address,
                    proxy_address=site.dask.proxy_address,
                )
                for name, site in self.state.platform().sites.items()
                if site.dask is not None and (EVERYBODY in site.groups or self.caller.groups.intersection(site.groups))
            ]
        )


class GatewayInventoryHandler(BaseHandler):
    """``PUT gateways/{site}/inventory``: a gateway says what it runs."""

    maximum_body_bytes = 12 * 2**20
    takes_gateways = True

    async def put(self, site: str) -> None:
        """Keep it, and answer which clusters must end."""
        if self.caller.gateway_site != site:
            raise problem_error(403, "Not allowed", "Only the gateway of the site may do this.")
        self.write_model(await self.state.admission.report_clusters(site, self.body(Inventory)))
