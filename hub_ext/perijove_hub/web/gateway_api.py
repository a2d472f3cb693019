"""Routes of the Dask Gateways of sites: which there are, and what they run."""

from __future__ import annotations

from perijove.models import Inventory
from perijove_hub.admission.gateways import gateways_for
from perijove_hub.web.base import BaseHandler, problem_error

#: How many datasets one may ask about at once.
DATASETS_MAX = 100


class GatewaysHandler(BaseHandler):
    """``GET gateways?dataset=…``: the Dask Gateways that the caller may use, and which of them is near some data."""

    async def get(self) -> None:
        """Answer with a page of gateways."""
        self.require_user()
        datasets = self.get_query_arguments("dataset")
        if len(datasets) > DATASETS_MAX:
            raise problem_error(400, "Too many", f"Name {DATASETS_MAX} datasets at most.")
        self.write_page(gateways_for(self.state.platform(), self.caller.name, self.caller.groups, datasets))


class GatewayInventoryHandler(BaseHandler):
    """``PUT gateways/{site}/inventory``: a gateway says what it runs."""

    maximum_body_bytes = 12 * 2**20
    takes_gateways = True

    async def put(self, site: str) -> None:
        """Keep it, and answer which clusters must end."""
        if self.caller.gateway_site != site:
            raise problem_error(403, "Not allowed", "Only the gateway of the site may do this.")
        self.write_model(await self.state.admission.report_clusters(site, self.body(Inventory)))
