"""What the control process works with, handed to its handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from perijove.models import PolicyState
from perijove_hub.admission.desk import Desk
from perijove_hub.admission.life import Life
from perijove_hub.admission.service import AdmissionService
from perijove_hub.catalogue.federation import Federation
from perijove_hub.catalogue.vending import Vendor
from perijove_hub.ledger.database import Database
from perijove_hub.ledger.usage import UsageService
from perijove_hub.policy.in_force import PlatformInForce
from perijove_hub.web.auth import CallerCheck, GatewayCheck
from perijove_hub.web.lease_tokens import LeaseTokens


@dataclass(frozen=True)
class ControlState:
    """The parts of a control process."""

    platform: PlatformInForce
    database: Database
    admission: AdmissionService
    desk: Desk
    life: Life
    usage: UsageService
    vendor: Vendor
    catalogue: Federation
    callers: CallerCheck
    gateways: GatewayCheck
    lease_tokens: LeaseTokens
    clock: Callable[[], datetime]
    groups_of: Callable[[str], Awaitable[frozenset[str]]]

    def policy_state(self) -> PolicyState:
        """Which platform file this process obeys, and what was wrong with the last one refused."""
        return self.platform.state()
