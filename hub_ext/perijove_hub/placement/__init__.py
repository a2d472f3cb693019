"""Where a workload should run: filters, scorers and the explanation. Pure functions over plain data."""

from perijove_hub.placement.models import DatasetFacts, Ranking, SiteFacts, SiteHealth, Wish
from perijove_hub.placement.rank import rank_sites

__all__ = ["DatasetFacts", "Ranking", "SiteFacts", "SiteHealth", "Wish", "rank_sites"]
