"""The cluster object that :func:`perijove.cluster` gives: Dask Gateway's own, which shows itself and checks versions.

Imported only when a cluster is asked for, since it brings Dask in.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import html
import os
import warnings
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp
import httpx
from dask.widgets.widgets import get_template
from dask_gateway import Gateway, GatewayCluster
from dask_gateway.auth import JupyterHubAuth
from dask_gateway.client import GatewayClusterError, GatewayServerError
from distributed import Client
from pydantic import ValidationError

from .clusters import dashboard_root
from .errors import BadRequest, ClusterOver, NotConfigured, NotFound, PerijoveError, Refused, StoreUnavailable
from .models import TITLE_OPTION, GatewayView
from .models import GatewayCluster as ClusterFacts
from .preflight import Preflight
from .versions import VersionWarning

#: How long a gateway may take to tell of one cluster: somebody waits for it, and has asked for nothing else.
FACTS_SECONDS = 10.0
#: The same for a look in passing, while a cluster is shown.
LOOK_SECONDS = 2.0


class GatewayUnavailable(StoreUnavailable):
    """A Dask Gateway did not answer."""

    title = "The gateway is not available"


class ClusterClient(Client):
    """Dask's client, whose button for JupyterLab is there without Dask's own extension: ours does what it calls."""

    async def _update_scheduler_info(self, *args: Any, **more: Any) -> None:
        # Dask's client does so every two seconds
        await super()._update_scheduler_info(*args, **more)  # type: ignore[no-untyped-call]
        if isinstance(self.cluster, Cluster):
            self.cluster.meet_newcomers()

    def _repr_html_(self) -> str:
        link = self.dashboard_link
        if not link:
            return str(super()._repr_html_())  # type: ignore[no-untyped-call]
        scheduler, info = self._get_scheduler_info(n_workers=5)  # type: ignore[no-untyped-call]
        told = {"id": self.id, "scheduler": scheduler, "info": info, "cluster": self.cluster, "scheduler_file": None}
        return str(get_template("client.html.j2").render(**told, dashboard_link=link, jupyterlab=True))


class Cluster(GatewayCluster):  # type: ignore[misc]  # published without types
    """A cluster of the platform; all of :class:`dask_gateway.GatewayCluster` works.

    Attributes:
        site: of its gateway.
        title: what its owner calls it, as far as it is known here.
    """

    site: str = ""
    title: str = ""
    _view: GatewayView | None = None
    _preflight: Preflight | None = None
    _meeting: asyncio.Task[None] | None = None

    def _init_internal(self, *args: Any, **more: Any) -> None:
        try:
            super()._init_internal(*args, **more)
        except Exception:
            if not more.get("asynchronous"):
                self._let_go()  # nobody holds this object, and its loop would run on
            raise

    @property
    def dashboard_link(self) -> str | None:
        """Where its owner's browser reaches its dashboard, through the owner's own server; None: nowhere."""
        root = dashboard_root(self.site)
        # the template that shows it escapes nothing
        return f"{root}/clusters/{quote(str(self.name))}/status" if root and self.name else None

    @dashboard_link.setter
    def dashboard_link(self, link: str | None) -> None:
        """Dask Gateway sets the one at the gateway itself, which has no login."""

    def get_client(self, set_as_default: bool = True) -> Any:
        """A client of this cluster; warns first when its versions and this notebook's do not fit together.

        Workers that come later are asked as they come, while there is a client.

        Raises:
            ClusterOver: the cluster is over, and why.
        """
        if not self.asynchronous:
            self._check_open()
            self._preflight = self._preflight or Preflight(self.scheduler_comm)
            try:
                told: str | None = self.gateway.sync(self._preflight.check)
            except (OSError, TimeoutError):
                self._check_not_over()  # else Dask's client would try for half a minute, and not say why
            else:
                if told:
                    warnings.warn(told, VersionWarning, stacklevel=2)
        client = ClusterClient(  # type: ignore[no-untyped-call]
            self,
            security=self.security,
            set_as_default=set_as_default,
            asynchronous=self.asynchronous,
            loop=self.loop,
        )
        if not self.asynchronous:
            self._clients.add(client)
        return client

    def meet_newcomers(self) -> None:
        """In its loop, without waiting: ask workers that have come since what they run on, and warn of misfits."""
        if self._preflight is None or (self._meeting is not None and not self._meeting.done()):
            return
        if newcomers := self._preflight.newcomers(self.scheduler_info.get("workers", {})):
            self._meeting = asyncio.create_task(self._meet(self._preflight, newcomers), name="versions of new workers")

    async def _meet(self, preflight: Preflight, newcomers: set[str]) -> None:
        told = None
        with contextlib.suppress(OSError, TimeoutError):  # they are asked again
            told = await preflight.check_newcomers(newcomers)
        if told:
            warnings.warn(told, VersionWarning, stacklevel=1)
            if (widget := getattr(self, "_cached_widget", None)) is not None:
                widget.said = told

    def close(self, shutdown: bool | None = None) -> Any:
        """Let go of it, and stop it: if ``shutdown`` says so, or, without, if it was to end with this object."""
        if self.asynchronous:
            return super().close(shutdown=shutdown)
        # within `with client:`, that client counts as current for as long as it closes, and so stays Dask's scheduler
        contextvars.Context().run(super().close, shutdown=shutdown)
        self._let_go()
        return None

    def _let_go(self) -> None:
        # with it, Dask Gateway's own object would close itself again when it goes, and complain in a cell's output
        runner = self.gateway.__dict__.pop("_loop_runner", None)
        if runner is not None:
            runner.stop()

    def scale(self, n: int, **kwargs: Any) -> Any:
        """Ask for ``n`` workers; a warning says it when the gateway takes that for too many."""
        with self._spoken():
            return super().scale(n, **kwargs)

    def adapt(self, minimum: int | None = None, maximum: int | None = None, active: bool = True, **kwargs: Any) -> Any:
        """Let it choose how many workers it has, within these bounds; ``active=False``: not any more."""
        with self._spoken():
            return super().adapt(minimum=minimum, maximum=maximum, active=active, **kwargs)

    @property
    def capped(self) -> str | None:
        """What is in the way when it has fewer workers than were asked for, in the platform's words."""
        facts = self.facts()
        return facts.capped if facts else None

    def facts(self) -> ClusterFacts | None:
        """What its gateway knows of it; None when it does not answer."""
        return facts_of(self.gateway.address, str(self.name))

    async def look(self) -> ClusterFacts | None:
        """As :meth:`facts`, within the loop of this cluster; None also when there is nothing to be told any more."""
        with contextlib.suppress(
            aiohttp.ClientError, GatewayClusterError, GatewayServerError, OSError, TimeoutError, ValueError
        ):
            async with asyncio.timeout(LOOK_SECONDS):
                answer = await self.gateway._request("GET", _facts_url(self.gateway.address, str(self.name)))
                return ClusterFacts.model_validate_json(await answer.read())
        return None

    async def _start_async(self) -> None:
        """Start or connect; what is wrong comes as an error of ours, since only here it is known how far it came."""
        is_new = self.name is None
        try:
            await super()._start_async()
        except GatewayClusterError as error:
            if self.name is None:
                # a gateway answers so when the platform lets it start nothing; a wrong option is another answer
                raise Refused(str(error)) from None
            facts = await self.look()
            raise over(facts, "did not start" if is_new else "is over") from None

    def _check_open(self) -> None:
        if self.status in ("closing", "closed"):
            raise ClusterOver(
                "This cluster was stopped or closed here. If it still runs, "
                f"perijove.cluster(name={str(self.name)!r}) connects to it again."
            )

    def _check_not_over(self) -> None:
        facts = self.facts()
        if facts is not None and facts.state.is_over:
            raise over(facts)

    def _spoken(self) -> contextlib.AbstractContextManager[None]:
        if self._view is None or self.asynchronous:
            return contextlib.nullcontext()
        self._check_open()
        return _Spoken(self._view, str(self.name))

    # --- how it shows itself --------------------------------------------------------------------------------------

    #: It would come before the next, which leaves a table in a notebook that was saved.
    _ipython_display_ = None

    def _repr_mimebundle_(self, **more: Any) -> dict[str, Any]:
        shown: dict[str, Any] = {"text/plain": repr(self), "text/html": self._repr_html_()}
        widget = self._widget()
        bundle = widget._repr_mimebundle_(**more) if widget is not None else None
        if bundle is not None:
            data = bundle[0] if isinstance(bundle, tuple) else bundle
            shown = {**data, **shown}
        return shown

    def _widget_status(self) -> dict[str, Any]:
        """What the widget shows; Dask Gateway calls this whenever workers come or go."""
        workers = list(self.scheduler_info.get("workers", {}).values())
        return {
            "name": str(self.name),
            "title": self.title,
            "site": self.site,
            "state": str(self.status),
            "workers": len(workers),
            "threads": sum(each.get("nthreads", 0) for each in workers),
            "memory_bytes": sum(each.get("memory_limit", 0) for each in workers),
            "dashboard": self.dashboard_link or "",
        }

    def _widget(self) -> Any:
        if not hasattr(self, "_cached_widget"):
            if self.asynchronous or self.status in ("closing", "closed"):
                return None
            try:
                from .cluster_widget import ClusterWidget
            except ImportError:
                self._cached_widget = None
                return None
            self._cached_widget = ClusterWidget(facts=self._widget_status())
            # Dask Gateway sets the value of this one when workers come or go
            self._status_widget = self._cached_widget
            self._cached_widget.follow(self)
        return self._cached_widget

    async def _stop_internal(self, shutdown: bool | None = None) -> None:
        if self._meeting is not None:
            self._meeting.cancel()
        await super()._stop_internal(shutdown=shutdown)
        if (widget := getattr(self, "_cached_widget", None)) is not None:
            is_stopped = self.shutdown_on_close if shutdown is None else shutdown
            widget.end(self._widget_status(), "stopped" if is_stopped else "closed here")

    def _repr_html_(self) -> str:
        shown = self._widget_status()
        rows = {
            "Title": shown["title"], "Name": shown["name"], "Gateway": shown["site"], "State": shown["state"],
            "Workers": shown["workers"], "Threads": shown["threads"],
            "Memory": f"{shown['memory_bytes'] / 2**30:.1f} GiB",
        }  # fmt: skip
        cells = "".join(
            f"<tr><th>{name}</th><td>{html.escape(str(text))}</td></tr>" for name, text in rows.items() if text != ""
        )
        link = html.escape(shown["dashboard"], quote=True)
        board = f"<p><a href='{link}' target='_blank'>Dashboard</a></p>" if link else ""
        return f"<table>{cells}</table>{board}"


