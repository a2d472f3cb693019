"""What hangs together in one Jupyter server: made once, by the extension."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perijove.client import AsyncControlClient
from perijove.errors import NotConfigured
from perijove.models import Notice
from perijove.models.compute import ClusterEvent

from .activity.beat import Beat
from .activity.idleness import Idleness
from .activity.watch import KernelWatch
from .dask import news
from .dask.environment import own_url
from .dask.service import DaskService
from .facade.keeper import FacadeKeeper
from .home.measure import Bounds
from .home.service import HomeService
from .notices import SCHEMA_ID
from .places import places
from .preview.overviews import Overviews
from .preview.pool import Limits
from .service import DataService
from .session import SessionService
from .titles import TitleBook

if TYPE_CHECKING:
    from .extension import PerijoveServer


class Root:
    """Holds the services. What speaks with control is made when it is needed first, so that a server without a
    platform starts all the same.

    Args:
        settings: the extension.
        serverapp: the Jupyter server.
    """

    def __init__(self, settings: PerijoveServer, serverapp: Any) -> None:
        self._settings = settings
        self._serverapp = serverapp
        self._service: DataService | None = None
        self._beat = Beat(settings.log)
        self._facade: FacadeKeeper | None = None
        self.places = places(os.environ, settings.control_url, settings.pages_url)
        self.idleness = Idleness(self.clock())
        self.kernels = KernelWatch(serverapp.kernel_manager, self.idleness, self.clock)
        self.home = HomeService(Path(settings.home_directory), Bounds())

    @staticmethod
    def clock() -> datetime:
        """The time, aware."""
        return datetime.now(UTC)

    def touch(self) -> None:
        """Somebody has just done something."""
        self.idleness.touch(self.clock())

    def get(self) -> DataService:
        """The services that need control.

        Raises:
            NotConfigured: this server was not told where control is.
        """
        if self._service is None:
            self._service = self._make()
        return self._service

    async def start(self, heartbeat_seconds: float, notices_seconds: float, clusters_seconds: float) -> None:
        """Begin the pulse, if there is a control to hear it."""
        if not self._settings.control_url:
            return
        try:
            session = self.get().session
        except NotConfigured as error:
            self._settings.log.warning("%s", error.detail)
            return
        self._open_facade()
        self.get().dask.start()
        if self.places.lease_id or self.places.attempt_id:
            self._beat.every(heartbeat_seconds, session.tell_activity, "tell control of this session's activity")
        self._beat.every(notices_seconds, session.notices.refresh, "ask control for notices")
        self._beat.every(clusters_seconds, self.get().dask.look_out, "follow the user's clusters")

    async def close(self) -> None:
        """End the pulse and close what was made."""
        await self._beat.stop()
        self.kernels.close()
        if self._facade is not None:
            await self._facade.close()
        if self._service is not None:
            await self._service.close()

    def _open_facade(self) -> None:
        """Listen for S3 clients of kernels and terminals, which get this process's environment when they start."""
        token = os.environ.get("JUPYTERHUB_API_TOKEN", "")
        try:
            self._facade = FacadeKeeper(self._settings.control_url, token, self._settings.log)
        except OSError as error:
            self._settings.log.warning("There is no data façade: %s", error.strerror)
            return
        os.environ.update(self._facade.environment())
        self._facade.start()

    def _make(self) -> DataService:
        settings = self._settings
        if not settings.control_url:
            raise NotConfigured(
                "This Jupyter server is not part of a Perijove platform: PERIJOVE_CONTROL_URL is not set."
            )
        # The address is this server's own setting, so this server's token may go there.
        client = AsyncControlClient(settings.control_url, os.environ.get("JUPYTERHUB_API_TOKEN"))
        dask = DaskService(
            client,
            os.environ.get("JUPYTERHUB_API_TOKEN", ""),
            self.places.site,
            self.places.currency,
            own_url(os.environ, settings.control_url, self._serverapp.base_url),
            self.clock,
            settings.log,
            self._last_activity,
            self._emit_cluster,
        )
        session = SessionService(
            client,
            self.idleness,
            self.kernels,
            self._emit,
            self.clock,
            self.places.lease_id,
            self.places.attempt_id,
            lambda: self._facts(dask),
            TitleBook(client, settings.log),
        )
        limits = Limits(
            budget_bytes=settings.byte_budget,
            compute_seconds=settings.preview_seconds,
            total_seconds=settings.preview_total_seconds,
            memory_bytes=settings.preview_memory_bytes,
        )
        overviews = Overviews(
            settings.control_url,
            limits.budget_bytes,
            Path(settings.overviews_dir) if settings.overviews_dir else None,
            settings.overviews_bytes,
            Path(settings.published_overviews_dir) if settings.published_overviews_dir else None,
        )
        return DataService(
            client, session, dask, limits, settings.preview_cache_bytes, settings.preview_recent_bytes, overviews
        )

    def _emit(self, notice: Notice) -> None:
        self._serverapp.event_logger.emit(schema_id=SCHEMA_ID, data=notice.model_dump(mode="json"))

    def _emit_cluster(self, event: ClusterEvent) -> None:
        self._serverapp.event_logger.emit(schema_id=news.SCHEMA_ID, data=event.model_dump(mode="json"))

    def _last_activity(self) -> datetime:
        return self.idleness.said(self.clock(), busy=self.kernels.unheard_busy()).last_activity

    def _facts(self, dask: DaskService) -> dict[str, Any]:
        """What every answer about usage holds besides; by ``clusters_told_at`` a Lab sees that it has missed events."""
        told_at = dask.news.told_at
        return {
            "currency": self.places.currency,
            "pages": self.places.pages,
            "rescue": self.places.rescue,
            "clusters_told_at": told_at.isoformat() if told_at else None,
        }
