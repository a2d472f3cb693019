"""How a workload starts on each kind of site. A site never asks the ledger; the spawner stands between."""

from perijove_hub.sites.local import LocalProcesses
from perijove_hub.sites.models import Handle, SiteError, SiteInterface, StartSpec, Status

__all__ = ["Handle", "LocalProcesses", "SiteError", "SiteInterface", "StartSpec", "Status"]
