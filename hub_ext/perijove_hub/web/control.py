"""The control process: an ordinary service of the hub, behind its proxy at ``/services/perijove/``."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from jupyterhub.utils import url_path_join
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from perijove_hub import metrics
from perijove_hub.admission.client import HUB_SECRET
from perijove_hub.admission.desk import Desk
from perijove_hub.admission.life import Life
from perijove_hub.admission.metered import MeteredAdmission
from perijove_hub.catalogue.federation import Federation
from perijove_hub.catalogue.vending import Vendor
from perijove_hub.ledger.clock import LedgerClock, utc_now
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.usage import UsageService
from perijove_hub.policy.in_force import PlatformInForce
from perijove_hub.policy.secrets import Secrets
from perijove_hub.web.admin_api import (
    AnnouncementHandler,
    AnnouncementsHandler,
    ClosureHandler,
    ClosuresHandler,
    NearLimitsHandler,
    OverrideHandler,
    OverridesHandler,
    PolicyHandler,
    UserHandler,
)
from perijove_hub.web.admission_api import (
    InventoryHandler,
    LeaseHandler,
    LeasesHandler,
    PlacementsHandler,
    ProfilesHandler,
    QuotasHandler,
    SitesHandler,
)
from perijove_hub.web.auth import CallerCheck, GatewayCheck
from perijove_hub.web.base import BaseHandler, NotFoundHandler, problem_error
from perijove_hub.web.callback import CallbackHandler
from perijove_hub.web.catalogue_api import (
    CredentialsHandler,
    DatasetHandler,
    DatasetsHandler,
    PresignHandler,
    TreeHandler,
)
from perijove_hub.web.gateway_api import GatewayInventoryHandler, GatewaysHandler
from perijove_hub.web.lease_tokens import LeaseTokens
from perijove_hub.web.pages_routes import page_routes
from perijove_hub.web.presign_api import PresignListHandler
from perijove_hub.web.spawn_api import NewsHandler
from perijove_hub.web.state import ControlState
from perijove_hub.web.usage_api import (
    ActivityHandler,
    ExtendHandler,
    FailuresHandler,
    GiveUpHandler,
    KeepHandler,
    NoticesHandler,
    SilenceHandler,
    StopHandler,
    UsageHandler,
)

log = logging.getLogger(__name__)

#: What the largest body may be, an inventory; a handler lowers it.
LARGEST_BODY_BYTES = 12 * 2**20
#: What the largest request may be before its body: of the hub, which says in which groups somebody is.
LARGEST_HEADER_BYTES = 2 * 2**20


@dataclass(frozen=True)
class ControlOptions:
    """How a control process is started; ``metrics_port`` 0 serves no metrics."""

    platform: Path
    database_url: str
    secrets_dir: Path
    address: str
    port: int
    service_name: str = "perijove"
    prefix: str = "/services/perijove/"
    metrics_address: str = "127.0.0.1"
    metrics_port: int = 0


class HealthHandler(BaseHandler):
    """``GET health``: for probes; anybody may ask."""

    async def prepare(self) -> None:
        """No caller is needed."""

    async def get(self) -> None:
        """200 when the database answers."""
        await self.state.admission.sites()
        self.write({"status": "ok", "policy_version": self.state.platform().version})


def make_state(options: ControlOptions, clock: Callable[[], datetime] | None = None) -> ControlState:
    """Read everything a control process needs, and refuse to start when something is wrong.

    Args:
        options: how it is started.
        clock: gives the time, aware; absent: the ledger's.

    Raises:
        PlatformFileError: the platform file is wrong.
        SecretError: a secret is missing.
        DatabaseError: the database cannot be used.
    """
    platform = PlatformInForce(options.platform, clock or utc_now)
    named = Secrets(options.secrets_dir)
    callers = CallerCheck(named.text(HUB_SECRET), options.service_name, options.prefix)
    gateways = GatewayCheck(named, platform)
    gateways.check()
    database = Database(options.database_url)
    clock = clock or LedgerClock(database)
    database.lock("control")
    database.migrate()
    admission, groups_of = MeteredAdmission(database, platform, clock), _groups_from_hub(callers)
    return ControlState(
        platform=platform,
        database=database,
        admission=admission,
        desk=Desk(database, platform, clock),
        life=Life(database, platform, clock),
        usage=UsageService(database, platform, clock),
        vendor=Vendor(named, clock),
        catalogue=Federation(database, platform, clock),
        callers=callers,
        gateways=gateways,
        lease_tokens=LeaseTokens(named, platform, admission.lease, groups_of),
        clock=clock,
        groups_of=groups_of,
    )


def make_app(state: ControlState, prefix: str) -> Application:
    """The tornado application under ``prefix``."""
    ident, number, lease = r"([a-z0-9-]{1,63})", r"([0-9]{1,18})", r"leases/([0-9a-f]{32})"
    dataset = r"datasets/([a-z0-9-]{1,63}(?:\.[A-Za-z0-9_~-]{1,200})?)"
    routes = {
        r"sites": SitesHandler,
        rf"sites/{ident}/inventory": InventoryHandler,
        r"gateways": GatewaysHandler,
        rf"gateways/{ident}/inventory": GatewayInventoryHandler,
        r"profiles": ProfilesHandler,
        r"quotas": QuotasHandler,
        r"placements": PlacementsHandler,
        r"leases": LeasesHandler,
        lease: LeaseHandler,
        rf"{lease}/activity": ActivityHandler,
        rf"{lease}/keep": KeepHandler,
        rf"{lease}/silence": SilenceHandler,
        rf"{lease}/extend": ExtendHandler,
        rf"{lease}/stop": StopHandler,
        rf"{lease}/give-up": GiveUpHandler,
        r"usage": UsageHandler,
        r"failures": FailuresHandler,
        r"notices": NoticesHandler,
        r"news": NewsHandler,
        r"overrides": OverridesHandler,
        rf"overrides/{number}": OverrideHandler,
        r"closures": ClosuresHandler,
        rf"closures/{number}": ClosureHandler,
        r"announcements": AnnouncementsHandler,
        rf"announcements/{number}": AnnouncementHandler,
        r"limits/near": NearLimitsHandler,
        r"policy": PolicyHandler,
        r"users/([^/]+)": UserHandler,
        r"datasets": DatasetsHandler,
        dataset: DatasetHandler,
        rf"{dataset}/credentials": CredentialsHandler,
        rf"{dataset}/presign": PresignHandler,
        rf"{dataset}/presign-list": PresignListHandler,
        rf"{dataset}/tree": TreeHandler,
        r"health": HealthHandler,
    }
    handlers = [(url_path_join(prefix, "api/v1/", route), handler) for route, handler in routes.items()]
    return Application(
        [
            *handlers,
            (url_path_join(prefix, "oauth_callback"), CallbackHandler),
            *page_routes(prefix),
        ],
        default_handler_class=NotFoundHandler,
        perijove=state,
        cookie_secret=state.callers.cookie_secret,
        log_function=_log_request,
    )


async def serve_control(options: ControlOptions) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reads the platform file again.

    Raises:
        OSError: the port is taken.
    """
    state = make_state(options)
    ledger_clock = state.clock if isinstance(state.clock, LedgerClock) else LedgerClock(state.database)
    await ledger_clock.try_sync()
    end_metrics = metrics.serve_metrics(options.metrics_address, options.metrics_port, state.platform.state)
    server = HTTPServer(
        make_app(state, options.prefix),
        max_body_size=LARGEST_BODY_BYTES,
        max_header_size=LARGEST_HEADER_BYTES,
        xheaders=False,
    )
    server.add_sockets(bind_sockets(options.port, options.address))
    log.info("control serves", extra={"address": options.address, "port": options.port})
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, state.platform.reload)
    in_step = asyncio.create_task(ledger_clock.keep_in_step())
    harvests = asyncio.create_task(state.catalogue.harvester.run())
    await stop.wait()
    in_step.cancel()
    harvests.cancel()
    await state.catalogue.close()
    server.stop()
    await server.close_all_connections()
    end_metrics()
    await state.database.close()


