"""The extension as Jupyter server loads it: settings with their help texts, routes, start and stop."""

from __future__ import annotations

import os

from jupyter_server.extension.application import ExtensionApp
from traitlets import Float, Int, Unicode, default

from perijove.errors import NotConfigured

from .preview.pool import Limits
from .service import DataService


class PerijoveServer(ExtensionApp):
    """Serves datasets, previews and usage below ``perijove/``."""

    name = "perijove_server"
    extension_url = "/perijove/datasets"
    load_other_extensions = True

    control_url = Unicode(
        help="Address of Perijove's control service, as http://hub:8081/services/perijove. "
        "Default: the environment's PERIJOVE_CONTROL_URL."
    ).tag(config=True)
    byte_budget = Int(8 << 20, min=1 << 20, max=256 << 20, help="How many bytes one preview may move.").tag(config=True)
    preview_seconds = Float(10.0, min=0.1, max=600, help="How long one preview may compute, in seconds.").tag(
        config=True
    )
    preview_total_seconds = Float(
        45.0, min=0.1, max=3600, help="How long one preview may take with all waiting for the store, in seconds."
    ).tag(config=True)
    preview_memory_bytes = Int(
        1 << 30, min=256 << 20, help="How much memory (address space) a preview process may take, in bytes."
    ).tag(config=True)
    preview_cache_bytes = Int(
        64 << 20, min=0, help="How many bytes of finished previews are kept for those who look again."
    ).tag(config=True)

    @default("control_url")
    def _control_url_default(self) -> str:
        return os.environ.get("PERIJOVE_CONTROL_URL", "")

    def initialize_settings(self) -> None:
        """Put the holder of the service where handlers find it."""
        self.holder = ServiceHolder(self)
        self.settings["perijove"] = self.holder

    def initialize_handlers(self) -> None:
        """Add the routes."""
        from .handlers import ROUTES

        self.handlers.extend(ROUTES)

    async def stop_extension(self) -> None:
        """End what was started."""
        await self.holder.close()


class ServiceHolder:
    """Makes the service when the first request needs it, so that a server without a platform starts all the same."""

    def __init__(self, settings: PerijoveServer) -> None:
        self._settings = settings
        self._service: DataService | None = None

    def get(self) -> DataService:
        """The service.

        Raises:
            NotConfigured: this server was not told where control is.
        """
        if self._service is None:
            settings = self._settings
            if not settings.control_url:
                raise NotConfigured(
                    "This Jupyter server is not part of a Perijove platform: PERIJOVE_CONTROL_URL is not set."
                )
            limits = Limits(
                budget_bytes=settings.byte_budget,
                compute_seconds=settings.preview_seconds,
                total_seconds=settings.preview_total_seconds,
                memory_bytes=settings.preview_memory_bytes,
            )
            self._service = DataService(settings.control_url, limits, settings.preview_cache_bytes)
        return self._service

    async def close(self) -> None:
        """Close the service if it was made."""
        if self._service is not None:
            await self._service.close()
