"""The cluster object that :func:`perijove.cluster` gives: Dask Gateway's own, which shows itself and checks versions.

Imported only when a cluster is asked for, since it brings Dask in.
"""

from __future__ import annotations

import html
import os
import warnings
from typing import Any

import aiohttp
import httpx
from dask_gateway import Gateway, GatewayCluster
from dask_gateway.auth import JupyterHubAuth
from dask_gateway.client import GatewayClusterError, GatewayServerError
from pydantic import ValidationError

from .clusters import dashboard_root
from .errors import BadRequest, NotConfigured, NotFound, PerijoveError, Refused, StoreUnavailable
from .models import GatewayCluster as ClusterFacts
from .models import GatewayView
from .versions import VersionWarning, differences, package_versions, python_version, spoken

#: How long a gateway may take to tell of one cluster: somebody waits for it, and has asked for nothing else.
FACTS_SECONDS = 10.0


class GatewayUnavailable(StoreUnavailable):
    """A Dask Gateway did not answer."""

    title = "The gateway is not available"


class Cluster(GatewayCluster):  # type: ignore[misc]  # published without types
    """A cluster of the platform; all of :class:`dask_gateway.GatewayCluster` works.

    Attributes:
        site: of its gateway.
    """

    site: str = ""

    def get_client(self, set_as_default: bool = True) -> Any:
        """A client of this cluster; warns first when its versions and this notebook's do not fit together."""
        if (facts := self.facts()) is not None and facts.versions is not None:
            there = (facts.versions.python, facts.versions.packages)
            if found := differences((python_version(), package_versions()), there):
                warnings.warn(spoken(found), VersionWarning, stacklevel=2)
        return super().get_client(set_as_default=set_as_default)

    @property
    def capped(self) -> str | None:
        """What is in the way when it has fewer workers than were asked for, in the platform's words."""
        facts = self.facts()
        return facts.capped if facts else None

    def facts(self) -> ClusterFacts | None:
        """What its gateway knows of it; None when it does not answer."""
        return facts_of(self.gateway.address, str(self.name))

    # --- how it shows itself --------------------------------------------------------------------------------------

    def _widget_status(self) -> dict[str, Any]:
        """What the widget shows; Dask Gateway calls this whenever workers come or go."""
        workers = self.scheduler_info.get("workers", {}).values()
        return {
            "name": str(self.name),
            "site": self.site,
            "state": str(self.status),
            "workers": len(workers),
            "threads": sum(each.get("nthreads", 0) for each in workers),
            "memory_bytes": sum(each.get("memory_limit", 0) for each in workers),
            "dashboard": self.dashboard_link or "",
        }

    def _ipython_display_(self, **more: Any) -> None:
        from IPython.display import display

        widget = self._widget()
        if widget is not None:
            display(widget, **more)  # type: ignore[no-untyped-call]
        else:
            display({"text/plain": repr(self), "text/html": self._repr_html_()}, raw=True)  # type: ignore[no-untyped-call]

    def _widget(self) -> Any:
        if self.asynchronous:
            return None
        if not hasattr(self, "_cached_widget"):
            try:
                from .cluster_widget import ClusterWidget
            except ImportError:
                self._cached_widget = None
                return None
            self._cached_widget = ClusterWidget(facts=self._widget_status())
            self._cached_widget.listen(self)
            # Dask Gateway sets the value of this one when workers come or go
            self._status_widget = self._cached_widget
        return self._cached_widget

    def _repr_html_(self) -> str:
        shown = self._widget_status()
        rows = {
            "Name": shown["name"], "Gateway": shown["site"], "State": shown["state"], "Workers": shown["workers"],
            "Threads": shown["threads"], "Memory": f"{shown['memory_bytes'] / 2**30:.1f} GiB",
        }  # fmt: skip
        cells = "".join(f"<tr><th>{name}</th><td>{html.escape(str(text))}</td></tr>" for name, text in rows.items())
        link = html.escape(shown["dashboard"], quote=True)
        board = f"<p><a href='{link}' target='_blank'>Dashboard</a></p>" if link else ""
        return f"<table>{cells}</table>{board}"


def start(gateway: GatewayView, title: str, options: dict[str, Any], *, shutdown_on_close: bool) -> Cluster:
    """Start a cluster and wait until it runs; see :func:`perijove.cluster`."""
    titled = {**options, "title": title} if title else options
    with _Spoken(gateway):
        made = Cluster(**_address(gateway), shutdown_on_close=shutdown_on_close, **titled)
    made.site = gateway.site
    return made


def connect(gateway: GatewayView, name: str, *, shutdown_on_close: bool) -> Cluster:
    """Connect to a cluster that runs; see :func:`perijove.cluster`."""
    with _Spoken(gateway, name):
        made: Cluster = Cluster.from_name(name, shutdown_on_close=shutdown_on_close, **_address(gateway))
    made.site = gateway.site
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
        "public_address": dashboard_root(gateway.site, gateway.address),
        "auth": JupyterHubAuth(api_token=token),
    }


def facts_of(address: str, name: str) -> ClusterFacts | None:
    """What the gateway at an address knows of one of this user's clusters; None when it does not answer."""
    headers = {"Authorization": f"jupyterhub {os.environ.get('JUPYTERHUB_API_TOKEN', '')}"}
    try:
        answer = httpx.get(f"{address}/api/perijove/v1/clusters/{name}", headers=headers, timeout=FACTS_SECONDS)
        return ClusterFacts.model_validate_json(answer.content) if answer.status_code == 200 else None
    except (httpx.HTTPError, ValidationError):
        return None


class _Spoken:
    """Turns what Dask Gateway's client raises into our errors, whose sentences say what to do."""

    def __init__(self, gateway: GatewayView, name: str | None = None) -> None:
        self._gateway = gateway
        self._name = name

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        """Raise ours in the place of theirs."""
        if error is None or isinstance(error, PerijoveError):
            return
        spoken_error = self._error(error)
        if spoken_error is not None:
            raise spoken_error from None

    def _error(self, error: BaseException) -> PerijoveError | None:
        title = self._gateway.title
        if isinstance(error, aiohttp.ClientResponseError) and error.status in (401, 403):
            if self._name is not None and error.status == 403:
                return NotFound(f"You have no cluster {self._name!r} at {title}.")
            return Refused(f"The gateway of {title} does not take this session's token.")
        if isinstance(error, ValueError):
            said = str(error)
            if self._name is not None:
                return NotFound(f"You have no cluster {self._name!r} at {title}.")
            return Refused(said) if said.startswith(_REFUSALS) else BadRequest(said)
        if isinstance(error, GatewayClusterError):
            return BadRequest(self._why_over(str(error)))
        if isinstance(error, (aiohttp.ClientError, GatewayServerError, TimeoutError, OSError)):
            return GatewayUnavailable(f"The gateway of {title} does not answer: try again, or another gateway.")
        return None

    def _why_over(self, said: str) -> str:
        """The gateway's reason in the place of "see logs"; the name stands in quotation marks in the error."""
        name = self._name or (said.split("'")[1] if said.count("'") >= 2 else "")
        facts = facts_of(self._gateway.address, name) if name else None
        if facts is None or facts.reason is None:
            return said
        return f"The cluster did not start: {facts.reason}"


#: How the sentences begin with which control refuses.
_REFUSALS = ("Limit ", "The platform ", "Allocation ", "No site", "The site", "Nothing")
