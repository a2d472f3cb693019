"""The route that the hub asks for its spawn page."""

from __future__ import annotations

from perijove.models import SpawnNews, Topic
from perijove_hub.admission.overview import last_failed
from perijove_hub.web.admission_api import AsksForUser
from perijove_hub.web.pages_views import notices_to_show

#: What somebody who starts a session wants to know; the rest is about sessions that run.
TOPICS = frozenset({Topic.ANNOUNCEMENT, Topic.CLOSURE})

#: How many notices and leases are looked through.
NOTICES, LEASES = 1000, 20


class NewsHandler(AsksForUser):
    """``GET news?user=&group=``: what the spawn page tells a user beside the choices; for the hub."""

    async def get(self) -> None:
        """Answer with what is announced, and when the last start failed if it did."""
        self.require_hub()
        owner, groups = self.asked_for()
        notices = await self.state.desk.notices(owner, groups, 0, NOTICES)
        failed = last_failed(
            await self.state.desk.failures(owner, 1), await self.state.admission.leases(owner, None, LEASES)
        )
        told = notices_to_show((each for each in notices if each.topic in TOPICS), self.state.clock())
        self.write_model(SpawnNews(notices=told, failed_at=failed.at if failed else None))
