"""Security item 27: parallel asks against one limit, from two control processes on one PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from perijove_demo.ports import free_ports
from perijove_hub.web.control import HUB_SECRET
from tests.support.postgres import PostgresServer

ASKS, LIMIT, CORE_HOURS = 100, 10, 4

PLATFORM = f"""\
sites:
  one: {{kind: local, title: One, region: here, capacity: {{cpu: 1000, memory_gib: 1000}}}}
profiles:
  small: {{title: Small, cpu: 1, memory_gib: 1}}
quotas:
  - {{name: pool, resource: sessions, limit: {LIMIT}, per: group}}
  - {{name: hours, resource: cpu_hours, window: day, limit: {CORE_HOURS}, applies_to: {{groups: [class]}}}}
"""


@pytest.fixture
def controls(postgres: PostgresServer, tmp_path: Path) -> Iterator[list[str]]:
    """The addresses of two control processes on one ledger."""
    database, ports = postgres.ledger(), free_ports(2)
    (tmp_path / "perijove.yaml").write_text(PLATFORM)
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / HUB_SECRET
    secret.write_text("the secret of this test")
    secret.chmod(0o600)
    env = {
        **os.environ,
        "JUPYTERHUB_API_URL": "http://127.0.0.1:9/hub/api",
        "JUPYTERHUB_API_TOKEN": "none",
        "JUPYTERHUB_CLIENT_ID": "service-perijove",
        "JUPYTERHUB_SERVICE_PREFIX": "/services/perijove/",
        "JUPYTERHUB_BASE_URL": "/",
    }
    command = [
        sys.executable, "-m", "perijove_hub", "control", "--platform", str(tmp_path / "perijove.yaml"),
        "--secrets-dir", str(tmp_path / "secrets"), "--database", database, "--port",
    ]  # fmt: skip
    processes = [subprocess.Popen([*command, str(port)], env=env, stderr=subprocess.DEVNULL) for port in ports]
    urls = [f"http://127.0.0.1:{port}/services/perijove/api/v1/" for port in ports]
    try:
        for url in urls:
            _wait_for(f"{url}health")
        yield urls
    finally:
        for process in processes:
            process.terminate()
            process.wait(15)


async def test_a_hundred_asks_of_a_group_of_two_processes_admit_exactly_its_pool(controls: list[str]) -> None:
    answers = await _ask(controls, groups=["euclid"], name="server")
    admitted = [answer for answer in answers if answer.status_code == 201]
    refused = [answer.json() for answer in answers if answer.status_code == 403]
    assert (len(admitted), len(refused)) == (LIMIT, ASKS - LIMIT)
    assert {problem["detail"] for problem in refused} == {
        f"Limit pool of group euclid reached: {LIMIT} of {LIMIT} sessions used. Wait until a server of it ends."
    }


async def test_the_named_servers_of_one_user_never_pass_a_limit_over_time(controls: list[str]) -> None:
    answers = await _ask(controls, owner="ana", groups=["class"])
    assert sorted(answer.status_code for answer in answers) == [201] * CORE_HOURS + [403] * (ASKS - CORE_HOURS)


async def _ask(controls: list[str], **wish: Any) -> list[httpx.Response]:
    headers = {"Authorization": "Bearer the secret of this test"}

    async def ask(client: httpx.AsyncClient, number: int) -> httpx.Response:
        asked = {
            "owner": f"user{number}", "kind": "session", "name": f"s{number}", "attempt_id": uuid.uuid4().hex, **wish,
        }  # fmt: skip
        return await client.post(f"{controls[number % 2]}leases", json=asked)

    async with httpx.AsyncClient(headers=headers, timeout=60, trust_env=False) as client:
        return await asyncio.gather(*(ask(client, number) for number in range(ASKS)))


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")