def start(gateway: GatewayView, title: str, options: dict[str, Any], *, shutdown_on_close: bool) -> Cluster:
    """Start a cluster and wait until it runs; see :func:`perijove.cluster`."""
    titled = {**options, TITLE_OPTION: title} if title else options
    with _Spoken(gateway):
        made = Cluster(**_address(gateway), shutdown_on_close=shutdown_on_close, **titled)
    made.site, made.title, made._view = gateway.site, title, gateway
    return made


def connect(gateway: GatewayView, name: str, title: str, *, shutdown_on_close: bool) -> Cluster:
    """Connect to a cluster that runs; see :func:`perijove.cluster`."""
    with _Spoken(gateway, name):
        made: Cluster = Cluster.from_name(name, shutdown_on_close=shutdown_on_close, **_address(gateway))
    made.site, made.title, made._view = gateway.site, title, gateway
    return made


def open_gateway(gateway: GatewayView) -> Any:
    """Dask Gateway's own client of one gateway, with this user's token."""
    return Gateway(**_address(gateway))


def _address(gateway: GatewayView) -> dict[str, Any]:
    token = os.environ.get("JUPYTERHUB_API_TOKEN")
    if not token:
        raise NotConfigured("Clusters are started from sessions of the platform: JUPYTERHUB_API_TOKEN is not set here.")
    return {
        "address": gateway.address,
        "proxy_address": gateway.proxy_address,
        "public_address": dashboard_root(gateway.site) or gateway.address,
        "auth": JupyterHubAuth(api_token=token),
    }