def _groups_from_hub(callers: CallerCheck) -> Callable[[str], Awaitable[frozenset[str]]]:
    async def groups_of(name: str) -> frozenset[str]:
        url = url_path_join(callers.hub_auth.api_url, "users", quote(name, safe=""))
        headers = {"Authorization": f"token {callers.hub_auth.api_token}"}
        try:
            answer = await AsyncHTTPClient().fetch(HTTPRequest(url, headers=headers, request_timeout=5))
        except HTTPClientError as error:
            if error.code == 404:
                raise problem_error(404, "No such user", f"The hub knows no user {name!r}.") from error
            raise problem_error(503, "Hub unreachable", "The hub cannot be asked about this user now.") from error
        except OSError as error:
            raise problem_error(503, "Hub unreachable", "The hub cannot be asked about this user now.") from error
        return frozenset(json.loads(answer.body).get("groups", ()))

    return groups_of


def _log_request(handler: BaseHandler) -> None:
    """Log changes and errors; the path goes without its query, where secrets might be."""
    status, method = handler.get_status(), handler.request.method
    if status < 400 and method == "GET":
        return
    log.log(
        logging.ERROR if status >= 500 else logging.INFO,
        "request",
        extra={
            "method": method,
            "path": handler.request.path,
            "status": status,
            "milliseconds": round(handler.request.request_time() * 1000, 1),
            "caller": getattr(getattr(handler, "caller", None), "name", None),
        },
    )
