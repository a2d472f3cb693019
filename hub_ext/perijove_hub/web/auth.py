"""Who is calling: the hub or a gateway by its own secret, or a user by a token or a login of the hub."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from jupyterhub.services.auth import HubOAuth
from traitlets.config import Config

from perijove.models import RESERVED_OWNERS
from perijove_hub.admission.models import refuse
from perijove_hub.policy.models import Platform
from perijove_hub.policy.secrets import SecretError, Secrets

log = logging.getLogger(__name__)

#: The scope that admin pages ask for at login; it is never in a server's token, so a notebook of an admin is no admin.
ADMIN_SCOPE = "custom:perijove:admin"

#: Answers of the hub about a token are kept this long; users' servers keep what they got as long again at most, so
#: that a revocation counts within a minute.
CACHE_SECONDS = 30

#: What the hub's secret is hashed with for cookies, so that neither is told by the other.
COOKIE_LABEL = b"perijove control cookies"


@dataclass(frozen=True)
class Caller:
    """Who a request is from. ``is_hub`` callers act for users; others are users themselves, but for gateways.

    ``gateway_site`` is the site whose gateway calls; such a caller may do nothing but what is for gateways. One who
    ``reads_only`` has the token of a lease, and may read data and do nothing else.
    """

    name: str
    groups: frozenset[str]
    is_hub: bool = False
    is_admin: bool = False
    gateway_site: str | None = None
    reads_only: bool = False


class CallerCheck:
    """Tells callers apart.

    Args:
        hub_secret: what the hub sends; only its hash is kept, and the key of cookies that is made of it.
        service_name: the hub's name for this service, whose access scope a user's token must hold.
        prefix: the path of this service, for which its cookies are.
    """

    def __init__(self, hub_secret: str, service_name: str, prefix: str) -> None:
        self._hub_digest = sha256(hub_secret.encode()).digest()
        #: What cookies are signed with: the same in every control, and after a restart.
        self.cookie_secret = hmac.digest(hub_secret.encode(), COOKIE_LABEL, sha256)
        config = Config()
        config.HubOAuth.cache_max_age = CACHE_SECONDS
        config.HubOAuth.allow_token_in_url = False
        # we have no websockets; a change that calls itself one would pass without its XSRF token
        config.HubOAuth.allow_websocket_cookie_auth = False
        config.HubOAuth.base_url = prefix
        config.HubOAuth.access_scopes = {"access:services", f"access:services!service={service_name}"}
        self.hub_auth = HubOAuth(config=config)

    def by_secret(self, authorization: str) -> Caller | None:
        """The hub, when the header holds its secret. Never asks the hub, which may be starting and waiting for us."""
        scheme, _, token = authorization.partition(" ")
        if scheme.casefold() not in ("bearer", "token"):
            return None
        if hmac.compare_digest(sha256(token.strip().encode()).digest(), self._hub_digest):
            return Caller(name="hub", groups=frozenset(), is_hub=True)
        return None

    def by_model(self, model: dict[str, Any]) -> Caller | None:
        """The user of a model that the hub gave, or None when the token does not reach this service.

        Raises:
            Refused: the user has a name that means something else here.
        """
        if model.get("kind") != "user" or not self.hub_auth.check_scopes(self.hub_auth.access_scopes, model):
            return None
        if model["name"] in RESERVED_OWNERS:
            raise refuse(
                403,
                "Not allowed",
                f"A user cannot be called {model['name']!r} here, since that stands for others: ask an admin of the "
                "hub for another name.",
            )
        return Caller(
            name=model["name"],
            groups=frozenset(model.get("groups", ())),
            is_admin=ADMIN_SCOPE in model.get("scopes", ()),
        )


class GatewayCheck:
    """Tells the gateways of sites by their secrets, sent as ``Authorization: gateway SECRET``.

    Args:
        secrets: where they are; read anew for each call of a gateway, so that a rotated one counts at once.
        platform: gives the platform file in force, which names them.
    """

    def __init__(self, secrets: Secrets, platform: Callable[[], Platform]) -> None:
        self._secrets = secrets
        self._platform = platform

    def check(self) -> None:
        """Make sure that every gateway's secret can be read.

        Raises:
            SecretError: one cannot; control does not start then.
        """
        for site in self._platform().sites.values():
            if site.dask is not None:
                self._secrets.text(site.dask.secret)

    def by_secret(self, authorization: str) -> Caller | None:
        """The gateway whose secret the header holds. Never asks the hub."""
        scheme, _, said = authorization.partition(" ")
        if scheme.casefold() != "gateway":
            return None
        digest = sha256(said.strip().encode()).digest()
        for name, site in self._platform().sites.items():
            if site.dask is not None and hmac.compare_digest(digest, self._digest(site.dask.secret)):
                return Caller(name=f"gateway of {name}", groups=frozenset(), gateway_site=name)
        return None

    def _digest(self, secret: str) -> bytes:
        try:
            return sha256(self._secrets.text(secret).encode()).digest()
        except SecretError as error:
            log.error("a gateway cannot be told: %s", error)  # noqa: TRY400 - the sentence says it all
            return b""
