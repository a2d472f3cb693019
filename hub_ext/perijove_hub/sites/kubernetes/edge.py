"""The edge of a cluster whose pods the hub cannot reach: where a session has its path, and whether it is open.

Two ask the edge for a session. The hub asks by the edge's own name. The platform's proxy connects to that name too, but
keeps the ``Host`` of the browser, and its TLS asks for, and checks, that name (``calculateServerName`` of Node's
``https``): so each path is there under both names, and the edge's certificate has to be valid for both.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from jupyterhub.httpclient import fetch
from jupyterhub.utils import exponential_backoff
from kubernetes_asyncio import client
from kubernetes_asyncio.client import ApiException
from kubespawner.objects import make_owner_reference

from perijove_hub.policy.sites import IngressEdge, KubernetesSite
from perijove_hub.sites.kubernetes import routes
from perijove_hub.sites.kubernetes.cluster import NETWORK_FAULTS, RETRY_SECONDS, carry_out
from perijove_hub.sites.models import READY_HEADER, SiteError

#: How often an edge that is not open is asked again.
LOOK_SECONDS = 0.5
REQUEST_SECONDS = 5.0
#: What is an address to Kubernetes, and to the makers of certificates, and no name.
_ADDRESS = re.compile(r"[0-9.]+|.*:.*")


async def _nobody_knows() -> None:
    return None


class Edge:
    """The edge of one site.

    Args:
        policy: of the edge.
        site: its name.
        public_url: of the platform, whose name the proxy asks by.
    """

    def __init__(self, policy: IngressEdge, site: str, public_url: str) -> None:
        self._policy = policy
        self.name = policy.host.format(site=site)
        port = f":{policy.port}" if policy.port is not None else ""
        #: where hub and proxy reach the sessions of the site; they are told apart by their paths
        self.url = f"{'https' if policy.tls else 'http'}://{self.name}{port}"
        #: all by which it is asked, the hub's first
        self.names = [self.name]
        public = urlsplit(public_url).hostname
        if public and public != self.name and not _ADDRESS.fullmatch(public):
            self.names.append(public)

    @property
    def traits(self) -> dict[str, Any]:
        """What makes a spawner give its session a Service, and an Ingress or an HTTPRoute."""
        return {
            "services_enabled": True,
            "after_pod_created_hook": self._open_path,
            "get_pod_url": lambda spawner, pod: self.url,
        }

    async def _open_path(self, spawner: Any, pod: dict[str, Any]) -> None:
        kind = "Ingress" if self._policy.gateway is None else "HTTPRoute"
        metadata = client.V1ObjectMeta(
            name=spawner.pod_name,
            labels=dict(spawner.extra_labels),
            annotations=dict(self._policy.annotations) or None,
            # gone with the pod
            owner_references=[unblocking(make_owner_reference(spawner.pod_name, pod["metadata"]["uid"]))],
        )

        async def make() -> bool:
            made = self._create(spawner, metadata)
            return await carry_out(made, spawner.k8s_api_request_timeout, f"make the {kind}", fine=(409,))

        try:
            await exponential_backoff(make, f"it could not make the {kind} in time", timeout=RETRY_SECONDS)
        except TimeoutError as error:
            raise SiteError(str(error)) from error
        except SiteError as error:
            if isinstance(error.__cause__, ApiException) and error.__cause__.status == 404 and self._policy.gateway:
                raise SiteError(f"the cluster has no Gateway API, {routes.GROUP}/{routes.VERSION}.") from error
            raise

    def _create(self, spawner: Any, metadata: client.V1ObjectMeta) -> Awaitable[Any]:
        told = (self.names, spawner.spec.path, spawner.port, metadata)
        made: Awaitable[Any]
        if self._policy.gateway is None:
            networking = spawner.cluster.api("NetworkingV1Api")
            made = networking.create_namespaced_ingress(spawner.namespace, routes.ingress(self._policy, *told))
        else:
            route = routes.http_route(self._policy.gateway, *told)
            custom = spawner.cluster.api("CustomObjectsApi")
            made = custom.create_namespaced_custom_object(
                routes.GROUP, routes.VERSION, spawner.namespace, routes.PLURAL, route
            )
        return made

    async def why_closed(self, spawner: Any) -> str | None:
        """What the cluster says of a path that the edge does not have; None: nothing."""
        gateway = self._policy.gateway
        if gateway is None:
            return None
        custom = spawner.cluster.api("CustomObjectsApi")
        asked = custom.get_namespaced_custom_object(
            routes.GROUP, routes.VERSION, spawner.namespace, routes.PLURAL, spawner.pod_name
        )
        try:
            said = routes.refusal(await asyncio.wait_for(asked, REQUEST_SECONDS), gateway)
        except (ApiException, *NETWORK_FAULTS):
            return None
        return said and f"its Gateway {gateway.name} {said}"

    async def wait_until_open(
        self,
        path: str,
        until: float,
        say: Callable[[str], None],
        why_closed: Callable[[], Awaitable[str | None]] = _nobody_knows,
    ) -> None:
        """Wait until it answers under all its names, whatever it answers but that it has no such path.

        A controller may take a moment for a certificate, or be started again; what goes on longer than the edge's
        ``timeout_seconds`` is told instead of a session that nobody reaches.

        Args:
            path: of a session.
            until: when to give up at the latest, on the clock of the loop.
            say: takes what is wrong meanwhile.
            why_closed: finds out why the edge has no such path.

        Raises:
            SiteError: it does not, and why.
        """
        loop = asyncio.get_running_loop()
        until = min(until, loop.time() + self._policy.timeout_seconds)
        told = ""
        for name in self.names:
            while (fault := await self._fault(path, name, until - loop.time(), why_closed)) is not None:
                if loop.time() > until:
                    raise SiteError(f"{fault}.")
                if fault != told:
                    say(f"It waits: {fault}")
                    told = fault
                await asyncio.sleep(LOOK_SECONDS)

    async def _fault(
        self, path: str, name: str, seconds_left: float, why_closed: Callable[[], Awaitable[str | None]]
    ) -> str | None:
        """What is wrong with the edge for who asks it by this name; None: nothing."""
        timeout = aiohttp.ClientTimeout(total=min(REQUEST_SECONDS, max(seconds_left, 0.5)), sock_connect=2)
        as_name: dict[str, Any] = {"headers": {"Host": name}, "server_hostname": name} if name != self.name else {}
        try:
            answer = await fetch(
                f"{self.url}{path}", raise_for_status=False, allow_redirects=False, timeout=timeout, **as_name
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return self._spoken(error, name)
        answer.release()
        if answer.status == HTTPStatus.NOT_FOUND and READY_HEADER not in answer.headers:
            return await why_closed() or f"its edge {self.url} has no path for the session under the name {name}"
        return None

    def _spoken(self, error: BaseException, name: str) -> str:
        where = f"its edge {self.url}"
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            why = error.certificate_error
            said = why.verify_message if isinstance(why, ssl.SSLCertVerificationError) else str(why)
            asked = "the hub" if name == self.name else f"the proxy, which asks for {name},"
            return (
                f"the certificate of {where} is not one that {asked} can trust ({said}); whoever runs the platform "
                f'finds what to do in the guide "On Kubernetes", under "Edges with https"'
            )
        if isinstance(error, aiohttp.ClientConnectorSSLError) and name != self.name:
            return (
                f"{where} refuses https to who asks for {name}, as the proxy does; whoever runs the platform finds "
                'what to do in the guide "On Kubernetes", under "Edges with https"'
            )
        if isinstance(error, aiohttp.ClientConnectorSSLError):
            return f"{where} does not speak https as the hub does; `ingress.port` and `ingress.tls` say how it is asked"
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return f"the name of {where} is not known to the hub; it has to lead to the cluster's ingress controller"
        if isinstance(error, aiohttp.ClientConnectorError):
            return f"{where} takes no connection ({error.os_error.strerror or type(error.os_error).__name__})"
        return f"{where} does not answer"


def edge_of(policy: KubernetesSite, site: str, public_url: str) -> Edge | None:
    """The edge of a site; None: hub and proxy reach its pods without."""
    return None if policy.ingress is None else Edge(policy.ingress, site, public_url)


def unblocking(owner: client.V1OwnerReference) -> client.V1OwnerReference:
    """An owner that goes without waiting for what it owns: to make it wait would take a right on the owner.

    OpenShift, for one, asks for that right: ``update`` on ``pods/finalizers``.
    """
    owner.block_owner_deletion = False
    return owner
