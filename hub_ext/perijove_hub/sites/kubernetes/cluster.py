"""A connection to one cluster of Kubernetes; a hub holds several, each with credentials of its own.

KubeSpawner has one, the process's: its clients are made of kubernetes_asyncio's default configuration. Here every
cluster has a configuration that nobody else sees.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable
from http import HTTPStatus
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client import ApiException
from kubernetes_asyncio.config.kube_config import KubeConfigLoader
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from perijove_hub.policy.secrets import SecretError
from perijove_hub.sites.models import SiteError, SiteUnreachable

log = logging.getLogger(__name__)

#: How long one request may take.
REQUEST_SECONDS = 10.0
RETRY_AFTER_MAX_SECONDS = 10.0
#: How long making or deleting something is tried while the cluster refuses for the moment.
RETRY_SECONDS = 30
PAUSE_SECONDS = 0.3
#: What a network does: no connection, one that breaks off, no answer in time.
NETWORK_FAULTS = (aiohttp.ClientError, OSError, TimeoutError)


class Cluster:
    """One cluster, its credentials and the connections to it. Belongs to one event loop.

    Args:
        name: of the site.
        kubeconfig: gives the text of a kubeconfig as it is now; None: the hub runs in this cluster.
    """

    def __init__(self, name: str, kubeconfig: Callable[[], str] | None) -> None:
        self.name = name
        self._kubeconfig = kubeconfig
        self._text: str | None = None
        self._api_client: client.ApiClient | None = None
        self._apis: dict[str, Any] = {}
        self._told_unusable = ""
        self._connecting = asyncio.Lock()

    def api(self, group: str) -> Any:
        """The client of a group of the API, as ``CoreV1Api``; :meth:`connect` comes first."""
        if self._api_client is None:
            raise AssertionError(f"cluster {self.name} was not connected")
        if group not in self._apis:
            self._apis[group] = getattr(client, group)(self._api_client)
        return self._apis[group]

    async def connect(self) -> None:
        """See that there are clients, and that they have the credentials that are in force now.

        Raises:
            SiteUnreachable: there are no credentials, or none that can be read.
        """
        async with self._connecting:
            try:
                text = "" if self._kubeconfig is None else self._kubeconfig()
                if self._api_client is not None and text == self._text:
                    return
                made = await _api_client(text if self._kubeconfig else None)
            except (SecretError, Unfit) as error:
                self._tell_unusable(str(error))
                raise SiteUnreachable("its credentials cannot be used; the hub's log says why") from error
            except Exception as error:  # whatever a kubeconfig does wrong: the other clusters must not feel it
                # its text may hold a token, and so may what is raised about it
                self._tell_unusable(type(error).__name__)
                raise SiteUnreachable("its credentials cannot be used; the hub's log says why") from error
            self._told_unusable = ""
            before, self._api_client, self._text = self._api_client, made, text
            self._apis.clear()
        if before is not None:
            log.info("cluster %s has new credentials", self.name)
            await before.close()

    def _tell_unusable(self, why: str) -> None:
        """Once for each reason, and not at each look at each session."""
        if why != self._told_unusable:
            self._told_unusable = why
            log.error("no way into cluster %s: %s", self.name, why)

    async def close(self) -> None:
        """Close the connections."""
        self._apis.clear()
        if self._api_client is not None:
            await self._api_client.close()
            self._api_client = None


async def _api_client(kubeconfig: str | None) -> client.ApiClient:
    settings = client.Configuration()
    if kubeconfig is None:
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]  # it has none
    else:
        loader = KubeConfigLoader(config_dict=_parsed(kubeconfig))
        await loader.load_and_set(settings)
    settings.retries = False  # what is tried again is decided here, by what was answered
    return client.ApiClient(settings)


class Unfit(Exception):
    """A kubeconfig that is not used, and why; nothing of what it holds."""


#: What a kubeconfig may not say: it comes from the admin of another cluster, and these run commands of theirs in the
#: hub, read its files and send them where they like, or trust whoever answers.
_FOREIGN = {
    "exec": "a command that would run in the hub", "auth-provider": "a plugin that would run in the hub",
    "tokenFile": "a file of the hub", "client-certificate": "a file of the hub", "client-key": "a file of the hub",
    "certificate-authority": "a file of the hub", "insecure-skip-tls-verify": "no check of who answers",
    "proxy-url": "a way round the hub's own",
}  # fmt: skip


def _parsed(kubeconfig: str) -> dict[str, Any]:
    """A kubeconfig with all that it needs in itself.

    Raises:
        Unfit: it is none, or wants more.
    """
    try:
        parsed = YAML(typ="safe").load(StringIO(kubeconfig))
    except YAMLError as error:
        raise Unfit("the kubeconfig is no YAML") from error
    if not isinstance(parsed, dict):
        raise Unfit("the kubeconfig is no mapping of keys")
    for each in (*_parts(parsed, "users", "user"), *_parts(parsed, "clusters", "cluster")):
        for key, what in _FOREIGN.items():
            if each.get(key):
                raise Unfit(f"the kubeconfig has {key}: {what}. Give it a token of a service account, and data in it")
        server = urlsplit(str(each.get("server") or "https://"))
        if server.scheme != "https" and server.hostname not in ("127.0.0.1", "localhost"):
            raise Unfit("the kubeconfig has a server without https: a token would pass in the clear")
    return parsed


def _parts(parsed: dict[str, Any], several: str, one: str) -> list[dict[str, Any]]:
    named = parsed.get(several) or []
    if not isinstance(named, list) or not all(isinstance(each, dict) for each in named):
        raise Unfit(f"the kubeconfig's {several} are no list of names with what belongs to each")
    found = [each.get(one) or {} for each in named]
    if not all(isinstance(each, dict) for each in found):
        raise Unfit(f"the kubeconfig's {several} have a {one} that is no mapping of keys")
    return found


def is_passing(error: ApiException) -> bool:
    """Whether a refusal is the moment's: too many requests, a fault of the server's, or a conflict within it."""
    return error.status == 429 or error.status >= 500 or _is_conflict(error)


def _is_conflict(error: ApiException) -> bool:
    """Whether others were at something at the same time: a quota that many creates count in, for one.

    It has the status of what is there already, and nothing was made (kubernetes#67761).
    """
    if error.status != HTTPStatus.CONFLICT:
        return False
    try:
        said = json.loads(error.body or "")
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("reason") == "Conflict"


def retry_after_seconds(error: ApiException) -> float | None:
    """How long the server asks to wait, if it does; at most as long as leaves room for more tries."""
    said = str(error.headers.get("Retry-After", "")) if error.headers else ""
    return min(float(said), RETRY_AFTER_MAX_SECONDS) if said.isdigit() else None


def spoken(error: BaseException) -> str:
    """What a cluster's API did, in plain words; never what was sent to it, which holds a token."""
    if isinstance(error, ApiException):
        return _SPOKEN.get(error.status, f"its API answered {error.status}")
    if isinstance(error, TimeoutError):
        return "its API does not answer"
    return "its API cannot be reached"


_SPOKEN = {
    401: "its API does not take the hub's credentials",
    403: "its API does not allow it",
    404: "its API does not know it: is the namespace there?",
    422: "its API does not take the pod as the platform file has it",
    429: "its API has too much to do",
}


def site_error(error: BaseException, what: str) -> SiteError:
    """The fault of a call as the spawner wants it; ``what`` was to be done."""
    return SiteError(f"it could not {what}: {spoken(error)}")


async def carry_out(call: Any, seconds: float, what: str, *, fine: tuple[int, ...] = (), fine_is: bool = True) -> bool:
    """Carry out a call: False where it is to be tried again, by who counts the time.

    Args:
        call: of the API.
        seconds: how long it may take.
        what: it does, for the sentence.
        fine: refusals that are an answer.
        fine_is: which answer.

    Raises:
        SiteUnreachable: there is no connection, so that nothing was asked.
        SiteError: it is refused; the sentence has nothing of what was sent.
    """
    try:
        await asyncio.wait_for(call, seconds)
    except ApiException as error:
        if error.status in fine and not _is_conflict(error):
            return fine_is
        if not is_passing(error):
            raise SiteError(f"it could not {what}: {_refused(error)}") from error
        log.info("a cluster refuses for the moment: %s to %s", error.status, what)
        await _pause(retry_after_seconds(error))
        return False
    except aiohttp.ClientConnectorError as error:
        raise SiteUnreachable(spoken(error)) from error
    except NETWORK_FAULTS as error:
        log.info("a cluster does not answer: %s to %s", type(error).__name__, what)
        await _pause(None)
        return False
    return True


async def _pause(seconds: float | None) -> None:
    """Not at once, and not all together."""
    await asyncio.sleep((PAUSE_SECONDS if seconds is None else seconds) * random.uniform(1.0, 1.5))  # noqa: S311 - no secret


def _refused(error: ApiException) -> str:
    return "the cluster's quota is used up" if "exceeded quota" in (error.body or "") else spoken(error)
