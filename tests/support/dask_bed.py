"""Control and a real Dask Gateway of one of its sites, for tests of clusters."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from perijove_demo.ports import free_ports

from .control_bed import ControlBed, gateway_secret, running_control
from .dask_gateway import GatewayBed, running_gateway, until
from .hub_api import ACCESS
from .platforms import FakeClock, site

#: What tokens hold that may come to control and to the gateway.
SCOPES = (ACCESS, "access:services!service=dask-esac")

QUOTAS = [
    {"name": "cores", "resource": "cpu", "limit": 4},
    {"name": "two-clusters", "resource": "clusters", "limit": 2},
]


class WallClock(FakeClock):
    """The time as it is: what gateways report is of now."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class DaskBed:
    """Control, the gateway of its site ESAC, and the tokens of two people."""

    control: ControlBed
    gateway: GatewayBed
    ana: str
    bob: str

    async def leases(self) -> list[dict[str, Any]]:
        """The clusters of everybody in the ledger, newest first."""
        items: list[dict[str, Any]] = (await self.control.get("leases", self.control.admin, owner="*")).body["items"]
        return [each for each in items if each["kind"] == "cluster"]

    async def settled(self, state: str) -> dict[str, Any]:
        """Wait until the newest cluster's lease is in this state; the lease."""

        async def is_so() -> bool:
            return (await self.leases())[0]["state"] == state

        await until(is_so, 15, self.gateway.log)
        return (await self.leases())[0]


@contextlib.asynccontextmanager
async def running_dask_bed(
    directory: Path,
    caplog: pytest.LogCaptureFixture,
    more: dict[str, dict[str, Any]] | None = None,
    idle_choices: dict[str, int] | None = None,
    **parts: Any,
) -> AsyncIterator[DaskBed]:
    """A bed; ``more`` are settings of the gateway, ``parts`` of the platform file."""
    ports = free_ports(2)
    address = f"127.0.0.1:{ports[1]}"
    dask = {"address": f"http://{address}", "proxy_address": f"gateway://{address}", "secret": "esac-dask"}
    sites = {"esac": site(cpu=8, price={"cpu_hour": 0.5}, dask=dask)}
    given = {"sites": sites, "datasets": {}, "quotas": QUOTAS, **parts}
    async with (
        running_control(directory, caplog, clock=WallClock(), **given) as control,
        running_gateway(
            directory / "esac",
            site="esac",
            control_url=control.service_url,
            hub_api_url=control.hub.url,
            secret=gateway_secret("esac-dask"),
            ports=(ports[0], ports[1]),
            more=more,
            idle_choices=idle_choices,
        ) as gateway,
    ):
        ana, bob = control.hub.add("ana", "astro", scopes=SCOPES), control.hub.add("bob", "staff", scopes=SCOPES)
        yield DaskBed(control, gateway, ana, bob)
