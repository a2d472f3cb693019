"""The extension as Jupyter server loads it: settings with their help texts, routes, start and stop."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Float, Int, TraitError, Unicode, default, validate

from .activity.watch import KERNEL_EVENT, watch_saves, watch_terminals
from .dask import news
from .notices import SCHEMA_PATH
from .rescue import NoSessionsHandler, refuse_all_but_deletion
from .root import Root

#: Whoever stops a server gives it ten seconds before it is killed.
CLOSE_SECONDS = 5.0


class PerijoveServer(ExtensionApp):
    """Serves datasets, previews, usage and notices below ``perijove/``, and tells control how idle the session is."""

    name = "perijove_server"
    extension_url = "/perijove/datasets"
    load_other_extensions = True
    static_paths = [str(Path(__file__).parent / "static")]  # noqa: RUF012 - the form that ExtensionApp asks for

    control_url = Unicode(
        help="Address of Perijove's control service, as http://hub:8081/services/perijove. "
        "Default: the environment's PERIJOVE_CONTROL_URL."
    ).tag(config=True)
    pages_url = Unicode(
        help="Address of Perijove's pages for a browser, as https://science.example/services/perijove/. "
        "Default: the path of control_url at the hub's own host."
    ).tag(config=True)
    heartbeat_seconds = Float(
        60.0, min=0.05, max=3600, help="How often control is told how idle this session is, in seconds."
    ).tag(config=True)
    notices_seconds = Float(
        30.0, min=0.05, max=3600, help="How often control is asked for notices to the user, in seconds."
    ).tag(config=True)
    clusters_seconds = Float(
        20.0,
        min=0.05,
        max=3600,
        help="How often the gateways at which the user has Dask clusters are asked how those are, in seconds.",
    ).tag(config=True)
    home_directory = Unicode(
        help="The home that the cleanup page measures and cleans. Default: the environment's HOME."
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
    preview_recent_bytes = Int(
        64 << 20,
        min=0,
        help="How many bytes that previews have read are kept in memory, those used last, for other looks at the same "
        "object: another stretch, or a part of it; 0: none.",
    ).tag(config=True)

    overviews_dir = Unicode(
        help="Where pictures that previews made are kept, an absolute path; empty: nowhere. This account must own it, "
        "and nobody else may write there. Default: perijove/overviews below XDG_CACHE_HOME or ~/.cache."
    ).tag(config=True)
    overviews_bytes = Int(
        256 << 20, min=0, help="How many bytes of pictures are kept in overviews_dir, those used last; 0: none."
    ).tag(config=True)
    published_overviews_dir = Unicode(
        help="A folder of pictures that a service of the platform has made (its overviews_dir), an absolute path. It "
        "is read only if another account owns it and alone may write there, or if it is mounted read-only."
    ).tag(config=True)

    @default("control_url")
    def _control_url_default(self) -> str:
        return os.environ.get("PERIJOVE_CONTROL_URL", "")

    @default("overviews_dir")
    def _overviews_dir_default(self) -> str:
        home = os.environ.get("XDG_CACHE_HOME", "")
        base = Path(home) if home.startswith("/") else Path("~/.cache").expanduser()
        return str(base / "perijove" / "overviews") if base.is_absolute() else ""

    @validate("overviews_dir", "published_overviews_dir")
    def _folder_is_absolute(self, proposal: Any) -> str:
        said: str = proposal["value"]
        if said and not said.startswith("/"):
            raise TraitError(
                f"PerijoveServer.{proposal['trait'].name} is {said!r}: an absolute path was expected, as "
                "'/srv/overviews', or '' for none."
            )
        return said

    @default("home_directory")
    def _home_directory_default(self) -> str:
        return str(Path.home())

    def initialize_settings(self) -> None:
        """Put the root of our services where handlers find it, and listen to what people do."""
        server: Any = self.serverapp
        self.root = self.settings["perijove"] = Root(self, server)
        server.event_logger.register_event_schema(SCHEMA_PATH)
        server.event_logger.register_event_schema(news.SCHEMA_PATH)
        terminals = server.web_app.settings.get("terminal_manager")
        if self.root.places.rescue:
            refuse_all_but_deletion(server.kernel_manager, terminals, server.contents_manager)
            # the Lab is to say so even when control is away
            server.web_app.settings.setdefault("page_config_data", {})["perijoveRescue"] = True
        server.event_logger.add_listener(schema_id=KERNEL_EVENT, listener=self.root.kernels.on_event)
        watch_saves(server.contents_manager, self.root.idleness, self.root.clock)
        if terminals is not None:
            watch_terminals(terminals, self.root.idleness, self.root.clock)

    def initialize_handlers(self) -> None:
        """Add the routes."""
        from .handlers import ROUTES

        self.handlers.extend(ROUTES)
        if self.root.places.rescue:
            self.handlers.append((r"/api/sessions", NoSessionsHandler))

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Begin to tell control how idle the session is, to ask for notices, and to follow clusters."""
        await self.root.start(self.heartbeat_seconds, self.notices_seconds, self.clusters_seconds)

    async def stop_extension(self) -> None:
        """End what was started; what does not end in time ends with the process, which must not wait for it."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.root.close()
        except TimeoutError:
            self.log.warning("Perijove's part of this server did not close within %g s", CLOSE_SECONDS)
