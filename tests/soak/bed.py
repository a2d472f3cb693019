"""The bed of a soak: on SQLite or PostgreSQL, with an admin, and with the ledger open to whoever checks it."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, select

from perijove_hub.ledger.engines import parse_address, plain_engine
from perijove_hub.ledger.schema import leases
from perijove_hub.sites import READY_HEADER
from tests.support.bed import ROOT, Bed
from tests.support.postgres import PostgresServer

#: Small sites and low limits, so that they are reached; a slice of seconds, so that it is renewed.
PLATFORM = """\
admission:
  {offer_seconds: 3, inventory_seconds: 0.4, sweep_seconds: 0.3, clock_margin_seconds: 0.2, slice: 4s, least_slice: 1s,
   notice: 1s, allowed_grace: 2s}
sites:
  near:
    kind: local
    title: Near
    region: here
    capacity: {cpu: 9, memory_gib: 40}
    price: {cpu_hour: 0.6, memory_gib_hour: 0.1}
    mounts_homes_of: [far]
    start_timeout_seconds: 2.5
  far:
    kind: local
    title: Far
    region: there
    capacity: {cpu: 7, memory_gib: 40}
    price: {cpu_hour: 0.9}
    mounts_homes_of: [near]
    start_timeout_seconds: 2.5
profiles:
  small: {title: Small, cpu: 1, memory_gib: 1}
  medium: {title: Medium, cpu: 3, memory_gib: 4}
  exits: {title: Exits, cpu: 1, memory_gib: 1, env: {PJ_FAULT: exit}}
  stranger: {title: Stranger, cpu: 1, memory_gib: 1, env: {PJ_FAULT: stranger}}
  parent: {title: Parent, cpu: 1, memory_gib: 1, env: {PJ_FAULT: parent}}
  stubborn: {title: Stubborn, cpu: 1, memory_gib: 1, env: {PJ_FAULT: stubborn}}
  deaf: {title: Deaf, cpu: 1, memory_gib: 1, env: {PJ_FAULT: deaf}}
  broken: {title: Broken, cpu: 1, memory_gib: 1, env: {PJ_FAULT: broken}}
  for-staff: {title: For staff, cpu: 1, memory_gib: 1, groups: [staff]}
placement: {retries: 1}
quotas:
  - {name: three-each, resource: sessions, limit: 3}
  - {name: pool-together, resource: cpu, limit: 6, per: group, applies_to: {groups: [pool]}}
  - {name: hours-each, resource: cpu_hours, limit: 1000, window: day}
  - {name: twelve-in-all, resource: sessions, limit: 12, per: platform}
"""
SITE_CPU = {"near": 9.0, "far": 7.0}
LIMITS = {"three-each": 3.0, "pool-together": 6.0, "twelve-in-all": 12.0}


class SoakBed(Bed):
    """A bed whose ledger is in a file, or on a server that may be killed as well."""

    def __init__(self, directory: Path, postgres: PostgresServer | None) -> None:
        self._postgres = postgres
        self.address = postgres.ledger() if postgres else f"sqlite+aiosqlite:///{directory}/control.sqlite"
        self._engine = plain_engine(parse_address(self.address))
        # a proxy that has come back gets its routes when the hub compares them: stock, every five minutes
        hub = {"last_activity_interval": 3}
        super().__init__(directory, PLATFORM, hub=hub, spawner={"consecutive_failure_limit": 0})

    def admin(self) -> httpx.Client:
        """A client of control that may change limits."""
        self.add_user("root")
        return self.control_as("root")

    def change_group(self, user: str, group: str, *, member: bool) -> int:
        """Put a user into a group of the hub, or take the user out; the hub's answer."""
        method = "POST" if member else "DELETE"
        return self.api.request(method, f"groups/{group}/users", json={"users": [user]}).status_code

    def trouble_database(self, seconds: float) -> None:
        """Kill PostgreSQL and start it again after a while; SQLite is held by another writer for that long."""
        if self._postgres:
            self._postgres.kill()
            time.sleep(seconds)
            self._postgres.start()
            return
        with sqlite3.connect(self.directory / "control.sqlite", timeout=20, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            other.execute("ROLLBACK")

    def pause(self, name: str, seconds: float) -> None:
        """Stop a process for a while, as a machine that swaps does."""
        self.signal(name, signal.SIGSTOP)
        time.sleep(seconds)
        self.signal(name, signal.SIGCONT)

    def bring_up(self, name: str) -> int:
        """Start a part if it has ended, as often as it ends, until it does its work; how often.

        A service that finds no database ends, and is started again by whoever runs a platform.
        """
        works = {
            "hub": self.hub_is_up,
            "control": self.control_is_up,
            "controller": lambda: self.port_answers("metrics"),
            "proxy": lambda: self.port_answers("public"),
        }[name]
        started = 0

        def comes_up() -> bool:
            nonlocal started
            if self.has_ended(name):
                self.launch(name)
                started += 1
            return works()

        self.wait(f"{name} to work", comes_up, 60)
        return started

    def port_answers(self, port: str) -> bool:
        """Whether somebody listens."""
        try:
            httpx.get(f"http://127.0.0.1:{self._ports[port]}/", timeout=5)
        except httpx.TransportError:
            return False
        return True

    @contextmanager
    def ledger(self) -> Iterator[Connection]:
        """A transaction that reads the ledger itself, not through any service, and sees one moment of it."""
        with self._engine.connect() as connection:
            if self._postgres:
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def open_leases(self) -> dict[str, str]:
        with self.ledger() as ledger:
            query = select(leases.c.attempt_id, leases.c.state).where(
                leases.c.state.in_(["offered", "starting", "active"])
            )
            return {row.attempt_id: row.state for row in ledger.execute(query)}

    def at_rest(self) -> bool:
        """Everything agrees, no server of the hub is half there, and the proxy leads to each of them."""
        users = self.api.get("users").raise_for_status().json()
        servers = [server for user in users for server in user["servers"].values()]
        return (
            not any(server["pending"] for server in servers) and self.settled() and all(map(self._is_reached, servers))
        )

    def _is_reached(self, server: dict[str, Any]) -> bool:
        answer = httpx.get(f"{self.url}{server['url']}api", timeout=10)
        return READY_HEADER in answer.headers and answer.status_code == 200 and answer.text == "{}"

    def _command(self, name: str) -> list[str]:
        if name == "hub":
            return [*super()._command(name)[:-1], str(ROOT / "tests/soak/hub_config.py")]
        command = super()._command(name)
        if "--database" in command:
            command[1:3] = [str(ROOT / "tests/soak/impatient.py")]
            command[command.index("--database") + 1] = self.address
        return command