def facts_of(address: str, name: str) -> ClusterFacts | None:
    """What the gateway at an address knows of one of this user's clusters; None when it does not answer."""
    headers = {"Authorization": f"jupyterhub {os.environ.get('JUPYTERHUB_API_TOKEN', '')}"}
    try:
        answer = httpx.get(_facts_url(address, name), headers=headers, timeout=FACTS_SECONDS)
        return ClusterFacts.model_validate_json(answer.content) if answer.status_code == 200 else None
    except (httpx.HTTPError, ValidationError):
        return None


def _facts_url(address: str, name: str) -> str:
    return f"{address.rstrip('/')}/api/perijove/v1/clusters/{quote(name)}"


def over(facts: ClusterFacts | None, what: str = "is over") -> ClusterOver:
    """That a cluster is over, and why."""
    why = (facts.reason if facts is not None else None) or "its gateway does not say why"
    return ClusterOver(f"The cluster {what}: {why.rstrip('.')}.")


class _Spoken(contextlib.AbstractContextManager[None]):
    """Turns what Dask Gateway's client raises into our errors, whose sentences say what to do."""

    def __init__(self, gateway: GatewayView, name: str | None = None) -> None:
        self._gateway = gateway
        self._name = name

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        """Raise ours in the place of theirs, without where it comes from in Dask Gateway's client."""
        if error is None:
            return
        if isinstance(error, PerijoveError):
            raise error.with_traceback(None) from None
        spoken_error = self._error(error)
        if spoken_error is not None:
            raise spoken_error from None

    def _error(self, error: BaseException) -> PerijoveError | None:
        title = self._gateway.title
        if isinstance(error, aiohttp.ClientResponseError) and error.status in (401, 403):
            if self._name is not None and error.status == 403:
                return NotFound(f"You have no cluster {self._name!r} at {title}.")
            return Refused(f"The gateway of {title} does not take this session's token.")
        if isinstance(error, aiohttp.ClientResponseError) and error.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return GatewayUnavailable(
                f"The gateway of {title} cannot ask the platform now whether there is room: try again in a minute."
            )
        if isinstance(error, ValueError):
            said = str(error)
            if said == f"Cluster {self._name} not found":
                return NotFound(f"You have no cluster {self._name!r} at {title}.")
            return BadRequest(said)
        if isinstance(error, GatewayClusterError):
            return self._not_running(str(error))
        if isinstance(error, (aiohttp.ClientError, GatewayServerError, TimeoutError, OSError)):
            return GatewayUnavailable(f"The gateway of {title} does not answer: try again, or another gateway.")
        return None

    def _not_running(self, said: str) -> PerijoveError:
        """The gateway's reason in the place of "is not running"."""
        facts = facts_of(self._gateway.address, self._name) if self._name else None
        if facts is not None and facts.state.is_over:
            return over(facts)
        if facts is not None:
            return ClusterOver(f"The cluster is {facts.state.value}, and cannot do this now.")
        return ClusterOver(said)
