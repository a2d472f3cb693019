"""The Dask Gateways of the demo: one for each of two sites, whose clusters are processes of this machine."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Names the file that tells a gateway all that differs from the others; see ``dask_gateway_config.py``.
TOLD_VARIABLE = "PERIJOVE_DEMO_GATEWAY"

IDLE_CHOICES = {"30 minutes": 1800, "2 hours": 7200, "5 minutes": 300}


@dataclass(frozen=True)
class DaskSite:
    """The gateway of one site.

    Args:
        site: of the platform file.
        directory: where it keeps its state.
        api_port: where it listens itself; nobody but its own proxy asks there.
        port: where users reach it: its API, dashboards and schedulers.
        control_url: of control.
        public_control_url: of control, as workers reach it.
        hub_api_url: where it asks who comes.
        secret_path: of the secret that it shares with control.
        encrypt_key: for what it keeps: 32 bytes as base64.
        idle_choices: what people may choose from, in seconds by words: how long a cluster may be idle. The first is
            what they get unless they choose.
        more: settings of Dask Gateway, by class, as ``{"DBBackendBase": {"cluster_heartbeat_period": 2}}``.
    """

    site: str
    directory: Path
    api_port: int
    port: int
    control_url: str
    public_control_url: str
    hub_api_url: str
    secret_path: Path
    encrypt_key: str
    idle_choices: dict[str, int] = field(default_factory=lambda: dict(IDLE_CHOICES))
    more: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where users reach it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def proxy_address(self) -> str:
        """Where kernels reach its schedulers."""
        return f"gateway://127.0.0.1:{self.port}"

    @property
    def service(self) -> str:
        """Its name as a service of the hub."""
        return f"dask-{self.site}"

    @property
    def command(self) -> list[str]:
        """What runs it."""
        config = Path(__file__).parent / "dask_gateway_config.py"
        return [sys.executable, "-m", "dask_gateway_server", "--config", str(config)]

    def prepare(self) -> dict[str, str]:
        """Write what it is told; the environment that it needs beside the usual one."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = {
            "site": self.site,
            "directory": str(self.directory),
            "api_address": f"127.0.0.1:{self.api_port}",
            "address": f"127.0.0.1:{self.port}",
            "control_url": self.control_url,
            "public_control_url": self.public_control_url,
            "hub_api_url": self.hub_api_url,
            "service": self.service,
            "secret_path": str(self.secret_path),
            "encrypt_key": self.encrypt_key,
            "idle_choices": self.idle_choices,
            "more": self.more,
        }
        path = self.directory / "told.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(told))
        return {TOLD_VARIABLE: str(path)}
