"""How a workload starts on each kind of site. A site never asks the ledger; the spawner stands between."""

from perijove_hub.sites.bounded import Bounded
from perijove_hub.sites.local import LocalProcesses
from perijove_hub.sites.models import (
    READY_HEADER,
    Ending,
    Handle,
    SiteError,
    SiteInterface,
    SiteUnreachable,
    StartSpec,
    Status,
)

__all__ = [
    "READY_HEADER", "Bounded", "Ending", "Handle", "LocalProcesses", "SiteError", "SiteInterface", "SiteUnreachable",
    "StartSpec", "Status",
]  # fmt: skip
