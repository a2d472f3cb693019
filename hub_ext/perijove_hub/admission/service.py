"""The rules of admission: asking for leases, moving them, and closing what is over; each in one transaction."""

from __future__ import annotations

from perijove_hub.admission.asking import Asking
from perijove_hub.admission.clusters import Clusters
from perijove_hub.admission.models import Refused
from perijove_hub.admission.moving import Moving
from perijove_hub.admission.settling import Settling


class AdmissionService(Asking, Moving, Settling, Clusters):
    """Asks, moves and closes leases; see :class:`~perijove_hub.admission.base.AdmissionBase` for what it is given."""


__all__ = ["AdmissionService", "Refused"]
