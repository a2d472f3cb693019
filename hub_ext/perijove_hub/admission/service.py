"""The rules of admission: asking for leases, moving them, and closing what is over; each in one transaction."""

from __future__ import annotations

from perijove.models import LeasePatch
from perijove_hub.admission.asking import Asking
from perijove_hub.admission.base import log
from perijove_hub.admission.clusters import Clusters
from perijove_hub.admission.models import Refused
from perijove_hub.admission.moving import Moving
from perijove_hub.admission.settling import Settling
from perijove_hub.ledger.models import LeaseRow


class AdmissionService(Asking, Moving, Settling, Clusters):
    """Asks, moves and closes leases; see :class:`~perijove_hub.admission.base.AdmissionBase` for what it is given."""

    async def give_up_cluster(self, lease_id: str, author: str, reason: str) -> LeaseRow:
        """Close the lease of a cluster whose gateway does not come back: an admin knows what no inventory can prove.

        It ends when the gateway was last heard, but what is metered stays. Should the gateway come back, it is told to
        end what still runs of the cluster.

        Raises:
            Refused: as :meth:`cluster_heard`.
        """
        heard = await self.cluster_heard(lease_id)
        log.info("cluster given up", extra={"lease": lease_id, "author": author})
        said = f"{author} has given it up, as its gateway is gone: {reason}"
        return await self.move(lease_id, LeasePatch(state="ended", reason=said), heard)


__all__ = ["AdmissionService", "Refused"]
