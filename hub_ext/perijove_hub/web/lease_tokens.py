"""Tokens of leases: with one, what runs on a lease reads data as its owner, until the lease is over.

A token is made of the lease's id and of its gateway's secret, so that nothing of it is kept: it is good while the lease
is open, and a new secret of the gateway ends all of them. Sent as ``Authorization: lease ID.MAC``.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256

from perijove_hub.ledger.models import LeaseRow
from perijove_hub.policy.models import Platform
from perijove_hub.policy.secrets import SecretError, Secrets
from perijove_hub.web.auth import CACHE_SECONDS, Caller

#: What a gateway's secret is hashed with, so that a token does not tell it.
_LABEL = b"perijove lease token "
_TOKEN = re.compile(r"([0-9a-f]{32})\.([0-9a-f]{64})")
#: How many owners' groups are remembered.
OWNERS_KEPT = 10_000


class LeaseTokens:
    """Makes tokens and tells whom they speak for.

    Args:
        secrets: where the gateways' secrets are.
        platform: gives the platform file in force, which names them.
        find_lease: the lease of an id, or None.
        groups_of: asks the hub in which groups a user is; raises when it cannot say, or knows no such user.
        clock: gives seconds that only go forward.
    """

    def __init__(
        self,
        secrets: Secrets,
        platform: Callable[[], Platform],
        find_lease: Callable[[str], Awaitable[LeaseRow | None]],
        groups_of: Callable[[str], Awaitable[frozenset[str]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._secrets = secrets
        self._platform = platform
        self._find_lease = find_lease
        self._groups_of = groups_of
        self._clock = clock
        self._groups: dict[str, tuple[float, frozenset[str]]] = {}
        self._asking: dict[str, asyncio.Task[frozenset[str]]] = {}

    def make(self, site: str, lease_id: str) -> str | None:
        """The token of a lease of the gateway of a site; None when the site has no gateway, or its secret is gone."""
        policy = self._platform().sites.get(site)
        if policy is None or policy.dask is None:
            return None
        try:
            secret = self._secrets.text(policy.dask.secret)
        except SecretError:
            return None
        return f"{lease_id}.{hmac.new(secret.encode(), _LABEL + lease_id.encode(), sha256).hexdigest()}"

    async def caller(self, authorization: str) -> Caller | None:
        """The owner of the lease whose token the header holds, as one who may read data; None: it is nobody's."""
        scheme, _, token = authorization.partition(" ")
        found = _TOKEN.fullmatch(token.strip()) if scheme.casefold() == "lease" else None
        if found is None:
            return None
        lease = await self._find_lease(found[1])
        made = self.make(lease.site, lease.id) if lease is not None and lease.site else None
        if lease is None or made is None or not hmac.compare_digest(made, token.strip()):
            return None
        if not lease.state.is_open:
            return None
        return Caller(name=lease.owner, groups=await self._known_groups(lease.owner), reads_only=True)

    async def _known_groups(self, owner: str) -> frozenset[str]:
        """As the hub said a moment ago: a worker opens many files, and who has left a group is out soon."""
        now = self._clock()
        asked, groups = self._groups.get(owner, (float("-inf"), frozenset()))
        if now - asked > CACHE_SECONDS:
            groups = await self._asked(owner)
            if len(self._groups) >= OWNERS_KEPT:
                self._groups.clear()
            self._groups[owner] = (now, groups)
        return groups

    async def _asked(self, owner: str) -> frozenset[str]:
        """The hub's word; hundreds of workers that want it at once are one question."""
        task = self._asking.get(owner)
        if task is None:
            task = self._asking[owner] = asyncio.create_task(self._ask(owner))
        # whoever goes away does not take the answer from the others
        return await asyncio.shield(task)

    async def _ask(self, owner: str) -> frozenset[str]:
        try:
            return await self._groups_of(owner)
        finally:
            del self._asking[owner]
